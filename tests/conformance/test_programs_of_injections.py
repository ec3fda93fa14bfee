"""Programs of injections: how each ending is told, what is kept of it, and that all are ended."""

from __future__ import annotations

import pathlib
import queue

import pytest

from chaosml import clock
from chaosml.errors import HarnessError
from chaosml.event import CommandEnded
from chaosml.faults.program import Program
from chaosml.faults.script import AskReceipt
from chaosml.runner.commands import Commands
from chaosml.runner.programs import Host, environment_of
from chaosml.substrates.embedded import procfs

pytestmark = pytest.mark.slow

MARKS = {"CHAOSML_RUN": "unit-run"}


class Bench:
    """Commands with an inbox of their own, and what they said."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self.said: list[CommandEnded] = []
        host = Host(folder=folder, marks=MARKS)
        self.commands = Commands(self.inbox, host, lambda subject, fact: self.said.append(fact))

    def hear(self) -> CommandEnded:
        owner, message = self.inbox.get(timeout=20)
        assert owner.handle(message) == []
        return self.said[-1]


@pytest.fixture
def bench(tmp_path: pathlib.Path):
    bench = Bench(tmp_path)
    yield bench
    bench.commands.close()


def shell(text: str, timeout_s: float = 10.0, **more) -> Program:
    return Program(argv=("sh", "-c", text), timeout_s=timeout_s, **more)


def marked(injection: str = "t1.f") -> list[int]:
    return [
        process.pid
        for process in procfs.processes()
        if not process.ended
        and procfs.read_environment(process.pid).get("CHAOSML_INJECTION") == injection
    ]


@pytest.mark.parametrize(
    ("program", "outcome", "code", "detail"),
    [
        (shell("exit 0"), "done", 0, ""),
        (shell("echo not found >&2; exit 3"), "failed", 3, "not found"),
        (shell("kill -9 $$"), "failed", -9, ""),
        (shell("tail -f /dev/null", 0.2), "timeout", -15, "no end within 0.2 s"),
        (Program(argv=("no-such-program",), timeout_s=1.0), "not-started", None, "No such file"),
        (Program(argv=("a\0b",), timeout_s=1.0), "not-started", None, "null byte"),
        (shell("true", environment=("NOT_SET",)), "not-started", None, "NOT_SET is not set"),
    ],
)
def test_each_ending_has_a_name(
    bench: Bench, program: Program, outcome: str, code: int | None, detail: str
) -> None:
    bench.commands.start("t1.f", "command", "uid-1", program)
    said = bench.hear()
    assert (said.part, said.uid, said.outcome, said.exit_code) == (
        "command",
        "uid-1",
        outcome,
        code,
    )
    assert detail in said.detail


def test_who_ignores_the_end_of_its_time_is_killed_with_all_below_it(bench: Bench) -> None:
    text = "trap '' TERM; tail -f /dev/null & tail -f /dev/null"
    bench.commands.start("t1.f", "command", "uid-1", shell(text, 0.2))
    assert bench.hear().outcome == "timeout"
    assert clock.wait_until(lambda: not marked(), clock.Deadline("end of the group", 5.0))


def test_an_action_must_answer(bench: Bench) -> None:
    for text, outcome in (("true", "nonsense"), ("echo '{\"called\": true}'", "done")):
        bench.commands.start("t1.f", "command", "uid-1", shell(text, answers=True))
        assert bench.hear().outcome == outcome


@pytest.mark.parametrize(
    ("text", "outcome", "detail"),
    [
        ('{"took-effect": true, "pods": [{"name": "train"}], "n": 3}', "done", ""),
        ('{"took-effect": false}', "no-effect", "took-effect was false, expected true"),
        ('{"took-effect": 1}', "no-effect", "took-effect was 1, expected true"),
        ("{}", "no-effect", "took-effect was not there, expected true"),
        ("", "nonsense", "one JSON object, and was empty"),
        ("all is well", "nonsense", 'and was "all is well"'),
        ("[true]", "nonsense", "one JSON object"),
        ('{"took-effect": NaN}', "nonsense", "one JSON object"),
    ],
)
def test_a_receipt_is_what_its_document_says(
    bench: Bench, tmp_path: pathlib.Path, text: str, outcome: str, detail: str
) -> None:
    (tmp_path / "said").write_text(text)
    program = Program(argv=("cat", "said"), timeout_s=5.0)
    bench.commands.ask("t1.f", AskReceipt("uid-1", program, {}, 0.01))
    said = bench.hear()
    assert (said.part, said.outcome) == ("receipt", outcome)
    assert detail in said.detail
    if outcome == "done":
        assert said.reported == {"took-effect": True, "pods.0.name": "train", "n": 3}


@pytest.mark.parametrize("text", ["[" * 20000, '{"a":' * 9000, '"\\ud800"', "\x00\xff"])
def test_hostile_words_are_nonsense(bench: Bench, tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "said").write_bytes(text.encode("latin-1"))
    program = Program(argv=("cat", "said"), timeout_s=5.0)
    bench.commands.ask("t1.f", AskReceipt("uid-1", program, {}, 0.01))
    assert bench.hear().outcome == "nonsense"


def test_a_flood_is_cut_and_is_no_receipt(bench: Bench) -> None:
    program = shell("head -c 300000 /dev/zero")
    bench.commands.ask("t1.f", AskReceipt("uid-1", program, {}, 0.01))
    said = bench.hear()
    assert (said.outcome, "more than 64 KiB" in said.detail) == ("nonsense", True)


def test_what_is_expected_is_looked_up_by_path(bench: Bench, tmp_path: pathlib.Path) -> None:
    (tmp_path / "said").write_text('{"status": {"conditions": [{"status": "True"}]}}')
    program = Program(argv=("cat", "said"), timeout_s=5.0)
    for wanted, outcome in (("True", "done"), (True, "no-effect")):
        expected = {"status.conditions.0.status": wanted}
        bench.commands.ask("t1.f", AskReceipt("uid-1", program, expected, 0.01))
        assert bench.hear().outcome == outcome


def test_a_receipt_is_asked_for_until_it_is_given(bench: Bench) -> None:
    text = "test -e there || { touch there; exit 1; }; echo '{\"took-effect\": true}'"
    bench.commands.ask("t1.f", AskReceipt("uid-1", shell(text), {}, 10.0))
    said = bench.hear()
    assert (said.outcome, said.asked) == ("done", 2)


def test_values_of_named_variables_are_kept_nowhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t-value")
    monkeypatch.setenv("OTHER", "not passed on")
    text = 'echo "{\\"took-effect\\": true, \\"t\\": \\"<$TOKEN>\\", \\"o\\": \\"$OTHER\\"}"'
    program = shell(text, environment=("TOKEN",))
    bench.commands.ask("t1.f", AskReceipt("uid-1", program, {}, 1.0))
    assert bench.hear().reported == {"took-effect": True, "t": "<***>", "o": ""}
    program = shell("echo $TOKEN >&2; exit 1", environment=("TOKEN",))
    bench.commands.start("t1.f", "command", "uid-1", program)
    assert bench.hear().detail == "***"
    assert "OTHER" not in environment_of(("TOKEN",), Host(folder=pathlib.Path()), "t1.f")


def test_an_undo_ends_what_goes_on_first(bench: Bench, tmp_path: pathlib.Path) -> None:
    bench.commands.start("t1.f", "command", "uid-1", shell("tail -f /dev/null", 60.0))
    bench.commands.undo("t1.f", "uid-1", shell("touch undone"))
    assert (tmp_path / "undone").exists()
    assert not marked()
    assert bench.hear().outcome in {"ended", "failed"}
    assert ("undo", "done") in {(one.part, one.outcome) for one in bench.said}


def test_an_undo_that_fails_says_how_it_is_done_by_hand(bench: Bench) -> None:
    with pytest.raises(HarnessError, match=r"undo of t1\.f failed \(gone\); by hand: sh -c"):
        bench.commands.undo("t1.f", "uid-1", shell("echo gone >&2; exit 1"))


def test_what_a_program_leaves_running_ends_with_the_execution(bench: Bench) -> None:
    text = "setsid tail -f /dev/null >/dev/null 2>&1 & exit 0"
    bench.commands.start("t1.f", "command", "uid-1", shell(text))
    assert bench.hear().outcome == "done"
    assert len(marked()) == 1
    bench.commands.close()
    assert not marked()


def test_nothing_is_said_after_the_end(bench: Bench) -> None:
    bench.commands.start("t1.f", "command", "uid-1", shell("tail -f /dev/null", 60.0))
    bench.commands.close()
    bench.inbox.get(timeout=20)[0].handle(CommandEnded(injection="x", part="", uid="", outcome=""))
    assert bench.said == []
