"""The programs of the injections of one execution: started aside, heard of through the inbox.

    start ─► thread: run the command, or ask for the receipt until it is given ─► inbox
                                                            loop: handle ─► `CommandEnded`

The loop never waits for one, except at the end, when a fault is taken back.
"""

from __future__ import annotations

import queue
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chaosml import clock
from chaosml.errors import HarnessError
from chaosml.event import CommandEnded, Fact, Scalar
from chaosml.faults.program import Program
from chaosml.faults.script import AskReceipt
from chaosml.history import Entry
from chaosml.runner.programs import (
    INJECTION_MARK,
    Ended,
    Host,
    Running,
    end_stragglers,
    environment_of,
    run_program,
)
from chaosml.substrates.redaction import Redaction

__all__ = ["Commands", "answer_of", "assess"]

_EVERY_S = 0.25
"""Between two questions for a receipt."""
_JOIN_S = 10.0
_SCALARS_MAX = 64
_TEXT_MAX = 200
_WHOLE_MAX = 2**53
_CALLED: Mapping[str, Scalar] = {"called": True}
_TOOK_EFFECT: Mapping[str, Scalar] = {"took-effect": True}


@dataclass(slots=True)
class _Work:
    """What goes on for one injection."""

    running: Running = field(default_factory=Running)
    thread: threading.Thread | None = None


class Commands:
    """Starts programs and says how they ended."""

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        host: Host | None,
        say: Callable[[str, Fact], None],
    ) -> None:
        self._inbox, self._host, self._say = inbox, host, say
        self._works: dict[str, _Work] = {}
        self._closed = False

    @property
    def folder(self) -> str:
        """The working directory of every program."""
        return "" if self._host is None else str(self._host.folder)

    def start(self, injection: str, part: str, uid: str, program: Program) -> None:
        """Start a program; `CommandEnded` is said once it has ended."""

        def run(work: _Work) -> CommandEnded:
            ended, hide = self._run(injection, program, work.running)
            return _fact(injection, part, uid, *answer_of(program, ended), hide=hide)

        self._aside(injection, run)

    def ask(self, injection: str, wanted: AskReceipt) -> None:
        """Ask for a receipt until it is given or the time is over; then `CommandEnded` is said."""

        def run(work: _Work) -> CommandEnded:
            deadline = clock.Deadline(f"receipt of {injection}", wanted.within_s)
            asked = 0
            while True:
                asked += 1
                ended, hide = self._run(injection, wanted.program, work.running)
                ended, document = assess(ended, wanted.expected)
                over = ended.outcome in ("done", "ended", "not-started") or deadline.passed
                if over or work.running.stopped.wait(_EVERY_S):
                    return _fact(
                        injection, "receipt", wanted.uid, ended, document, asked, hide=hide
                    )

        self._aside(injection, run)

    def undo(self, injection: str, uid: str, program: Program) -> None:
        """End what goes on for an injection, then take its fault back and wait for that.

        Raises:
            HarnessError: the program does not do it.
        """
        self._stop(injection)
        ended, hide = self._run(injection, program, Running())
        ended, document = answer_of(program, ended)
        self._tell(_fact(injection, "undo", uid, ended, document, hide=hide))
        if ended.outcome != "done":
            raise HarnessError(
                f"the undo of {injection} {ended.outcome} ({ended.detail or ended.exit_code}); "
                f"by hand: {shlex.join(program.argv)}"
            )

    def handle(self, message: CommandEnded) -> list[Entry]:
        """Say how a program ended; what comes after the end of the execution is dropped."""
        if not self._closed:
            self._tell(message)
        return []

    def close(self) -> None:
        """End every program, and what they have left running."""
        for injection in list(self._works):
            self._stop(injection)
        self._closed = True

    def _tell(self, fact: CommandEnded) -> None:
        self._say(f"injection/{fact.injection}", fact)

    def _aside(self, injection: str, run: Callable[[_Work], CommandEnded]) -> None:
        work = self._works.setdefault(injection, _Work())
        work.running = Running()
        work.thread = threading.Thread(
            target=lambda: self._inbox.put((self, run(work))), name=injection, daemon=True
        )
        work.thread.start()

    def _stop(self, injection: str) -> None:
        """End what was started for an injection, also what has left its group."""
        work = self._works.pop(injection, None)
        if work is None:
            return
        work.running.stop()
        if work.thread is not None:
            work.thread.join(_JOIN_S)
        if self._host is not None:
            end_stragglers({**self._host.marks, INJECTION_MARK: injection})

    def _run(self, injection: str, program: Program, running: Running) -> tuple[Ended, Redaction]:
        if self._host is None:
            raise HarnessError("programs of the user's are started in runs of scenarios alone")
        environment = environment_of(program.environment, self._host, injection)
        secrets = {name: environment.get(name, "") for name in program.environment}
        hide = Redaction({"environment": secrets})
        folder = self._host.folder
        return run_program(program, environment, folder, hide=hide, running=running), hide


