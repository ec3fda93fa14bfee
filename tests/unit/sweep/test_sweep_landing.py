"""What the store held when a killed pod's replacement came."""

import pytest

from chaosml.event import ArtifactObserved, Deletion, PodDeletion
from chaosml.sweep.landing import holdings, landing_of
from chaosml.timeline.collect import build


def landing(recorder, contract):
    return landing_of(recorder.events, build(recorder.events, recorder.scenario), contract)


def kill(recorder, task, at):
    deletion = PodDeletion(uid=f"{task}-1", how="force", grace_s=0.0, by="crash")
    recorder.say("kubelet", f"pod/{task}-1", deletion, at, at)


def observed(recorder, key, version, **fields):
    fact = ArtifactObserved(
        role="checkpoint", key=key, version=version, current=True, deleted=False, size=1, **fields
    )
    recorder.say("audit", f"object/{key}", fact, 900, 900)


def test_it_is_what_pods_wrote_that_had_begun_before_the_killed_one_ended(recorder, contract):
    recorder.pod("prepare", 0, 10)
    recorder.write("prepare", "data", 1, 2)
    recorder.pod("train", 20, 60)
    recorder.write("train", "c/1", 30, 40)
    kill(recorder, "train", 50)
    recorder.pod("after", 70, 90)
    recorder.write("after", "c/2", 75, 80)
    assert landing(recorder, contract).versions == {"data": "v-data", "c/1": "v-c/1"}


def test_what_was_deleted_is_not_there(recorder, contract):
    recorder.pod("train", 0, 60)
    for key in ("c/1", "c/2", "c/3"):
        recorder.write("train", key, 10, 20)
    recorder.write("train", "c/1", 21, 22, operation="DeleteObject", version="m")
    gone = (Deletion(key="c/2", marker="m2"),)
    recorder.write("train", "", 23, 24, operation="DeleteObjects", version=None, deletions=gone)
    kill(recorder, "train", 50)
    assert landing(recorder, contract).versions == {"c/3": "v-c/3"}


@pytest.mark.parametrize("killed", [(), ("train", "other")])
def test_another_number_of_deaths_than_one_is_no_landing(recorder, contract, killed):
    recorder.pod("train", 0, 60)
    recorder.pod("other", 0, 60)
    for task in killed:
        kill(recorder, task, 50)
    assert f"{len(killed)} pods were killed" in landing(recorder, contract).problem


def test_what_cannot_be_rebuilt_cannot_be_compared(recorder, contract):
    recorder.pod("train", 0, 60)
    recorder.write("train", "c/1", 10, 20, operation="PutObjectTagging", version=None)
    kill(recorder, "train", 50)
    assert "PutObjectTagging is not rebuilt" in landing(recorder, contract).problem


def test_versions_compare_by_what_they_hold_without_what_may_differ(recorder, contract):
    observed(recorder, "c/1", "a", fields={"step": 1, "run.id": "x"}, digest="d", sha256="s1")
    observed(recorder, "c/1", "b", fields={"step": 1, "run.id": "y"}, digest="d", sha256="s2")
    observed(recorder, "c/1", "c", fields={"step": 2, "run.id": "y"}, digest="d", sha256="s3")
    observed(recorder, "other", "d", sha256="s4")
    one, same, another = (
        holdings(recorder.events, {"c/1": version}, contract, frozenset({"id"}))
        for version in "abc"
    )
    assert one == same != another
    found = holdings(recorder.events, {"other": "d", "unseen": "e"}, contract, frozenset())
    assert found == {"other": "s4", "unseen": ""}
