"""Packages inside archives: found, named by their member, and never more than they may cost."""

import gzip
import io
import pathlib
import tarfile
import zipfile

import pytest

from chaosml.errors import UsageError
from chaosml.lint import archives
from chaosml.lint.formats import text
from chaosml.lint.rules import rules
from chaosml.lint.run import lint

BAD = rules()["kfp-retry-missing"].bad


def write_zip(path: pathlib.Path, **members: str | bytes) -> pathlib.Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_yaml", ".yaml"), content)
    return path


def write_tar(path: pathlib.Path, **members: str) -> pathlib.Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name.replace("_yaml", ".yaml"))
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    return path


def complaints(path):
    outcome = lint([str(path)])
    assert outcome.exit_code() == 2
    return [str(problem) for problem in outcome.problems]


@pytest.mark.parametrize(("name", "write"), [("p.zip", write_zip), ("p.tar.gz", write_tar)])
def test_what_is_found_in_an_archive_names_the_member_and_its_line(tmp_path, name, write):
    path = write(tmp_path / name, pipeline_yaml=BAD)
    outcome = lint([str(path)])
    assert outcome.exit_code() == 1
    assert {one.file for one in outcome.findings} == {f"{path}/pipeline.yaml"}
    plain = tmp_path / "plain.yaml"
    plain.write_text(BAD)
    assert [one.line for one in outcome.findings] == [
        one.line for one in lint([str(plain)]).findings
    ]


def test_archives_in_a_folder_are_looked_at_too(tmp_path):
    write_zip(tmp_path / "p.zip", a_yaml=BAD, notes="nothing")
    assert lint([str(tmp_path)]).documents == 1


def test_a_member_that_cannot_be_read_is_named_as_such(tmp_path):
    path = write_zip(tmp_path / "p.zip", a_yaml="spec: [\n", b_yaml=BAD)
    outcome = lint([str(path)])
    assert outcome.problems[0].file == f"{path}/a.yaml"
    assert {one.file for one in outcome.findings} == {f"{path}/b.yaml"}


@pytest.mark.parametrize("name", ["../out.yaml", "/etc/out.yaml", "a/../../b.yaml", "c:out.yaml"])
def test_a_member_outside_of_the_archive_is_refused(tmp_path, name):
    for path in (
        write_zip(tmp_path / "p.zip", **{name: BAD}),
        write_tar(tmp_path / "p.tgz", **{name: BAD}),
    ):
        (said,) = complaints(path)
        assert said.endswith(f"the archive is not read: its member {name!r} lies outside of it")


def test_links_are_not_followed(tmp_path):
    path = tmp_path / "p.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("pipeline.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    outcome = lint([str(path)])
    assert outcome.exit_code() == 2
    assert outcome.others == {str(path): "no YAML or JSON in it"}


def test_a_small_archive_with_much_in_it_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_UNPACKED_BYTES_MAX", 1 << 20)
    path = write_tar(tmp_path / "p.tar.gz", weights="0" * (3 << 20), pipeline_yaml=BAD)
    assert path.stat().st_size < 10_000
    (said,) = complaints(path)
    assert "the archive is not read: it holds more than" in said
    # In a folder it may as well be a dataset.
    (tmp_path / "sound.yaml").write_text(BAD)
    assert lint([str(tmp_path)]).exit_code() == 1


def test_a_text_that_unpacks_to_more_than_a_document_may_be_is_refused(tmp_path):
    path = write_zip(tmp_path / "p.zip", pipeline_yaml="#" * (4 << 20))
    (said,) = complaints(path)
    assert f"{path}/pipeline.yaml:1:1: the file is larger than" in said


def test_an_archive_with_too_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_MEMBERS_MAX", 2)
    (said,) = complaints(write_zip(tmp_path / "p.zip", a="", b="", c=""))
    assert "it has more than 2 members" in said


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "p.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("p.txt"), io.BytesIO())
    (said,) = complaints(path)
    assert "it has the member 'p.txt' twice" in said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.zip", b"PK\x03\x04 not really"),
        ("p.zip", b""),
        ("p.tar.gz", b"\x1f\x8b broken"),
        ("p.tar.gz", gzip.compress(b"no tar at all" * 100)),
        ("p.tgz", b""),
    ],
)
def test_a_broken_archive_is_a_problem_of_its_own(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    (said,) = complaints(path)
    assert said.startswith(f"{path}:1:1: the archive is broken: ")


def test_a_truncated_archive_is_broken(tmp_path):
    path = write_tar(tmp_path / "p.tar.gz", pipeline_yaml=BAD * 20)
    path.write_bytes(path.read_bytes()[:-40])
    assert "the archive is broken" in text.render(lint([str(path)]))


def test_an_encrypted_member_is_a_problem(tmp_path):
    path = write_zip(tmp_path / "p.zip", pipeline_yaml=BAD)
    raw = bytearray(path.read_bytes())
    # Bit 0 of the flags, in the local header and in the directory at the end.
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    (said,) = complaints(path)
    assert "encrypted" in said


def test_an_archive_is_not_mended(tmp_path):
    path = write_zip(tmp_path / "p.zip", pipeline_yaml=BAD)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="cannot mend what is inside"):
        lint([str(path)], fix=True)
    lint([str(tmp_path)], fix=True)
    assert path.read_bytes() == before
