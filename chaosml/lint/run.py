"""One call of the linter: all files, what was found, and the exit code."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chaosml.document import display_path, nearest
from chaosml.errors import Problem, ScenarioError, UsageError
from chaosml.lint import files, fixing
from chaosml.lint.archives import is_archive
from chaosml.lint.engine import UNUSED, Examined, examine
from chaosml.lint.rule import Finding, Rule, Severity
from chaosml.lint.rules import rules

__all__ = ["Outcome", "chosen", "lint"]

_RANK = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}
_FOUND = 1
_UNREADABLE = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of all files."""

    rules: Mapping[str, Rule]
    """Those that were asked."""
    examined: tuple[Examined, ...] = ()
    mended: tuple[Finding, ...] = ()
    """What `fix` has mended; not among the findings any more."""
    skipped: int = 0
    """Files of folders and patterns that hold nothing for us."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Named files with documents of other kinds alone, and what they are."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding that counts, file by file."""
        return tuple(finding for one in self.examined for finding in one.open)

    @property
    def suppressed(self) -> tuple[Finding, ...]:
        """Every finding that is left as it is, for a reason."""
        return tuple(
            finding
            for one in self.examined
            for finding in one.findings
            if finding.suppressed is not None
        )

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why files could not be read."""
        return tuple(problem for one in self.examined for problem in one.problems)

    @property
    def documents(self) -> int:
        """How many documents were looked at."""
        return sum(one.looked_at for one in self.examined)

    def exit_code(self, fail_on: Severity = Severity.NOTE) -> int:
        """Return 2 where a file could not be read or none was ours, 1 for findings, else 0."""
        if self.problems or not self.documents:
            return _UNREADABLE
        least = _RANK[fail_on]
        return _FOUND if any(_RANK[one.severity] >= least for one in self.findings) else 0


def lint(
    arguments: Sequence[str],
    *,
    only: Sequence[str] = (),
    ignored: Sequence[str] = (),
    fix: bool = False,
) -> Outcome:
    """Look at files and, if asked to, mend them.

    Args:
        arguments: Files, folders, patterns, or `-`.
        only: Names of rules; none: all of them.
        ignored: Names of rules that are left out.
        fix: Whether to write what can be mended mechanically.

    Raises:
        UsageError: there is no such file or rule, or standard input is to be mended.
        HarnessError: a mended file could not be written.
    """
    asked = chosen(only, ignored)
    found = files.candidates(arguments)
    if fix:
        _refuse_to_mend(found)
    examined: list[Examined] = []
    mended: list[Finding] = []
    others: dict[str, str] = {}
    skipped = 0
    for candidate in found:
        for one, repaired in _look_at(candidate, asked, fix=fix):
            mended += repaired
            if one is None:
                skipped += 1
            elif one.looked_at or one.problems:
                examined.append(one)
            elif candidate.is_named:
                others[one.file] = ", ".join(dict.fromkeys(one.others)) or "no YAML or JSON in it"
            else:
                skipped += 1
    return Outcome(asked, tuple(examined), tuple(mended), skipped, others)


def _refuse_to_mend(found: Sequence[files.Candidate]) -> None:
    if any(one.path == files.STDIN for one in found):
        raise UsageError("--fix writes files; it cannot mend standard input")
    for one in found:
        if one.is_named and is_archive(one.path):
            raise UsageError(
                f"--fix writes files; it cannot mend what is inside {one.path}: mend the source of "
                "the pipeline and compile it again"
            )


def _look_at(
    candidate: files.Candidate, rules_asked: Mapping[str, Rule], *, fix: bool
) -> Iterator[tuple[Examined | None, Sequence[Finding]]]:
    """Yield what was found in a file, or in each text of an archive; None: nothing for us."""
    path = candidate.path
    fix = fix and not is_archive(path)
    empty = True
    try:
        for inside, text in files.contents(candidate):
            empty = False
            if not candidate.is_promising(text):
                yield None, ()
                continue
            examined = examine(text, inside, rules_asked)
            yield _mend(text, path, examined, rules_asked) if fix else (examined, ())
    except ScenarioError as error:
        yield Examined(display_path(path), problems=error.problems), ()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        problem = Problem(display_path(path), 1, 1, f"the file cannot be read: {reason}")
        yield Examined(problem.file, problems=(problem,)), ()
    else:
        if empty:
            yield Examined(display_path(path)), ()


def _mend(
    text: str, path: pathlib.Path, examined: Examined, rules_asked: Mapping[str, Rule]
) -> tuple[Examined, Sequence[Finding]]:
    fixed = fixing.fix(text, path, examined)
    if fixed.text == text:
        return examined, ()
    fixing.write(path, fixed.text)
    return examine(fixed.text, path, rules_asked), fixed.mended


def chosen(only: Sequence[str], ignored: Sequence[str]) -> Mapping[str, Rule]:
    """Return the rules that are asked.

    Raises:
        UsageError: a name is none of a rule; with the near miss.
    """
    known = rules()
    for name in (*only, *ignored):
        if name not in known:
            meant = nearest(name, known)
            advice = f'did you mean "{meant}"?' if meant else "chaosml lint --list shows all"
            raise UsageError(f'there is no rule "{name}"; {advice}')
    # Whether a suppression is idle cannot be told for rules that were not asked.
    return {
        name: rule
        for name, rule in known.items()
        if name not in ignored and (not only or name in only or name == UNUSED)
    }
