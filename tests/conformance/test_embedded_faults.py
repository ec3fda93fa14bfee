"""What faults do to real processes of the embedded substrate: signals, hangs, dead machines."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from embedded_bench import Bench, shell

from chaosml.event import (
    ClaimPoint,
    NodeChanged,
    PodDeletion,
    PodExited,
    PodGone,
    PodPaused,
    PodResumed,
    PodSignalled,
    PodStarted,
)
from chaosml.substrates.embedded import procfs
from chaosml.workflow.protocol import PodCompleted, PodVanished

pytestmark = pytest.mark.slow

POINT = 'echo \'@chaosml {"v":1,"event":"point","seq":%d,"pid":1,"name":"%s"}\' >&2'
READY = POINT % (1, "ready")


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def states_below(pid: int) -> list[str]:
    """Return the states of a process and of all below it."""
    processes = [procfs.read_process(pid), *procfs.find_descendants(pid)]
    return [one.state for one in processes if one is not None and not one.ended]


def begin(bench: Bench, script: str, *, before: str = ":", **details: Any) -> int:
    """Start a pod, wait until it says that it is ready, and return its process."""
    bench.submit(shell("train", f"{before}; {READY}; {script}", **details))
    pid = bench.wait(PodStarted).data.pid
    bench.wait(ClaimPoint)
    return int(pid)


def test_a_killed_program_ends_with_137_and_its_death_is_seen(bench: Bench) -> None:
    begin(bench, "sleep 60 & exec sleep 60")
    bench.entries += bench.substrate.signal_container("train-1", by="one", signal="SIGKILL")
    bench.finish()
    assert [one.exit_code for one in bench.facts(PodExited)] == [137]
    assert [one.view for one in bench.facts(PodGone)] == ["seen"]
    assert [(one.signal, one.by) for one in bench.facts(PodSignalled)] == [("SIGKILL", "one")]
    # The whole group was struck, so nobody outlived it.
    assert [one.stragglers for one in bench.facts(PodExited)] == [0]


def test_a_signal_that_is_handled_is_nobodys_beginning_of_an_end(bench: Bench) -> None:
    begin(bench, "while :; do sleep 0.05; done", before="trap 'exit 7' USR2")
    bench.entries += bench.substrate.signal_container("train-1", by="one", signal="SIGUSR2")
    bench.finish()
    assert [one.exit_code for one in bench.facts(PodExited)] == [7]


def test_a_hung_program_stands_still_with_its_children_and_goes_on(bench: Bench) -> None:
    done = POINT % (2, "done")
    pid = begin(bench, f"sleep 60 & for i in 1 2 3 4 5 6; do sleep 0.1; done; {done}; kill $!")
    bench.entries += bench.substrate.pause_container("train-1", by="one")
    paused = bench.wait(PodPaused).data
    assert paused.processes >= 2
    assert set(states_below(pid)) == {"T"}
    bench.entries += bench.substrate.resume_container("train-1", by="one")
    bench.finish()
    assert [one.by for one in bench.facts(PodResumed)] == ["one"]
    assert [one.exit_code for one in bench.facts(PodExited)] == [0]
    assert [one.name for one in bench.facts(ClaimPoint)] == ["ready", "done"]
    assert bench.facts(PodSignalled) == []


def test_a_shell_that_starts_one_program_after_the_other_is_stopped_each_time(bench: Bench) -> None:
    pid = begin(bench, "while :; do /bin/true; done")
    for number in range(1, 16):
        bench.entries += bench.substrate.pause_container("train-1", by=f"pause-{number}")
        bench.wait(PodPaused, lambda fact, by=f"pause-{number}": fact.by == by)
        assert set(states_below(pid)) == {"T"}
        bench.entries += bench.substrate.resume_container("train-1", by=f"pause-{number}")
    bench.entries += bench.substrate.signal_container("train-1", by="end", signal="SIGKILL")
    bench.finish()


def test_the_deadline_of_the_pipeline_ends_a_program_that_hangs(bench: Bench) -> None:
    pid = begin(bench, "while :; do sleep 0.05; done", deadline_s=4.0, grace_s=0.5)
    bench.entries += bench.substrate.pause_container("train-1", by="one")
    bench.wait(PodPaused)
    bench.finish()
    assert not os.path.exists(f"/proc/{pid}")
    assert [one.exit_code for one in bench.facts(PodExited)] == [137]
    assert {one.by for one in bench.facts(PodSignalled)} == {"argo"}
    assert bench.controller.seen[-1].pod_message.startswith("Pod was active on the node longer")
    assert bench.facts(PodResumed) == []


def test_a_machine_that_reboots_reports_its_dead_containers(bench: Bench) -> None:
    pid = begin(bench, "exec sleep 60")
    node = bench.substrate.pods()[0].node
    bench.entries += bench.substrate.stop_node(node, by="one", view="seen", keep_object=True)
    bench.wait(PodExited)
    assert not os.path.exists(f"/proc/{pid}")
    assert bench.substrate.finished is None
    bench.entries += bench.substrate.return_node(node, by="one")
    bench.finish()
    assert bench.controller.seen[-1].exit_code == 255
    changes = [one.state for one in bench.facts(NodeChanged) if one.node == node]
    assert changes == ["ready", "stopped", "ready"]


def test_a_success_that_is_lost_is_a_pod_that_is_gone(bench: Bench) -> None:
    begin(bench, "sleep 0.2")
    bench.entries += bench.substrate.lose_success("train-1", by="one", view="restarted")
    bench.finish()
    assert [one.exit_code for one in bench.facts(PodExited)] == [0]
    assert [one.view for one in bench.facts(PodGone)] == ["restarted"]
    assert [(one.how, one.by) for one in bench.facts(PodDeletion)] == [("forgotten", "one")]
    assert bench.controller.seen[-1].graceless


def test_a_failure_is_seen_also_where_a_success_was_to_be_lost(bench: Bench) -> None:
    begin(bench, "sleep 0.2; exit 3")
    bench.entries += bench.substrate.lose_success("train-1", by="one", view="gone")
    bench.finish()
    assert bench.controller.seen[-1].exit_code == 3
    assert bench.facts(PodDeletion) == []


def test_a_pod_that_is_cut_off_lives_on_and_nobody_hears_of_its_end(bench: Bench) -> None:
    pid = begin(bench, "exec sleep 60")
    bench.entries += bench.substrate.cut_off_pod("train-1", by="one", view="gone")
    assert isinstance(bench.controller.seen[-1], PodVanished)
    assert os.path.exists(f"/proc/{pid}")
    assert [one.uid for one in bench.substrate.pods()] == ["train-1"]
    bench.entries += bench.substrate.end_cut_off_pod("train-1", by="one")
    bench.wait(PodExited)
    assert not os.path.exists(f"/proc/{pid}")
    seen = [one for one in bench.controller.seen if isinstance(one, PodVanished | PodCompleted)]
    assert len(seen) == 1
    assert [one.how for one in bench.facts(PodDeletion)] == ["cut-off"]
    bench.finish()


def test_what_is_cut_off_does_not_outlive_its_execution(bench: Bench) -> None:
    pid = begin(bench, "while :; do sleep 0.05; done", before="trap '' TERM")
    bench.entries += bench.substrate.cut_off_pod("train-1", by="one", view="restarted")
    bench.finish()
    assert not os.path.exists(f"/proc/{pid}")
    assert [one.exit_code for one in bench.facts(PodExited)] == [137]


@pytest.mark.parametrize(("handler", "code", "words"), [("-", 143, "Words."), ("'exit 0'", 0, "")])
def test_what_a_kubelet_ends_has_its_words_unless_the_program_exits_0(
    bench: Bench, handler: str, code: int, words: str
) -> None:
    trap = f"trap {handler} TERM"
    begin(bench, "while :; do sleep 0.05; done", before=trap, grace_s=30.0)
    bench.entries += bench.substrate.terminate_pod(
        "train-1", by="one", how="node-shutdown", view="seen", message="Words.", grace_s=5.0
    )
    bench.finish()
    seen = bench.controller.seen[-1]
    assert isinstance(seen, PodCompleted)
    assert seen.pod_message == words
    assert seen.exit_code == code
    assert [(one.how, one.grace_s) for one in bench.facts(PodDeletion)] == [("node-shutdown", 5.0)]


def test_a_kubelet_never_waits_longer_than_the_pod_asks_for(bench: Bench) -> None:
    begin(bench, "while :; do sleep 0.05; done", before="trap '' TERM", grace_s=2.0)
    bench.entries += bench.substrate.terminate_pod(
        "train-1", by="one", how="node-pressure", view="seen", message="Words.", grace_s=60.0
    )
    bench.finish()
    assert [one.grace_s for one in bench.facts(PodDeletion)] == [2.0]
    assert [one.exit_code for one in bench.facts(PodExited)] == [137]
