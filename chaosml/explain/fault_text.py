"""The kinds of faults for people: a table, and each in detail, on the terminal and in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

import yaml

from chaosml.explain.kinds import SUBSTRATES, KindFacts
from chaosml.explain.scenario_text import option_rows, terminal_keys

__all__ = ["detail", "listing", "markdown_detail", "markdown_table", "rows"]

_WIDTH = 96


def rows(kinds: Iterable[KindFacts]) -> Iterator[tuple[str, ...]]:
    """Yield name, substrates and summary of each kind, in words."""
    for kind in kinds:
        yield (kind.name, *(kind.substrates[name] for name in SUBSTRATES), kind.summary)


def listing(kinds: Iterable[KindFacts]) -> str:
    """Return all kinds, one a line."""
    shown = [tuple(cell.replace("`", "") for cell in row) for row in rows(kinds)]
    table = [("fault", *SUBSTRATES, ""), *shown]
    widths = [max(len(row[column]) for row in table) for column in range(len(SUBSTRATES) + 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in table
    ]
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    return f"{text}\nchaosml faults KIND shows one in detail.\n"


def markdown_table(kinds: Iterable[KindFacts]) -> str:
    """Return all kinds as a table."""
    head = "| fault | " + " | ".join(SUBSTRATES) + " | |\n" + "|---" * 5 + "|\n"
    return head + "".join(
        f"| [`{name}`](#{_anchor(name)}) | {' | '.join(cells)} |\n" for name, *cells in rows(kinds)
    )


def _anchor(name: str) -> str:
    return name.replace(".", "")


def markdown_detail(kind: KindFacts) -> str:
    """Return options and facts of a kind, as they stand below its prose."""
    options = option_rows(kind.options) if kind.options else "No options.\n"
    facts = "".join(f"- **{label}**: {said}\n" for label, said in _facts(kind))
    return f"{_example(kind)}\n{options}\n{facts}"


def _example(kind: KindFacts) -> str:
    return f"```yaml\n{_yaml(kind)}```\n"


def _yaml(kind: KindFacts) -> str:
    fault = {"inject": kind.name, "target": {"task": "train"}, "when": {"step": 61}}
    chosen: Mapping[str, object] = {**fault, **({"with": kind.example} if kind.example else {})}
    return "".join(f"{key}: {_flow(value)}\n" for key, value in chosen.items())


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=200).removesuffix("...\n").strip()


def _facts(kind: KindFacts) -> Iterator[tuple[str, str]]:
    """Yield labels and words."""
    yield "runs on", _where(kind)
    yield "views", "; ".join(kind.views)
    yield "permissions", _rights(kind)
    yield "receipt", kind.receipt
    yield "heal", kind.heal


def _rights(kind: KindFacts) -> str:
    if all(kind.substrates[name] == "no" for name in SUBSTRATES if name != "embedded"):
        return "none, since no cluster has it"
    return kind.permissions or "none beyond those of a run"


def _where(kind: KindFacts) -> str:
    said = {name: how for name, how in kind.substrates.items() if how != "no"}
    return ", ".join(f"{name}{'' if how == 'yes' else f' {how}'}" for name, how in said.items())


def detail(kind: KindFacts) -> str:
    """Return everything about a kind, for the terminal."""
    lines = [f"{kind.name}: {kind.summary}", ""]
    lines += [*kind.mechanism.splitlines(), ""]
    if kind.effect:
        lines += [*_wrapped(f"effect: {kind.effect}"), ""]
    lines += ["options of with:" if kind.options else "no options", *terminal_keys(kind.options)]
    lines.append("")
    for label, said in _facts(kind):
        lines += _wrapped(f"{label}: {said}")
    lines += ["", *textwrap.indent(_yaml(kind), "  ").splitlines()]
    return "\n".join(lines).replace("`", "") + "\n"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_long_words=False)
