"""Folders and commands of pods."""

import os

import pytest

from chaosml.substrates.embedded import staging
from chaosml.substrates.embedded.staging import find_command, make_folders, remove
from chaosml.substrates.embedded.wire import StartPod


def order(folder, *argv, path="/usr/bin:/bin", **details):
    return StartPod(
        uid="a-1",
        argv=argv or ("sh",),
        environment={"PATH": path},
        directory=str(folder / "pod"),
        working_directory=str(folder / "pod" / "work"),
        log=str(folder / "log"),
        **details,
    )


def test_folders_and_files_are_made_and_all_of_it_is_removed(tmp_path):
    inner = tmp_path / "pod" / "work" / "deep"
    one = order(tmp_path, directories=(str(inner),), files={str(inner / "script"): "text"})
    make_folders(one)
    assert (inner / "script").read_text() == "text"
    remove(one.directory)
    assert list(tmp_path.iterdir()) == []


def test_what_a_pod_locked_is_removed_and_what_it_linked_to_is_left_alone(tmp_path):
    keep = tmp_path / "keep"
    keep.mkdir(mode=0o500)
    locked = tmp_path / "pod" / "locked" / "inner"
    locked.mkdir(parents=True)
    (locked / "file").write_text("")
    (tmp_path / "pod" / "link").symlink_to(keep)
    for folder in (locked, locked.parent):
        os.chmod(folder, 0)
    remove(str(tmp_path / "pod"))
    assert list(tmp_path.iterdir()) == [keep]
    assert keep.stat().st_mode & 0o777 == 0o500


def test_a_command_is_found_on_the_path_of_the_pod_alone(tmp_path):
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    os.chmod(tmp_path / "tool", 0o755)
    assert find_command(order(tmp_path, "tool", "-x", path=str(tmp_path))) == (
        str(tmp_path / "tool"),
        "-x",
    )
    with pytest.raises(OSError, match=r'exec: "tool": executable file not found in \$PATH'):
        find_command(order(tmp_path, "tool"))


def test_a_command_with_a_slash_is_taken_from_the_working_directory(tmp_path):
    work = tmp_path / "pod" / "work"
    work.mkdir(parents=True)
    (work / "run.sh").write_text("")
    assert find_command(order(tmp_path, "./run.sh"))[0] == f"{work}/./run.sh"
    with pytest.raises(OSError, match=r'exec: "\./other": stat \./other: no such file'):
        find_command(order(tmp_path, "./other"))


def test_a_pod_gets_a_copy_of_what_its_image_has_and_none_of_what_no_image_has(tmp_path):
    image = tmp_path / "image"
    (image / "package").mkdir(parents=True)
    (image / "package" / "train.py").write_text("text")
    (image / ".venv").mkdir()
    (image / ".venv" / "python").write_text("")
    (image / "dangling").symlink_to("nowhere")
    os.mkfifo(image / "pipe")
    one = order(tmp_path, directories=(str(tmp_path / "pod" / "work"),), copy_of=str(image))
    make_folders(one)
    work = tmp_path / "pod" / "work"
    (work / "package" / "train.py").write_text("changed")
    assert {path.name for path in work.iterdir()} == {"package"}
    assert (image / "package" / "train.py").read_text() == "text"


def test_a_folder_that_is_too_large_to_be_copied_into_every_pod_is_refused(tmp_path, monkeypatch):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "data").write_text("1234")
    monkeypatch.setattr(staging, "COPIED_BYTES_MAX", 3)
    with pytest.raises(OSError, match="every pod gets a copy of it, so keep data elsewhere"):
        make_folders(order(tmp_path, copy_of=str(tmp_path / "image")))
