"""What a key is to the contract."""

import pytest

from chaosml.artifacts.contract import Contract, Kind
from chaosml.errors import UsageError
from chaosml.scenario.model import Scenario

CHECKPOINT = {
    "role": "checkpoint",
    "key": r"checkpoints/step-(?P<step>\d+)/state-(?P<digest>[0-9a-f]{12})\.npz",
    "format": "npz",
    "commit": "marker-last",
    "marker": "checkpoints/step-{step}/manifest.json",
}
MODEL = {
    "role": "model",
    "key": r"models/digits/model\.npz",
    "format": "npz",
    "final-step": "{{parameters.steps}}",
}
IN_PLACE = {
    "role": "checkpoint",
    "key": r"checkpoint/weights\.npz",
    "format": "npz",
    "commit": "in-place",
    "parts": ["checkpoint/weights.npz", "checkpoint/meta.json"],
}


def compile_contract(*artifacts, registry=None, parameters=None):
    scenario = Scenario.model_validate(
        {
            "apiVersion": "chaosml.dev/v1",
            "kind": "Scenario",
            "metadata": {"name": "unit"},
            "pipeline": {
                "workflow": "w.yaml",
                "isolate": {"bucket": "bucket"},
                "artifacts": artifacts,
                "registry": registry,
            },
            "faults": [
                {
                    "name": "f",
                    "inject": "pod.delete",
                    "target": {"task": "train"},
                    "when": {"step": 1},
                }
            ],
        }
    )
    return Contract.compile(scenario, {"steps": "240"} if parameters is None else parameters)


def test_an_object_has_the_role_format_and_step_of_its_artifact():
    found = compile_contract(CHECKPOINT).classify("checkpoints/step-40/state-0123456789ab.npz")
    assert found.kind is Kind.OBJECT
    assert (found.role, found.format, found.step) == ("checkpoint", "npz", 40)
    assert found.groups == {"step": "40", "digest": "0123456789ab"}


def test_a_pattern_must_match_the_whole_key():
    contract = compile_contract(MODEL, registry=r"registry/v\d+\.json")
    assert contract.classify("models/digits/model.npz.part") is None
    assert contract.classify("old/models/digits/model.npz") is None
    assert contract.classify("registry/v1.json.tmp") is None


def test_a_marker_is_found_by_its_template_and_names_the_step():
    contract = compile_contract(CHECKPOINT)
    found = contract.classify("checkpoints/step-40/manifest.json")
    assert (found.kind, found.role, found.format, found.step) == (Kind.MARKER, "marker", "json", 40)
    assert contract.classify("checkpoints/step-x/manifest.json") is None


def test_the_marker_of_an_object_is_filled_with_the_groups_of_its_key():
    contract = compile_contract(CHECKPOINT)
    found = contract.classify("checkpoints/step-40/state-0123456789ab.npz")
    assert found.artifact.marker_key(found.groups) == "checkpoints/step-40/manifest.json"


def test_an_artifact_without_a_marker_has_no_marker_key():
    found = compile_contract(MODEL).classify("models/digits/model.npz")
    assert found.artifact.marker_key(found.groups) is None


def test_a_marker_is_one_even_if_another_artifact_matches_its_key():
    every_json = {"role": "manifest", "key": r".*\.json", "format": "json"}
    contract = compile_contract(every_json, CHECKPOINT)
    assert contract.classify("checkpoints/step-40/manifest.json").kind is Kind.MARKER
    assert contract.classify("datasets/manifest.json").role == "manifest"


def test_a_group_used_twice_in_a_marker_must_be_the_same_both_times():
    twice = {**CHECKPOINT, "marker": "markers/{step}/{step}.done"}
    contract = compile_contract(twice)
    assert contract.classify("markers/7/7.done").format == "bytes"
    assert contract.classify("markers/7/8.done") is None


@pytest.mark.parametrize(
    ("group", "inside", "outside"),
    [
        (r"a|b", "a", "c"),
        (r"[^)/]+", "x(y", "x/y"),
        (r"[]x]+", "]x", "y"),
        (r"\(\d\)", "(3)", "3"),
        # A group in the group: anything but a slash stands for it.
        (r"(?:a|b)+", "zz", "z/z"),
    ],
)
def test_a_hole_of_a_template_is_what_the_group_may_be(group, inside, outside):
    contract = compile_contract(
        {"role": "model", "key": f"m/(?P<name>{group})/model", "marker": "m/{name}/done"}
    )
    assert contract.classify(f"m/{inside}/done").groups == {"name": inside}
    assert contract.classify(f"m/{outside}/done") is None


def test_the_dots_of_a_template_are_dots():
    contract = compile_contract(
        {"role": "model", "key": "m", "marker": "m.done", "commit": "marker-last"}
    )
    assert contract.classify("m.done").kind is Kind.MARKER
    assert contract.classify("m_done") is None


def test_parts_have_the_role_of_their_artifact_and_a_format_of_their_own():
    contract = compile_contract(IN_PLACE)
    weights = contract.classify("checkpoint/weights.npz")
    meta = contract.classify("checkpoint/meta.json")
    assert (weights.kind, weights.role, weights.format) == (Kind.PART, "checkpoint", "npz")
    assert (meta.kind, meta.role, meta.format) == (Kind.PART, "checkpoint", "json")
    assert weights.artifact.part_keys({}) == ("checkpoint/weights.npz", "checkpoint/meta.json")


def test_a_key_without_step_and_digest_is_canonical():
    artifacts = compile_contract(CHECKPOINT, MODEL, IN_PLACE).artifacts
    assert [artifact.is_canonical for artifact in artifacts] == [False, True, True]


def test_the_registry_has_its_own_pattern_and_comes_last():
    contract = compile_contract(MODEL, registry=r"registry/(?P<name>\w+)/v(?P<version>\d+)\.json")
    found = contract.classify("registry/digits/v3.json")
    assert (found.kind, found.artifact, found.role) == (Kind.REGISTRY, None, "registry")
    assert found.groups == {"name": "digits", "version": "3"}


def test_the_final_step_is_filled_from_the_parameters():
    assert compile_contract(MODEL).artifacts[0].final_step == 240
    spelled = {**MODEL, "final-step": "{{ workflow.parameters.steps }}"}
    assert compile_contract(spelled).artifacts[0].final_step == 240
    assert compile_contract({**MODEL, "final-step": "12"}).artifacts[0].final_step == 12


@pytest.mark.parametrize(
    ("change", "parameters", "message"),
    [
        ({"key": "("}, {}, r"artifacts\[0\]\.key: '\(' is no regular expression"),
        ({"final-step": "{{parameters.stepz}}"}, {"steps": "9"}, "'stepz'.*it has: steps"),
        ({"final-step": "{{parameters.steps}}"}, {"steps": "many"}, "is 'many' here; needs"),
        ({"marker": "{step}/done"}, {}, "names {step}, a group that the key has not"),
    ],
)
def test_what_cannot_be_compiled_is_named_with_its_place(change, parameters, message):
    with pytest.raises(UsageError, match=message):
        compile_contract({**MODEL, "final-step": None, **change}, parameters=parameters)


def test_a_step_that_is_no_number_is_none():
    named = {"role": "checkpoint", "key": r"c/(?P<step>last|\d+)"}
    contract = compile_contract(named)
    assert contract.classify("c/last").step is None
    assert contract.classify("c/007").step == 7
