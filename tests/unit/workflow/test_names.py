"""Names of vertices and pods."""

import pytest

from chaosml.workflow.model import WorkflowMetadata
from chaosml.workflow.names import (
    display_name,
    fnv32a,
    generate_name,
    node_id,
    pod_name,
    workflow_name,
)


@pytest.mark.parametrize(
    ("text", "value"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)]
)
def test_the_hash_is_fnv_1a_of_32_bits(text, value):
    assert fnv32a(text) == value


def test_the_root_has_the_workflows_own_id_and_pod():
    assert node_id("wf", "wf") == "wf"
    assert pod_name("wf", "wf", "main") == "wf"


def test_other_vertices_carry_the_hash_of_their_name():
    assert node_id("wf", "wf.train(1)") == f"wf-{fnv32a('wf.train(1)')}"
    assert pod_name("wf", "wf.train(1)", "trainer") == f"wf-trainer-{fnv32a('wf.train(1)')}"


def test_a_long_pod_name_is_cut_before_its_hash():
    name = pod_name("w" * 60, "x", "t" * 300)
    assert len(name) <= 253
    assert name == f"{('w' * 60 + '-' + 't' * 300)[:242]}-{fnv32a('x')}"


@pytest.mark.parametrize(
    ("vertex", "boundary", "shown"),
    [
        ("wf", None, "wf"),
        ("wf(0)", None, "wf(0)"),
        ("wf.a", "wf", "a"),
        ("wf.a(0)", "wf", "a(0)"),
        ("wf[0]", "wf", "[0]"),
        ("wf[1].step", "wf", "step"),
        ("wf.a(0)[0].b.c", "wf.a(0)[0].b", "c"),
    ],
)
def test_people_see_a_vertex_without_what_it_lies_in(vertex, boundary, shown):
    assert display_name(vertex, boundary) == shown


def test_a_generated_name_is_the_prefix_with_five_letters_that_depend_on_the_seed():
    assert (
        generate_name("train-", "1") == generate_name("train-", "1") != generate_name("train-", "2")
    )
    assert len(generate_name("p" * 80, "1")) == 63
    assert workflow_name(WorkflowMetadata(generate_name="t-"), "s").startswith("t-")
    assert workflow_name(WorkflowMetadata(name="fixed"), "s") == "fixed"
