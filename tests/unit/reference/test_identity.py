"""Identity is one and the same everywhere."""

from __future__ import annotations

import re

from chaosml.reference.identity import Identity, interpreter_fingerprint


def of_pod():
    return Identity.of_this_pod(run_id="r", git_commit="c", dataset_sha256="d")


def test_the_fingerprint_is_stable_and_says_what_it_is():
    assert re.fullmatch(r"interpreter:[0-9a-f]{64}", interpreter_fingerprint())
    interpreter_fingerprint.cache_clear()
    first = interpreter_fingerprint()
    interpreter_fingerprint.cache_clear()
    assert interpreter_fingerprint() == first


def test_the_fingerprint_depends_on_the_version_of_python(monkeypatch):
    before = interpreter_fingerprint()
    interpreter_fingerprint.cache_clear()
    monkeypatch.setattr("platform.python_version", lambda: "2.7.18")
    try:
        assert interpreter_fingerprint() != before
    finally:
        interpreter_fingerprint.cache_clear()


def test_an_image_digest_stands_for_itself_and_an_empty_one_for_nothing(monkeypatch):
    monkeypatch.setenv("IMAGE_DIGEST", "sha256:abc")
    assert of_pod().image == "sha256:abc"
    monkeypatch.setenv("IMAGE_DIGEST", "")
    assert of_pod().image == interpreter_fingerprint()
