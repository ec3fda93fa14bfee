"""Interpreters that stand for images, and the substrate before it is prepared."""

import pathlib
import sys

import pytest

from chaosml.errors import SubstrateError
from chaosml.substrates.embedded.interpreters import Interpreters, fingerprint
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate
from chaosml.substrates.protocol import DeletesPods, DrainsNodes, EvictsPods, StopsNodes


def test_the_first_pattern_that_matches_names_the_interpreter():
    tool = pathlib.Path("/bin/sh")
    found = Interpreters({"registry/trainer*": tool, "*": pathlib.Path(sys.executable)})
    assert found.find("registry/trainer:1") == tool
    assert found.find("registry/other") == pathlib.Path(sys.executable)
    assert Interpreters({}).find("any") == pathlib.Path(sys.executable)


def test_an_interpreter_that_is_not_there_is_named_before_anything_starts():
    with pytest.raises(SubstrateError, match=r"'a\*' stands for /no/python"):
        Interpreters({"a*": pathlib.Path("/no/python")})


def test_a_program_that_cannot_say_what_it_is_is_known_by_its_file():
    assert fingerprint(pathlib.Path("/bin/false")).startswith("python:")


def test_the_substrate_has_every_capability_that_its_faults_ask_for(tmp_path):
    substrate = EmbeddedSubstrate(None, workspace=tmp_path, run="r", nodes=2)
    for capability in (DeletesPods, EvictsPods, DrainsNodes, StopsNodes):
        assert isinstance(substrate, capability)
    assert substrate.nodes() == ("node-1", "node-2")
    assert substrate.pods() == ()
    assert substrate.finish() == ()
    substrate.close()


def test_systems_other_than_linux_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    substrate = EmbeddedSubstrate(None, workspace=tmp_path, run="r", nodes=2)
    with pytest.raises(SubstrateError, match="needs Linux, this is darwin"):
        substrate.prepare()
