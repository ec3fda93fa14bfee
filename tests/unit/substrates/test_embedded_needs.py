"""What embedded runs need of a machine is tried, and each lack has its remedy."""

from __future__ import annotations

import pathlib
import sys

import pytest

from chaosml.substrates.embedded import needs as module
from chaosml.substrates.embedded.needs import Need, needs


def found() -> dict[str, Need]:
    return {need.subject: need for need in needs()}


def test_this_machine_lacks_nothing():
    assert [need for need in needs() if need.remedy] == []


def test_another_system_is_said_and_nothing_else_is_tried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    (only,) = needs()
    assert only.found == "darwin: no embedded runs"
    assert only.remedy is not None
    assert "--on kind" in only.remedy


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_LIBRARIES", ("numpy", "nowhere_to_be_found"))
    assert found()["libraries"].found == "not installed: nowhere_to_be_found"
    assert found()["libraries"].remedy


def test_a_kernel_that_refuses_is_quoted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_SUBREAPER", "raise OSError(1, 'prctl: refused')")
    assert found()["processes"].found == "PermissionError: [Errno 1] prctl: refused"


@pytest.mark.parametrize(("limit", "words"), [(1 << 62, "MiB are free in"), (0, "can be written")])
def test_a_full_disk_is_found_before_a_run_is(
    limit: int, words: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_FREE_BYTES", limit)
    assert words in found()["temporary files"].found


def test_a_folder_that_is_not_there_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path / "gone"))
    need = found()["temporary files"]
    assert "gone" in need.found
    assert need.remedy is not None
    assert "TMPDIR" in need.remedy
