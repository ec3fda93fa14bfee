"""`chaosml sweep` as a user calls it: every end, planted defects at their points, resumption."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
from typing import Any

import commands
import pytest
from commands import CHAOSML, ROOT, TRAINER, Ended

from chaosml import clock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_QUICK = ("--set", "pipeline.parameters.pace-ms=0")


def sweep(reports: pathlib.Path, *arguments: str, scenario: pathlib.Path = TRAINER) -> Ended:
    return commands.call(
        *("sweep", str(scenario), "--output", "json", "-q", "--reports", str(reports), *_QUICK),
        *arguments,
        reports=reports,
    )


def report_of(ended: Ended) -> dict[str, Any]:
    """`sweep.json`, which is also what was printed."""
    assert "Traceback" not in ended.err, ended.err
    text = (ended.directory / "sweep.json").read_text()
    assert text == ended.out, ended.err
    found: dict[str, Any] = json.loads(text)
    return found


def causes(ended: Ended) -> dict[tuple[str, str], str]:
    """What failed, with the name of the first point."""
    found = report_of(ended)["failures"]
    return {(one["checker"], one["cause"]): one["place"] for one in found}


def changed(folder: pathlib.Path, *changes: tuple[str, str]) -> tuple[str, str]:
    """The option that takes the trainer's workflow with something else in it."""
    text = (TRAINER.parent / "pipelines" / "trainer.yaml").read_text()
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    path = folder / "changed.yaml"
    path.write_text(text)
    return ("--pipeline", str(path))


REPORTS = ("sweep.json", "summary.md", "junit.xml")
PUT = "                  put(key, step, state)\n"
PAD = " " * 18
OLDER = 'f"checkpoints/step-{step - 10:06d}.json"'
DELETE = f"{PAD}store.delete_object(Bucket=BUCKET, Key={OLDER})\n"


def test_a_pipeline_that_recovers_passes_at_every_point(tmp_path: pathlib.Path) -> None:
    ended = sweep(tmp_path, "--kills", "2")
    assert ended.code == 0, ended.err
    report = report_of(ended)
    tested = report["tested"]
    assert tested["effects"] == {"PutObject": 5}
    # Nothing stored, and each of five objects more: the one pod crashes with all of them.
    assert (tested["states"], tested["states_hit"]) == (6, 6)
    assert tested["points_hit"] == tested["points"] == len(report["points"])
    assert tested["unreached"] == {}
    assert [one["status"] for one in report["kills"]] == ["PASS", "PASS"]
    assert report["margins"]["interruptions"] == 6
    assert {one["status"] for one in report["points"]} == {"PASS"}
    junit = (ended.directory / "junit.xml").read_text()
    assert junit.count("<testcase") == tested["points"] + 2 + 1
    assert "<failure" not in junit
    assert "## Points" in (ended.directory / "summary.md").read_text()

    reports = {name: (ended.directory / name).read_bytes() for name in REPORTS}
    again = commands.call("judge", str(ended.directory), "--output", "json", reports=tmp_path)
    assert (again.code, again.out) == (0, ended.out)
    assert {name: (ended.directory / name).read_bytes() for name in REPORTS} == reports


@pytest.mark.parametrize(
    ("policy", "code", "cause"),
    [("Always", 0, ""), ("OnFailure", 1, "pod-deleted-not-retried")],
)
def test_what_argo_sees_of_a_crash_asks_the_retry_policy(
    tmp_path: pathlib.Path, policy: str, code: int, cause: str
) -> None:
    policies = changed(tmp_path, ("retryPolicy: Always", f"retryPolicy: {policy}"))
    ended = sweep(tmp_path, *policies, "--view", "gone", "--view", "seen")
    assert ended.code == code, ended.out
    report = report_of(ended)
    assert report["views"] == ["gone", "seen"]
    assert len(report["results"]) == 2 * report["tested"]["states"]
    failed = {one["view"] for one in report["results"] if one["status"] == "FAIL"}
    assert failed == ({"gone"} if cause else set())
    assert {one["cause"] for one in report["failures"] if one["status"] == "FAIL"} == (
        {cause} if cause else set()
    )


