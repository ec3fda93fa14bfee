"""The control channel with the real probe: where it stops, and that it always goes on."""

from __future__ import annotations

import contextlib
import json

import pytest
from services_under_test import connect, start_program

from chaosml.event import HoldEnded, HoldStarted, ProbeConnected
from chaosml.services.messages import Disarm, EndHolds, Release

pytestmark = pytest.mark.slow

STEPS_PROGRAM = """
import sys
from chaosml import probe
probe.ready()
if sys.argv[1:] == ["wait"]:
    sys.stdin.readline()
for step in range(1, 7):
    probe.step(step, batch=f"b{step}")
    if step % 2 == 0:
        probe.checkpoint(step, key=f"step-{step}")
probe.done(6)
"""


@contextlib.contextmanager
def training(world, uid="u1", *, waits=False):
    """Run the program as a pod."""
    program = STEPS_PROGRAM.replace("sys.argv[1:]", repr(["wait"] if waits else []))
    variables = {"CHAOSML_CONTROL": world.endpoints.control, "CHAOSML_POD": uid}
    with start_program(program, **variables) as process:
        try:
            yield process
        finally:
            process.kill()


def read_to(process, event, step=None):
    """Read what the probe says up to an event; return its steps."""
    steps = []
    for line in process.stderr:
        said = json.loads(line.removeprefix("@chaosml "))
        if said["event"] == "step":
            steps.append(said["step"])
        if said["event"] == event and step in (None, said.get("step")):
            return steps
    raise AssertionError(f"the probe ended before {event} {step}; it said steps {steps}")


def test_a_pod_stops_exactly_at_the_armed_step_and_goes_on_when_released(world):
    world.arm(event="step", fields={"step": 3}, place="step 3")
    with training(world) as process:
        held = world.wait_for_hold()
        assert (held.uid, held.step, held.place, held.rule) == ("u1", 3, "step 3", "rule-1")
        assert read_to(process, "step", 3) == [1, 2, 3]
        world.call(Release(hold=held.hold, why="receipt"))
        assert read_to(process, "done") == [4, 5, 6]
    assert [type(each.data) for each in world.end()] == [ProbeConnected, HoldStarted, HoldEnded]
    assert world.facts(HoldEnded)[0].why == "receipt"


def test_a_pod_that_is_killed_where_it_is_held_said_nothing_beyond(world):
    world.arm(event="step", fields={"step": 3})
    with training(world) as process:
        world.wait_for_hold()
        process.kill()
        world.call(EndHolds(uid="u1", why="death"))
        assert world.wait_for_hold_end().why == "death"
        lines = process.stderr.read().splitlines()
    assert json.loads(lines[-1].removeprefix("@chaosml "))["step"] == 3


def test_a_pod_that_leaves_untold_has_abandoned_its_hold(world):
    world.arm(event="step", fields={"step": 3})
    with training(world) as process:
        world.wait_for_hold()
        process.kill()
        assert world.wait_for_hold_end().why == "abandoned"
    ended = next(each for each in world.end() if isinstance(each.data, HoldEnded))
    assert ended.latest_ns - ended.earliest_ns >= 200_000_000


def test_the_nth_match_is_held_and_the_ones_before_pass_unsaid(world):
    world.arm(event="checkpoint", fields={"phase": "commit"}, nth=3)
    with training(world) as process:
        held = world.wait_for_hold()
        assert (held.step, held.key) == (6, "step-6")
        world.call(Release(hold=held.hold, why="receipt"))
        read_to(process, "done")
    world.end()
    assert len(world.facts(HoldStarted)) == 1


def test_a_hold_ends_by_itself(world):
    world.arm(event="step", fields={"step": 3}, hold_s=0.2)
    with training(world) as process:
        assert read_to(process, "done") == [1, 2, 3, 4, 5, 6]
    assert world.wait_for_hold_end().why == "expired"


def test_a_pod_that_must_terminate_is_let_go(world):
    world.arm(event="step", fields={"step": 3})
    with training(world) as process:
        world.wait_for_hold()
        world.call(EndHolds(uid="u1", why="terminating"))
        read_to(process, "done")
    assert world.wait_for_hold_end().why == "terminating"


def test_a_pod_of_another_task_or_attempt_is_not_held(world):
    world.arm(event="step", fields={"step": 3})
    world.arm(rule="rule-2", event="step", fields={"step": 3}, attempt=1)
    with training(world, "u2") as process:
        read_to(process, "done")
    world.call(Disarm(rule="rule-1"))
    with training(world, "u1") as process:
        read_to(process, "done")
    world.end()
    assert world.facts(HoldStarted) == []


def test_a_rule_armed_later_is_in_force_in_a_probe_that_runs(world):
    with training(world, waits=True) as process:
        world.wait_for(ProbeConnected)
        world.arm(event="step", fields={"step": 1})
        process.stdin.write("\n")
        process.stdin.flush()
        assert world.wait_for_hold().step == 1
        world.call(Disarm(rule="rule-1"))
        read_to(process, "done")
    assert world.wait_for_hold_end().why == "disarmed"


def test_of_two_processes_of_a_pod_one_is_held(world):
    world.arm(event="step", fields={"step": 3})
    with training(world, waits=True) as one, training(world, waits=True) as other:
        world.wait_for(ProbeConnected, 2)
        one.stdin.write("\n")
        one.stdin.flush()
        held = world.wait_for_hold()
        other.stdin.write("\n")
        other.stdin.flush()
        assert read_to(other, "done") == [1, 2, 3, 4, 5, 6]
        world.call(Release(hold=held.hold, why="receipt"))
        read_to(one, "done")
    world.end()
    assert len(world.facts(HoldStarted)) == 1


def test_a_probe_of_no_known_pod_is_never_held_and_never_told(world):
    world.arm(event="step", fields={"step": 3})
    with training(world, "stranger") as process:
        read_to(process, "done")
    assert world.end() == []


@pytest.mark.parametrize(
    "line",
    [b"no json\n", b"[]\n", b'{"hello":7}\n', b"\xff\n", b"x" * 200_000 + b"\n", b"{}\n"],
    ids=["text", "list", "number", "bytes", "overlong", "nothing"],
)
@pytest.mark.parametrize("greets", [True, False], ids=["later", "at once"])
def test_a_malformed_line_closes_its_own_connection_only(world, line, greets):
    with connect(world.endpoints.control) as good, connect(world.endpoints.control) as bad:
        good.sendall(b'{"v":1,"hello":"u1"}\n')
        assert json.loads(good.recv(65536)) == {"armed": []}
        if greets:
            bad.sendall(b'{"v":1,"hello":"u1"}\n')
            assert json.loads(bad.recv(65536)) == {"armed": []}
        with contextlib.suppress(ConnectionError):
            bad.sendall(line)
            assert bad.recv(65536) == b""
        world.arm(event="step", fields={"step": 3})
        assert json.loads(good.recv(65536))["armed"][0]["fields"] == {"step": 3}
