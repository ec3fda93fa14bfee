"""What pods print and leave in files, however they do it."""

import pytest
from embedded_bench import Bench, pod, python, shell

from chaosml.event import ClaimDone, ClaimPoint, ClaimReady, ClaimStep, ClaimUnreadable, PodExited
from chaosml.history import CloseSource, LoseSource
from chaosml.workflow.protocol import OutputFile, PodCompleted

pytestmark = pytest.mark.slow

READY = """echo '@chaosml {"v":1,"event":"point","seq":1,"pid":1,"name":"ready"}' >&2;"""


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_claims_survive_garbage_long_lines_and_a_torn_end(bench):
    bench.run(
        python(
            "train",
            """
            import os, sys
            from chaosml import probe
            probe.ready()
            os.write(2, bytes(range(256)) * 100)
            os.write(2, b"\\n\\xff\\xfe@chaosml not json\\n")
            probe.step(1, batch="a")
            os.write(2, b"x" * 10_000_000)
            probe.step(2, batch="b")
            os.write(2, b"@chaosml {broken\\n@chaosml " + b"y" * 10_000 + b"\\n")
            os.write(2, b"\\r 50%|####     |")
            probe.step(3, batch="c")
            probe.done(3)
            os.write(2, b"never ending")
            os.write(1, b"\\0" * 1_000_000)
            """,
        )
    )
    assert len(bench.facts(ClaimReady)) == len(bench.facts(ClaimDone)) == 1
    assert [fact.step for fact in bench.facts(ClaimStep)] == [1, 2, 3]
    assert [fact.why.partition(":")[0] for fact in bench.facts(ClaimUnreadable)] == [
        "not an event of the probe",
        "longer than 4096 bytes",
    ]
    assert CloseSource("log/train-1", 7) in bench.entries
    assert len(bench.log("train-1")) > 11_000_000


def test_claims_carry_their_own_stamp_where_it_is_of_our_clock(bench):
    bench.run(
        python(
            "train",
            """
            import os
            from chaosml import probe
            probe.point("ours")
            os.write(2, b'@chaosml {"v":1,"event":"point","seq":2,"pid":1,"name":"other",'
                        b'"mono_ns":5,"boot":"elsewhere"}\\n')
            """,
        )
    )
    ours, other = bench.emissions(ClaimPoint)
    [exited] = bench.emissions(PodExited)
    assert ours.earliest_ns == ours.latest_ns < exited.earliest_ns
    assert ours.earliest_ns < other.latest_ns
    assert other.earliest_ns < other.latest_ns


def test_a_flood_of_output_does_not_keep_other_pods_waiting(bench):
    bench.submit(shell("flood", f"{READY} yes", grace_s=5.0), shell("other", "sleep 0.3; exit 4"))
    bench.wait(PodExited, lambda fact: fact.uid == "other-1", limit_s=10.0)
    bench.entries += bench.substrate.delete_pod("flood-1", by="one", view="seen")
    bench.finish()
    codes = {fact.uid: fact.exit_code for fact in bench.facts(PodExited)}
    assert codes == {"other-1": 4, "flood-1": 143}


def test_a_pod_may_close_its_streams(bench):
    bench.run(shell("train", f"{READY} exec >&- 2>&-; sleep 0.2; exit 6"))
    assert bench.facts(PodExited)[0].exit_code == 6
    assert CloseSource("log/train-1", 1) in bench.entries


def test_output_files_lose_one_newline_and_what_is_no_file_is_not_there(bench):
    names = {"value": "/out/value", "pipe": "/out/pipe", "folder": "/out/folder", "none": "/out/n"}
    bench.run(
        shell(
            "train",
            "printf 'a\\n\\n' > /out/value; mkfifo /out/pipe; mkdir /out/folder; exit 1",
            output_files=tuple(OutputFile(name, path) for name, path in names.items()),
        )
    )
    completed = bench.controller.seen[-1]
    assert (completed.exit_code, completed.outputs) == (1, {"value": "a\n"})


def test_the_result_is_the_last_256_kib_of_standard_output(bench):
    bench.run(
        python(
            "train",
            "import sys; print('a' * 1000 + 'b' * (256 * 1024 - 1)); print('no', file=sys.stderr)",
            capture_result=True,
        )
    )
    assert bench.controller.seen[-1].result == "b" * (256 * 1024 - 1)


def test_volumes_and_folders_are_fresh_for_every_pod_and_shared_by_none(bench):
    script = (
        "ls /mnt/scratch $HOME $TMPDIR . | grep -c left; touch /mnt/scratch/left left $TMPDIR/left"
    )
    bench.run(
        *(
            shell(name, script, mounts={"/mnt/scratch": "scratch"}, capture_result=True)
            for name in ("a", "b")
        )
    )
    results = [one.result for one in bench.controller.seen if isinstance(one, PodCompleted)]
    assert results == ["0", "0"]
    assert bench.left_folders() == []


def test_folders_that_a_pod_made_unwritable_are_removed_all_the_same(bench):
    bench.run(shell("train", "mkdir -p a/b; touch a/b/c; chmod 0 a/b a"))
    assert bench.left_folders() == []


def test_a_log_that_cannot_be_written_does_not_stop_the_pod(bench):
    bench.logs.mkdir()
    (bench.logs / "train-1.log").symlink_to("/dev/full")
    bench.run(pod("train", "python", "-c", "from chaosml import probe; print(1); probe.ready()"))
    assert bench.facts(PodExited)[0].exit_code == 0
    assert len(bench.facts(ClaimReady)) == 1
    assert not [entry for entry in bench.entries if isinstance(entry, LoseSource)]