def test_a_checkpoint_that_is_deleted_before_its_successor_is_there_is_found_between_the_two(
    tmp_path: pathlib.Path,
) -> None:
    ended = sweep(tmp_path, *changed(tmp_path, (PUT, DELETE + PUT)))
    assert ended.code == 1, ended.err
    (place,) = {place for (checker, _), place in causes(ended).items() if checker == "resume"}
    assert place == "after DeleteObject checkpoints/step-000010.json"
    failure = report_of(ended)["failures"][0]
    again = commands.call(
        *failure["replay"].split()[1:],
        "--output",
        "json",
        "-q",
        "--reports",
        str(tmp_path / "b"),
        reports=tmp_path / "b",
    )
    assert again.code == 1, again.err
    assert [one["cause"] for one in report_of(again)["failures"]] == [failure["cause"]]
    assert report_of(again)["tested"]["points_hit"] == 1


def test_several_deletions_in_one_request_are_tested_in_every_subset(
    tmp_path: pathlib.Path,
) -> None:
    # A quiet request is not told which delete markers were made.
    several = (
        f"{PAD}store.delete_objects(Bucket=BUCKET, Delete={{'Quiet': step == 20, 'Objects': [\n"
        f"{PAD}    {{'Key': {OLDER}}}, {{'Key': f'other/{{step}}'}}]}})\n"
    )
    other = f"{PAD}put(f'other/{{step}}', step, state)\n"
    ended = sweep(tmp_path, *changed(tmp_path, (PUT, PUT + other + several)))
    assert ended.code == 0, ended.out
    tested = report_of(ended)["tested"]
    assert tested["effects"] == {"DeleteObjects": 8, "PutObject": 9}
    # After each of nine objects and at the start; of the deletions each alone, and both.
    assert tested["states_hit"] == tested["states"] == 1 + 9 + 4 * 3


def test_a_training_that_starts_from_zero_again_fails_from_its_first_checkpoint_on(
    tmp_path: pathlib.Path,
) -> None:
    ended = sweep(tmp_path, *changed(tmp_path, ("if not keys:", "if True:")))
    assert ended.code == 1, ended.err
    first = report_of(ended)["failures"][0]
    assert (first["checker"], first["cause"]) == ("resume", "restarted-from-zero")
    assert first["place"] == "after PutObject checkpoints/step-000010.json"
    before = [one for one in report_of(ended)["points"] if one["number"] < first["point"]]
    assert before
    assert {one["status"] for one in before} == {"PASS"}


def test_writes_in_flight_together_are_tested_in_every_subset(tmp_path: pathlib.Path) -> None:
    together = (
        f"{PAD}from concurrent.futures import ThreadPoolExecutor\n"
        f"{PAD}with ThreadPoolExecutor(2) as pool:\n"
        f"{PAD}    list(pool.map(lambda name: put(name, step, state), "
        '[key, f"other/{step}.json"]))\n'
    )
    ended = sweep(tmp_path, *changed(tmp_path, (PUT, together)))
    assert ended.code == 0, ended.out
    tested = report_of(ended)["tested"]
    assert tested["effects"] == {"PutObject": 9}
    # Ten prefixes, and where two writes overlap the second alone too.
    assert tested["states"] > 10


def test_an_upload_in_parts_may_be_left_unfinished_anywhere(tmp_path: pathlib.Path) -> None:
    parts = (
        f"{PAD}name = {{'Bucket': BUCKET, 'Key': key}}\n"
        f"{PAD}upload = store.create_multipart_upload(**name)['UploadId']\n"
        f"{PAD}body = json.dumps({{'step': step, 'state': state}}).encode()\n"
        f"{PAD}part = store.upload_part(**name, UploadId=upload, PartNumber=1, Body=body)\n"
        f"{PAD}store.complete_multipart_upload(**name, UploadId=upload, MultipartUpload="
        "{'Parts': [{'PartNumber': 1, 'ETag': part['ETag']}]})\n"
    )
    ended = sweep(tmp_path, *changed(tmp_path, (PUT, parts)), "--kills", "2")
    assert ended.code == 0, ended.out
    tested = report_of(ended)["tested"]
    assert tested["effects"] == {
        "CompleteMultipartUpload": 4,
        "CreateMultipartUpload": 4,
        "PutObject": 1,
        "UploadPart": 4,
    }
    assert tested["states_hit"] == tested["states"] == 14


