"""How pods of the embedded substrate die: signals, grace, hooks, descendants."""

import os

import pytest
from embedded_bench import Bench, pod, python, shell

from chaosml import clock
from chaosml.event import (
    ClaimPoint,
    PodDeletion,
    PodExited,
    PodGone,
    PodSignalled,
    PodStarted,
)
from chaosml.substrates.embedded import procfs
from chaosml.substrates.embedded.kubelet import DEADLINE_MESSAGE
from chaosml.workflow.protocol import OutputFile, PodCompleted, PodVanished

pytestmark = pytest.mark.slow

READY = """echo '@chaosml {"v":1,"event":"point","seq":1,"pid":1,"name":"ready"}' >&2;"""
SLEEP = "while :; do sleep 0.05; done"


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def delete(bench, uid="train-1", view="seen", **details):
    bench.wait(ClaimPoint)
    bench.entries += bench.substrate.delete_pod(uid, by="one", view=view, **details)


def signals(bench):
    return [(fact.signal, fact.by) for fact in bench.facts(PodSignalled)]


def seconds(earlier, later):
    return (later.earliest_ns - earlier.earliest_ns) / 1e9


def alive(marker):
    """Return the processes whose command line holds the marker."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if marker.encode() in file.read():
                    found.append(int(name))
        except OSError:
            continue
    return found


def test_a_deleted_pod_gets_sigterm_and_ends_with_143(bench):
    bench.submit(shell("train", f"{READY} exec sleep 60"))
    delete(bench)
    bench.finish()
    assert [fact.exit_code for fact in bench.facts(PodExited)] == [143]
    assert signals(bench) == [("SIGTERM", "one")]
    assert bench.controller.seen[-1].exit_code == 143


def test_a_pod_that_ignores_sigterm_is_killed_when_its_grace_is_over(bench):
    bench.submit(shell("train", f"trap '' TERM; {READY} {SLEEP}", grace_s=2.5))
    delete(bench)
    bench.finish()
    deletion, exited = bench.emissions(PodDeletion)[0], bench.emissions(PodExited)[0]
    assert exited.data.exit_code == 137
    assert signals(bench) == [("SIGTERM", "one"), ("SIGKILL", "one")]
    assert 2.5 <= seconds(deletion, exited) < 4.0


def test_the_pre_stop_hook_runs_before_sigterm_and_inside_the_grace_period(bench):
    bench.submit(
        shell(
            "train",
            f"trap '' TERM; {READY} {SLEEP}",
            grace_s=4.0,
            pre_stop=("sh", "-c", "sleep 1"),
        )
    )
    delete(bench)
    bench.finish()
    deletion = bench.emissions(PodDeletion)[0]
    terminated, killed = bench.emissions(PodSignalled)
    assert 1.0 <= seconds(deletion, terminated) < 3.0
    assert 4.0 <= seconds(deletion, killed) < 4.95
    assert bench.facts(PodExited)[0].stragglers == 0


def test_a_pre_stop_hook_that_never_ends_leaves_two_seconds_for_sigterm(bench):
    bench.submit(
        shell("train", f"trap '' TERM; {READY} {SLEEP}", pre_stop=("sleep", "600"), grace_s=1.0)
    )
    delete(bench)
    bench.finish()
    deletion = bench.emissions(PodDeletion)[0]
    terminated, killed = bench.emissions(PodSignalled)
    assert 1.0 <= seconds(deletion, terminated) < 2.5
    assert 2.0 <= seconds(terminated, killed) < 3.0
    assert bench.facts(PodExited)[0].stragglers == 0


def test_a_program_that_exits_0_on_sigterm_is_seen_as_succeeded_with_its_outputs(bench):
    bench.submit(
        shell(
            "train",
            f"trap 'echo half > /tmp/out/model; exit 0' TERM; {READY} {SLEEP}",
            output_files=(OutputFile("model", "/tmp/out/model"),),
        )
    )
    delete(bench)
    bench.finish()
    completed = bench.controller.seen[-1]
    assert (completed.exit_code, completed.outputs) == (0, {"model": "half"})


@pytest.mark.parametrize(
    ("view", "seen", "detail"),
    [
        ("gone", PodVanished, {"graceless": False}),
        ("restarted", PodVanished, {"graceless": True}),
        ("seen", PodCompleted, {"exit_code": 0, "outputs": {"model": "half"}}),
        ("wait-failed", PodCompleted, {"exit_code": 0, "outputs": {}}),
    ],
)
def test_the_controller_sees_the_death_under_the_view_of_its_deletion(bench, view, seen, detail):
    bench.submit(
        shell(
            "train",
            f"trap 'echo half > /tmp/model; exit 0' TERM; {READY} {SLEEP}",
            output_files=(OutputFile("model", "/tmp/model"),),
        )
    )
    delete(bench, view=view)
    bench.finish()
    last = bench.controller.seen[-1]
    assert isinstance(last, seen)
    assert {name: getattr(last, name) for name in detail} == detail
    assert [fact.view for fact in bench.facts(PodGone)] == [view]


def test_force_kills_at_once_without_sigterm_or_hook(bench):
    bench.submit(shell("train", f"{READY} {SLEEP}", pre_stop=("sleep", "5"), grace_s=30.0))
    delete(bench, force=True, view="restarted")
    bench.finish()
    assert signals(bench) == [("SIGKILL", "one")]
    assert bench.facts(PodExited)[0].exit_code == 137
    assert bench.facts(PodDeletion)[0].how == "force"
    assert seconds(bench.emissions(PodDeletion)[0], bench.emissions(PodExited)[0]) < 1.0


def test_sigterm_reaches_the_whole_process_group_as_under_the_emissary(bench):
    bench.submit(
        shell(
            "train",
            f"""
            trap 'wait $child; exit 9' TERM
            (trap 'echo child >&2; exit 0' TERM; {READY} {SLEEP}) & child=$!
            wait
            """,
        )
    )
    delete(bench)
    bench.finish()
    assert bench.facts(PodExited)[0].exit_code == 9
    assert b"child" in bench.log("train-1")


def test_children_in_sessions_of_their_own_die_with_the_pod_and_count_as_stragglers(bench):
    marker = f"77{os.getpid()}.5"
    bench.submit(
        shell(
            "train",
            f"setsid sleep {marker} & (setsid env -i sleep {marker} &) ; sleep 0.2; {READY}",
        )
    )
    bench.finish()
    exited = bench.facts(PodExited)[0]
    assert (exited.exit_code, exited.stragglers) == (0, 2)
    assert alive(marker) == []


def test_descendants_that_die_together_with_a_killed_pod_are_not_stragglers(bench):
    bench.submit(shell("train", f"setsid sleep 60 & sleep 0.1; {READY} {SLEEP}"))
    delete(bench, force=True)
    bench.finish()
    assert bench.facts(PodExited)[0].stragglers == 0


def test_a_pod_past_its_deadline_is_terminated_and_says_so_in_the_words_of_kubernetes(bench):
    bench.submit(shell("train", f"{READY} exec sleep 60", deadline_s=0.5))
    bench.finish()
    completed = bench.controller.seen[-1]
    assert (completed.exit_code, completed.pod_message) == (143, DEADLINE_MESSAGE)
    assert signals(bench) == [("SIGTERM", "argo")]


def test_a_pod_that_had_ended_before_its_deletion_is_seen(bench):
    bench.submit(shell("train", f"{READY} exit 3"))
    pid = bench.wait(PodStarted).data.pid
    ended = clock.Deadline("end of the main process", 10.0)
    assert clock.wait_until(lambda: procfs.read_process(pid) is None, ended)
    bench.entries += bench.substrate.delete_pod("train-1", by="one", view="gone", force=True)
    bench.finish()
    assert bench.controller.seen[-1].exit_code == 3
    assert [fact.view for fact in bench.facts(PodGone)] == ["seen"]


def test_a_deletion_of_a_pod_that_does_not_exist_says_nothing(bench):
    bench.submit(shell("train", "exit 0"))
    bench.finish()
    assert not bench.substrate.delete_pod("train-1", by="one", view="gone")


def test_a_pod_that_kills_its_parent_takes_only_itself_along(bench):
    marker = f"78{os.getpid()}.5"
    bench.submit(
        shell("train", f"setsid sleep {marker} & sleep 0.1; kill -9 $PPID; sleep 60"),
        shell("other", "sleep 1; exit 5"),
    )
    bench.finish()
    codes = {fact.uid: fact.exit_code for fact in bench.facts(PodExited)}
    assert codes == {"train-1": 137, "other-1": 5}
    assert alive(marker) == []


def test_a_node_that_dies_takes_its_pods_without_a_word_to_them(bench):
    bench.submit(
        shell("train", f"trap 'echo goodbye' TERM; {READY} {SLEEP}"), shell("other", "sleep 1")
    )
    bench.wait(ClaimPoint)
    [node] = [view.node for view in bench.substrate.pods() if view.uid == "train-1"]
    bench.entries += bench.substrate.stop_node(node, by="one", view="restarted")
    bench.finish()
    codes = {fact.uid: fact.exit_code for fact in bench.facts(PodExited)}
    assert codes == {"train-1": 137, "other-1": 0}
    assert bench.facts(PodDeletion)[0].how == "node-lost"
    assert b"goodbye" not in bench.log("train-1")
    assert node not in bench.substrate.nodes()


def test_finish_kills_what_still_runs_and_closes_every_source(bench):
    bench.submit(
        shell("train", f"trap '' TERM; {READY} {SLEEP}"), python("slow", "while True: pass")
    )
    bench.wait(ClaimPoint)
    bench.wait(PodStarted, lambda fact: fact.uid == "slow-1")
    bench.entries += bench.substrate.finish()
    assert {fact.exit_code for fact in bench.facts(PodExited)} == {137}
    closed = {entry.source: entry.last for entry in bench.entries if hasattr(entry, "last")}
    said = {
        source: sum(
            getattr(entry, "source_seq", 0) > 0 and entry.source == source
            for entry in bench.entries
        )
        for source in ("argo", "kubelet", "log/train-1", "log/slow-1")
    }
    assert closed == said
    assert bench.left_folders() == []


def test_a_command_that_does_not_exist_ends_with_64_and_the_words_of_the_emissary(bench):
    bench.run(pod("train", "no-such-program"))
    completed = bench.controller.seen[-1]
    assert completed.exit_code == 64
    assert completed.message == (
        'failed to find name in PATH: exec: "no-such-program": executable file not found in $PATH'
    )
    assert b"executable file not found" in bench.log("train-1")
