"""The keys of a scenario for people: one part for the terminal, all of them as a page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from chaosml.explain.keys import Key, Part, find, parts, tree

__all__ = ["markdown", "option_rows", "terminal", "terminal_keys"]

_WIDTH = 96
_NOTES = {
    "faults[].with": "see [faults.md](faults.md) for those of each kind, or `chaosml faults KIND`.",
}

_PAGE = """\
# Scenario reference

Every key that a scenario can have. `chaosml explain` prints the same on a terminal
(`chaosml explain expect.mttr`), `chaosml validate FILE` checks a file, and `chaosml schema` prints
a JSON Schema, with which editors complete and check while one writes. For the YAML extension of
VS Code and for others that use yaml-language-server:

```sh
chaosml schema > scenario.schema.json
```

```yaml
# yaml-language-server: $schema=./scenario.schema.json
apiVersion: chaosml.dev/v1
kind: Scenario
```

Values:

- A *duration* has a unit: `500ms`, `30s`, `20m`, `1m30s`, `2h`. A *share* has one, too: `30%`. So
  have sizes (`64KiB`, `5MB`) and rates (`500KB/s`, `8Mbit/s`). A number without one is an error.
- YAML is read as version 1.2 says: `on` and `yes` are text.
- An unknown key is an error, with the near miss. All problems of a file are told at once.
- `--set PATH=VALUE` overrides a value for one run, such as `--set faults.reclaim.when.step=61`;
  entries of lists go by their name or number.

The shortest scenario:

```yaml
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: first}
pipeline:
  workflow: pipelines/resilient.yaml
  isolate: {bucket: bucket}
faults:
  - name: deleted
    inject: pod.delete
    target: {task: train}
    when: {step: 61}
```

[scenarios/spot.yaml](../scenarios/spot.yaml) is a whole one, with a comment on each line.
"""


def markdown() -> str:
    """Return the page of all keys."""
    return _PAGE + "".join(_sections())


def _sections() -> Iterator[str]:
    """Yield a section for each mapping; what may stand in two places is described in the first."""
    seen: dict[Part, str] = {}
    told = ""
    for path, part in parts(tree()):
        if told and path.startswith(f"{told}."):
            continue
        if part in seen and path.count(".") == seen[part].count("."):
            told = path
            yield f"\n## `{path}`\n\n{part.text} As `{seen[part]}`.\n"
        else:
            seen.setdefault(part, path)
            yield _section(path, part)


def _section(path: str, part: Part) -> str:
    title = f"`{path}`" if path else "The document"
    note = "".join(
        f"\n`{key.name}`: {_NOTES[place]}\n"
        for key in part.keys
        if (place := f"{path}.{key.name}") in _NOTES
    )
    return f"\n## {title}\n\n{part.text}\n\n{option_rows(part.keys)}{note}"


def option_rows(keys: Sequence[Key]) -> str:
    """Return keys as a table in Markdown."""
    lines = ["| key | value | default | |", "|---|---|---|---|"]
    lines += [
        f"| `{key.name}` | {_cell(key.kind)} | {_cell(key.default)} | {_cell(key.text)} |"
        for key in keys
    ]
    return "".join(f"{line}\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def terminal(path: str) -> str:
    """Return what a key is, and the keys below it.

    Raises:
        UsageError: there is no such key.
    """
    key, part = find(tree(), path)
    lines = []
    if key is not None:
        lines += [f"{path}: {key.kind}{_after(key.default)}", *_wrapped(key.text, "  ")]
    if part is not None:
        lines += ["", *_wrapped(part.text, "")] if key is not None else [part.text]
        lines += ["", *terminal_keys(part.keys)]
    text = "\n".join(lines).replace("`", "")
    return f"{text}\n"


def terminal_keys(keys: Sequence[Key]) -> list[str]:
    """Return keys as lines: name and value, below them what it is for."""
    lines: list[str] = []
    for key in keys:
        lines += [f"  {key.name}: {key.kind}{_after(key.default)}", *_wrapped(key.text, "      ")]
    return lines


def _after(default: str) -> str:
    if not default:
        return ""
    return " (required)" if default == "required" else f" (default {default})"


def _wrapped(text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )
