"""The pages of the rules, and the list of them: docs/lint/ is written from here.

python -m chaosml.lint.pages docs/lint
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator, Mapping

from chaosml.lint.rule import Rule, Severity
from chaosml.lint.rules import rules

__all__ = ["all_pages", "listing", "main", "page", "write_pages"]

_OVERVIEW = """\
# Lint: what will not survive

`chaosml lint FILE…` reads Argo Workflow, WorkflowTemplate, ClusterWorkflowTemplate and
CronWorkflow documents and compiled packages of Kubeflow Pipelines, and says what in them does not
survive the loss of a node. It runs nothing and contacts nobody.

```sh
chaosml lint pipelines/                     # every YAML, JSON and archive below a folder
chaosml lint train.yaml --fix               # mend what can be mended mechanically
kustomize build . | chaosml lint -          # from standard input
chaosml lint --explain retry-transient      # the page of a rule
chaosml lint pipelines/ --output sarif > chaosml.sarif
chaosml lint pipelines/ --output github     # annotations of a pull request
```

Exit codes: 0 nothing found, 1 something found, 2 wrong usage, a file that is not YAML, or nothing
to look at. `--fail-on error` lets warnings and notes pass. Broken files do not keep the others
from being read. In folders, files of other kinds are passed over in silence.

`--fix` changes single words and lines; comments, order and layout stay. What comes out is read
again, and an edit that would change anything else is not made. Suppressed findings are left
alone.

A package may be an archive (`.zip`, `.tar.gz`): findings name the member, as
`package.zip/pipeline.yaml:12:5`. Nothing is unpacked onto the disk; an archive over 16 MiB, or with
over 64 MiB or 1,000 members in it, is not read, and one whose members lie outside of it is refused.
`--fix` mends no archive.

In a job of GitHub Actions, findings become annotations of the pull request by `--output github`,
or alerts by SARIF:

```yaml
- run: chaosml lint pipelines/ --output sarif > chaosml.sarif
- uses: github/codeql-action/upload-sarif@v3
  if: always()
  with: {sarif_file: chaosml.sarif}
```

## Suppressions

A finding that is meant to be there is suppressed by a comment with the rule and the reason:
beside the line that the finding names, on a line of its own above it, or for the whole file.

```yaml
image: trainer:1.4  # chaosml: ignore[image-tag] tags are immutable in our registry
# chaosml: ignore-file[grace-missing, retry-missing] an example for the documentation
```

Without a reason the comment does nothing and is a finding itself; so is one that suppresses
nothing.

## Rules

An *error* goes wrong at the first death of a pod or at the first start, a *warning* under
conditions that are usual on interruptible nodes, a *note* works otherwise than the file suggests.

"""


def page(rule: Rule) -> str:
    """Return the page of a rule in Markdown."""
    mends = "`chaosml lint --fix` mends it." if rule.fixable else "It is mended by hand."
    return "".join(
        (
            f"# {rule.name}\n\n",
            f"{rule.severity.capitalize()}: {rule.summary}.\n\n",
            f"{rule.why.strip()}\n\n",
            f"## Fix\n\n{_sentence(rule.fix)} {mends}\n\n",
            f"## Found\n\n```yaml\n{rule.bad}```\n\n",
            f"## Not found\n\n```yaml\n{rule.good}```\n\n",
            "## Sources\n\n",
            *(f"- {source}\n" for source in rule.sources),
        )
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def listing() -> str:
    """Return the list of all rules as a table."""
    lines = ["| rule | severity | what | `--fix` |", "|---|---|---|---|"]
    lines += [
        f"| [{rule.name}]({rule.name}.md) | {rule.severity} | {_cell(rule.summary)} "
        f"| {'yes' if rule.fixable else ''} |"
        for rule in _by_severity()
    ]
    return "".join(f"{line}\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _by_severity() -> Iterator[Rule]:
    for severity in Severity:
        yield from (rule for rule in rules().values() if rule.severity is severity)


def all_pages() -> Mapping[str, str]:
    """Return every page by its file name."""
    written = {f"{name}.md": page(rule) for name, rule in rules().items()}
    return {"README.md": _OVERVIEW + listing(), **written}


def write_pages(folder: pathlib.Path) -> None:
    """Write the pages into a folder and remove those of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = all_pages()
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Write the pages into the folder that the command line names."""
    write_pages(pathlib.Path(sys.argv[1]))


if __name__ == "__main__":
    main()
