"""Records of runs that died in a cluster: kept until that cluster is healed, then gone."""

from __future__ import annotations

import datetime
import pathlib

import msgspec
import pytest

from chaosml.errors import HarnessError, SubstrateError
from chaosml.runner import cluster_recovery, recovery
from chaosml.store.directory import OWNER, RunDirectory
from chaosml.store.owner import Owner, Place

PLACE = Place(on="cluster", context="staging", namespace="ml")
NOON = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> RunDirectory:
    """A run directory whose owner, a process of this host, is gone."""
    directory = RunDirectory.create(tmp_path, "spot", NOON)
    here = Owner.here(workspace=tmp_path / "chaosml-none", run="spot-1-7", place=PLACE)
    directory.own(msgspec.structs.replace(here, started=here.started + 1))
    return directory


def has_record(directory: RunDirectory) -> bool:
    return (directory.path / OWNER).exists()


def test_a_run_heals_what_is_on_this_host_and_leaves_the_record_of_a_cluster(
    directory: RunDirectory, tmp_path: pathlib.Path
) -> None:
    assert recovery.recover(tmp_path, pytest.fail) == 0
    assert has_record(directory)


def test_a_recovery_heals_the_cluster_that_the_record_names(
    directory: RunDirectory, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def heal(place: Place, done, *, run: str) -> None:  # type: ignore[no-untyped-def]
        asked.append((place, run))
        done("opened node one for pods")

    monkeypatch.setattr(cluster_recovery, "recover_place", heal)
    told: list[str] = []
    assert recovery.recover(tmp_path, told.append, clusters=True) == 1
    assert asked == [(PLACE, "spot-1-7")]
    assert told == ["namespace ml of context staging: opened node one for pods"]
    assert not has_record(directory)


def test_a_cluster_that_cannot_be_healed_keeps_its_record_and_is_named(
    directory: RunDirectory, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Place, done, *, run: str) -> None:  # type: ignore[no-untyped-def]
        raise SubstrateError("the API server cannot be reached")

    monkeypatch.setattr(cluster_recovery, "recover_place", refuse)
    with pytest.raises(HarnessError, match=r"staging: the API server .* gone for good, remove"):
        recovery.recover(tmp_path, pytest.fail, clusters=True)
    assert has_record(directory)