def test_a_state_that_cannot_be_built_is_unknown_and_named(tmp_path: pathlib.Path) -> None:
    tag = (
        f"{PAD}tags = {{'TagSet': [{{'Key': 'state', 'Value': 'kept'}}]}}\n"
        f"{PAD}store.put_object_tagging(Bucket=BUCKET, Key=key, Tagging=tags)\n"
    )
    ended = sweep(tmp_path, *changed(tmp_path, (PUT, PUT + tag)))
    assert ended.code == 3, ended.out
    report = report_of(ended)
    assert report["failures"][0]["cause"] == "not-executed"
    assert "PutObjectTagging is not rebuilt" in report["failures"][0]["message"]
    assert report["tested"]["points_hit"] < report["tested"]["points"]
    tolerated = sweep(
        tmp_path / "b", *changed(tmp_path, (PUT, PUT + tag)), "--unknown=warn", "--sample", "2"
    )
    assert tolerated.code == 0, tolerated.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--point", "999"), "there is no point 999: the recording has 1 to"),
        (("--point", "1", "--sample", "2"), "give one of the two"),
        (("--set", "pipeline.parameters.nonsense=1"), "nonsense"),
        (("--set", "nonsense"), "is not PATH=VALUE"),
        (("--resume", "nowhere"), "there is no such run directory"),
    ],
)
def test_wrong_usage_ends_with_2(
    tmp_path: pathlib.Path, arguments: tuple[str, ...], words: str
) -> None:
    ended = sweep(tmp_path, *arguments)
    assert ended.code == (4 if "--resume" in arguments else 2), ended.err
    ended.assert_one_message(words)


def test_an_environment_that_fails_ends_with_4(tmp_path: pathlib.Path) -> None:
    ended = commands.call(
        *("sweep", str(TRAINER), "-q", "--reports", str(tmp_path)),
        reports=tmp_path,
        environment={"TMPDIR": str(tmp_path / "nowhere")},
    )
    assert ended.code == 4
    ended.assert_one_message("cannot make the temporary folder")


def test_a_sample_is_the_same_for_the_same_seed(tmp_path: pathlib.Path) -> None:
    chosen = []
    for folder in ("a", "b"):
        ended = sweep(tmp_path / folder, "--sample", "3", "--seed", "5")
        assert ended.code == 0, ended.err
        report = report_of(ended)
        assert report["tested"]["points_hit"] == 3
        assert set(report["tested"]["unreached"].values()) == {"not chosen"}
        chosen.append([one["name"] for one in report["points"] if one["status"] is not None])
    assert chosen[0] == chosen[1]


def test_an_interrupted_sweep_reports_what_it_has_and_goes_on_where_it_was(
    tmp_path: pathlib.Path,
) -> None:
    slow = ("--set", "pipeline.parameters.pace-ms=40", "--workers", "1")
    command = ["sweep", str(TRAINER), "--reports", str(tmp_path), *slow]
    running = subprocess.Popen(
        [*CHAOSML, *command, "-q", "--output", "json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = clock.Deadline("two results", 90)
    assert clock.wait_until(lambda: _lines(tmp_path) >= 2, deadline)
    os.kill(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    interrupted = json.loads(out)
    assert interrupted["interrupted"]
    assert 2 <= len(interrupted["results"]) < interrupted["tested"]["states"]
    assert _processes_of(running.pid) == []

    (directory,) = tmp_path.glob("*/[0-9]*")
    before = (directory / "states.jsonl").read_bytes()
    ended = commands.call(
        *command, "-q", "--output", "json", "--resume", str(directory), reports=tmp_path
    )
    assert ended.code == 0, ended.err
    report = report_of(ended)
    assert (directory / "states.jsonl").read_bytes().startswith(before)
    assert len(report["results"]) == report["tested"]["states_hit"] == report["tested"]["states"]

    other = commands.call(
        *("sweep", str(TRAINER), "-q", "--reports", str(tmp_path), "--resume", str(directory)),
        reports=tmp_path,
    )
    assert other.code == 2
    other.assert_one_message("was swept with another scenario")


def _lines(reports: pathlib.Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in reports.glob("*/[0-9]*/states.jsonl"))


def _processes_of(pid: int) -> list[str]:
    """The living processes that carry the mark of a sweep, which ends in its pid."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            variables = (path / "environ").read_bytes().split(b"\0")
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        mark = [one for one in variables if one.startswith(b"CHAOSML_RUN=")]
        if state != "Z" and mark and mark[0].endswith(b"-%d" % pid):
            found.append(path.name)
    return found