def answer_of(program: Program, ended: Ended) -> tuple[Ended, Any]:
    """Return how a program ended and what it answered, where it must answer."""
    return assess(ended, _CALLED) if program.answers else (ended, None)


def assess(ended: Ended, expected: Mapping[str, Scalar]) -> tuple[Ended, Any]:
    """Return whether a program that ended well has said that the fault is there, and its words.

    Args:
        ended: How the program for the receipt ended.
        expected: What its document must hold, by dotted path; nothing: `took-effect: true`.
    """
    if ended.outcome != "done":
        return ended, None
    try:
        document = msgspec.json.decode(ended.output)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        document = None
    if not ended.whole or not isinstance(document, dict):
        what = "more than 64 KiB" if not ended.whole else _begin(ended.output)
        detail = f"stdout must be one JSON object, and was {what}"
        return _refused(ended, "nonsense", detail), None
    for path, value in (expected or _TOOK_EFFECT).items():
        found = _look_up(document, path)
        if found != value or isinstance(found, bool) != isinstance(value, bool):
            detail = f"{path} was {_shown(found)}, expected {_shown(value)}"
            return _refused(ended, "no-effect", detail), document
    return ended, document


def _refused(ended: Ended, outcome: str, detail: str) -> Ended:
    return Ended(outcome=outcome, exit_code=ended.exit_code, detail=detail)


_MISSING = object()


def _look_up(document: Any, path: str) -> Any:
    """Return what stands at a dotted path; numbers count in lists."""
    for name in path.split("."):
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return _MISSING
    return document


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "not there"
    return msgspec.json.encode(value).decode()[:_TEXT_MAX]


def _begin(output: bytes) -> str:
    text = output[:60].decode(errors="replace").strip()
    return f'"{text}"' if text else "empty"


def _fact(
    injection: str,
    part: str,
    uid: str,
    ended: Ended,
    document: Any = None,
    asked: int = 1,
    *,
    hide: Redaction,
) -> CommandEnded:
    return CommandEnded(
        injection=injection,
        part=part,
        uid=uid,
        outcome=ended.outcome,
        exit_code=ended.exit_code,
        asked=asked,
        reported=_flatten(document, hide),
        detail="" if ended.outcome == "done" else hide.hide(ended.detail),
    )


def _flatten(document: Any, hide: Redaction) -> dict[str, Scalar]:
    """Return the first scalars of a document by dotted path, without the values of secrets."""
    reported: dict[str, Scalar] = {}
    for path, value in _scalars(document, ""):
        if len(reported) == _SCALARS_MAX:
            break
        hidden = hide.hide(str(value))
        changed = hidden != str(value) or isinstance(value, str)
        wide = isinstance(value, int) and abs(value) > _WHOLE_MAX
        reported[hide.hide(path)[:_TEXT_MAX]] = hidden[:_TEXT_MAX] if changed or wide else value
    return reported


def _scalars(value: Any, path: str) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _scalars(one, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _scalars(one, f"{path}.{number}")
    elif path:
        yield path, value
