"""Loading of scenarios: every problem at once, each at its place.

`§` in a document stands right before the place where a problem must be reported.
"""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chaosml.errors import ScenarioError, UsageError
from chaosml.explain.schema import schema
from chaosml.scenario.expectations import trials_needed
from chaosml.scenario.load import LoadedScenario, load
from chaosml.scenario.model import Duration, Fault

_WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: wf}
spec:
  entrypoint: main
  arguments:
    parameters: [{name: steps, value: 240}, {name: bucket}, {name: run-id, value: static}]
  templates:
    - name: main
      dag:
        tasks:
          - {name: prepare, template: prepare}
          - {name: train, template: train, dependencies: [prepare]}
          - {name: deep, template: inner, dependencies: [prepare]}
    - name: inner
      steps: [[{name: check, template: train}]]
    - name: prepare
      outputs: {parameters: [{name: key, valueFrom: {path: /tmp/key}}]}
      container: {image: x, command: [prepare]}
    - name: train
      container: {image: x, command: [train]}
"""

_SCENARIO = """\
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: spot}
pipeline:
  workflow: wf.yaml
  parameters: {steps: "240"}
  isolate: {run-id: run-id, bucket: bucket}
  artifacts:
    - {role: model, key: 'models/model.npz', format: npz, final-step: '{{parameters.steps}}'}
faults:
  - name: reclaim
    inject: spot.reclaim
    target: {task: train}
    when: {step: {between: [60, 180]}}
    with: {notice: 120s}
trials: 5
deadline: 20m
expect:
  corruption: none
  mttr: {at-most: 15m}
"""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    notice: Duration = 120.0
    reaction: Literal["drain", "none"] = "drain"
    false_alarm: Annotated[bool, Field(alias="false-alarm")] = False

    @model_validator(mode="after")
    def _check(self) -> _Options:
        if self.false_alarm and self.notice == 0:
            raise ValueError("a false alarm needs a notice")
        return self


class _Empty(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_CATALOGUE: dict[str, type[BaseModel]] = {"spot.reclaim": _Options, "pod.delete": _Empty}


def _legal(inject: str, options: Any, has_outputs: bool) -> tuple[str, ...]:
    if inject == "spot.reclaim" and options.false_alarm:
        return ()
    return ("gone", "seen", "wait-failed") if has_outputs else ("gone", "seen")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wf.yaml").write_text(_WORKFLOW)


def _load(tmp_path, text: str = _SCENARIO, **options: Any) -> LoadedScenario:
    (tmp_path / "s.yaml").write_text(text)
    return load(tmp_path / "s.yaml", catalogue=_CATALOGUE, legal=_legal, **options)


def _refuse(tmp_path, text: str, **options: Any) -> list[str]:
    """Return the messages of a scenario that must be refused exactly at its signs."""
    lines = text.split("\n")
    places = []
    for number, line in enumerate(lines, start=1):
        while "§" in line:
            places.append((number, line.index("§") + 1))
            line = line.replace("§", "", 1)
        lines[number - 1] = line
    with pytest.raises(ScenarioError) as caught:
        _load(tmp_path, "\n".join(lines), **options)
    problems = [one for one in caught.value.problems if one.file == "s.yaml"]
    assert [(one.line, one.column) for one in problems] == places, str(caught.value)
    return [one.message for one in problems]


def _changed(*changes: tuple[str, str]) -> str:
    text = _SCENARIO
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def _refuse_change(tmp_path, old: str, new: str, **options: Any) -> str:
    (message,) = _refuse(tmp_path, _changed((old, new)), **options)
    return message


def _fault(lines: str) -> tuple[str, str]:
    old = _SCENARIO[_SCENARIO.index("  - name: reclaim") : _SCENARIO.index("trials:")]
    return old, lines


def test_a_sound_scenario_comes_with_its_workflow_and_options(tmp_path):
    loaded = _load(tmp_path)
    assert loaded.scenario.metadata.name == "spot"
    assert loaded.scenario.expect.mttr is not None
    assert loaded.scenario.expect.mttr.at_most == 900.0
    assert loaded.options["reclaim"] == _Options(notice="120s")
    assert loaded.workflow.path == tmp_path / "wf.yaml"
    assert loaded.text == _SCENARIO


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("§", "the file is empty"),
        ("a: [1\n§", "this is not YAML"),
        ("a: 1\n§a: 2\n", 'the key "a" is given twice; the first is in line 1'),
        ("§- a\n", "expected a mapping, found a list"),
        ("a: 1\n§--- \nb: 1\n", "a second document begins here"),
    ],
)
def test_what_is_not_one_mapping_is_refused(tmp_path, text, says):
    (message,) = _refuse(tmp_path, text)
    assert says in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("trials: 5", "§trails: 5", 'unknown key "trails"; did you mean "trials"?'),
        ("{at-most: 15m}", "{§at_most: 15m, p95: 1m}", 'did you mean "at-most"?'),
        ("deadline: 20m", "deadline: §20", "20 needs a unit, such as 20s or 20m"),
        ("deadline: 20m", "deadline: §20 minutes", '"20 minutes" is no duration'),
        ("{at-most: 15m}", "{at-most: §15%}", '"15%" is no duration'),
        ("trials: 5", "trials: §0", "0 is too small; the least is 1"),
        ("trials: 5", "trials: §'5'", '"5" is not a whole number'),
        ("trials: 5", "trials: §true", "true is not a whole number"),
        ("none", "§never", '"never" is not none or a mapping with at-most, confidence'),
        ("  isolate: {run-id: run-id, b", "  isolate: {run-id: run-id, §buckt: x, b", "bucket"),
        ("kind: Scenario", "kind: §Workflow", '"Workflow" must be Scenario'),
        ("name: spot", "name: §Spot!", "does not match"),
        ("{at-most: 15m}", "§{excluding: [scheduling]}", "limits nothing; give at least one"),
    ],
)
def test_a_wrong_key_unit_or_value_is_refused_at_its_place(tmp_path, old, new, says):
    assert says in _refuse_change(tmp_path, old, new)


@pytest.mark.parametrize(
    ("bound", "says"),
    [
        ("{at-most: §0%, confidence: 95%}", "more than 0% and less than 100%"),
        ("{at-most: 2%, confidence: §100%}", "more than 0% and less than 100%"),
        ("{at-most: §2, confidence: 95%}", "2 needs its unit, such as 2%"),
        ("{at-most: 2%, confidence: §0.95}", "0.95 needs its unit"),
    ],
)
def test_shares_carry_their_unit_and_lie_in_range(tmp_path, bound, says):
    assert says in _refuse_change(tmp_path, "corruption: none", f"corruption: {bound}")


def test_a_bound_that_the_trials_cannot_show_is_refused_with_the_number_that_would(tmp_path):
    message = _refuse_change(
        tmp_path, "corruption: none", "corruption: §{at-most: 2%, confidence: 95%}"
    )
    assert "needs 149 trials, found 5" in message
    assert "45.1%" in message
    enough = _changed(
        ("corruption: none", "corruption: {at-most: 2%, confidence: 95%}"),
        ("trials: 5", "trials: 149"),
    )
    assert _load(tmp_path, enough).scenario.trials == 149


def test_without_a_number_of_trials_there_is_one_for_every_case(tmp_path):
    (message,) = _refuse(
        tmp_path,
        _changed(("corruption: none", "corruption: §{at-most: 2%}"), ("trials: 5\n", "")),
    )
    assert "needs 149 trials, found 2" in message


@pytest.mark.parametrize(
    ("at_most", "confidence", "count"), [(0.02, 0.95, 149), (0.5, 0.5, 1), (0.01, 0.99, 459)]
)
def test_the_number_of_trials_needed_is_the_least_that_does(at_most, confidence, count):
    assert trials_needed(at_most, confidence) == count
    assert (1 - at_most) ** count <= 1 - confidence + 1e-9
    assert (1 - at_most) ** (count - 1) > 1 - confidence


def test_a_deadline_below_the_recovery_limit_is_refused(tmp_path):
    message = _refuse_change(tmp_path, "{at-most: 15m}", "{at-most: §30m}")
    assert "could never be seen, since the deadline of an execution is 1200s" in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "spot.reclaim",
            "§spot.reclame",
            'no fault is called "spot.reclame"; did you mean "spot.r',
        ),
        ("spot.reclaim", "§disk.fill", "there are: pod.delete, spot.reclaim"),
        ("task: train", "task: §trian", 'no task "trian"; did you mean "train"?'),
        ("task: train", "task: §deep", '"deep" is a dag or steps; name one of its pods'),
        ("{notice: 120s}", "{§notise: 120s}", 'unknown key "notise"; did you mean "notice"?'),
        ("{notice: 120s}", "{notice: §120}", "120 needs a unit"),
        ("{notice: 120s}", "{reaction: §drian}", 'did you mean "drain"?'),
        ("{notice: 120s}", "§{notice: 0s, false-alarm: true}", "a false alarm needs a notice"),
        ("{step: {between: [60, 180]}}", "§{}", "exactly one of step, event"),
        ("{step: {between: [60, 180]}}", "§{step: 3, after: 2s}", "found step and after"),
        ("{between: [60, 180]}", "§{between: [180, 60]}", "empty; write [60, 180]"),
        ("{between: [60, 180]}", "{between: [§-1, 60]}", "-1 is too small"),
        ("{between: [60, 180]}", "§{between: [60, 241]}", "the final step is 240"),
        ("{between: [60, 180]}", "§241", "step 241 is never reached"),
        ("{between: [60, 180]}", "§soon", "a whole number or a mapping with between"),
        (
            "{step: {between: [60, 180]}}",
            "{event: {event: checkpoint, step: §900}}",
            "step 900 is never reached",
        ),
        (
            "{step: {between: [60, 180]}}",
            "{object: {before: PutObject, key: §'models/('}}",
            "is no regular expression",
        ),
        (
            "{step: {between: [60, 180]}}",
            "{object: §{before: PutObject, after: PutObject, key: x}}",
            "exactly one of before, after",
        ),
    ],
)
def test_a_wrong_fault_is_refused_where_it_is_wrong(tmp_path, old, new, says):
    assert says in _refuse_change(tmp_path, old, new)


def test_two_faults_of_one_name_are_refused(tmp_path):
    second = (
        "  - name: §reclaim\n    inject: pod.delete\n    target: {task: train}\n"
        "    when: {pod: running}\ntrials: 5"
    )
    assert "the first is in line 11" in _refuse_change(tmp_path, "trials: 5", second)


def test_views_that_cannot_happen_are_refused_with_those_that_can(tmp_path):
    message = _refuse_change(
        tmp_path, "{notice: 120s}", "{notice: 120s}\n    views: [gone, §wait-failed]"
    )
    assert "the legal views are: gone, seen" in message
    message = _refuse_change(tmp_path, "{notice: 120s}", "{false-alarm: true}\n    views: [§gone]")
    assert "none, since its target need not die" in message
    with_outputs = _changed(
        ("task: train", "task: prepare"),
        ("{notice: 120s}", "{notice: 120s}\n    views: [wait-failed]"),
    )
    assert _load(tmp_path, with_outputs).scenario.faults[0].views == ("wait-failed",)


def test_strikes_at_a_replacement_need_one_and_a_place_that_is_there(tmp_path):
    options = "{notice: 120s}"
    message = _refuse_change(
        tmp_path, options, "{false-alarm: true}\n    again: §[{event: {event: restore}}]"
    )
    assert "nobody replaces the target" in message
    message = _refuse_change(tmp_path, options, f"{options}\n    again: [{{step: §9999}}]")
    assert "step 9999 is never reached" in message
    message = _refuse_change(tmp_path, options, f"{options}\n    again: [§{{settled: true}}]")
    assert "exactly one of step, event, object, after, pod" in message
    again = _changed((options, f"{options}\n    again: [{{event: {{event: restore}}}}]"))
    (trigger,) = _load(tmp_path, again).scenario.faults[0].again
    assert trigger.event.event == "restore"


_ARTIFACT = (
    "{role: model, key: 'models/model.npz', format: npz, final-step: '{{parameters.steps}}'}"
)


@pytest.mark.parametrize(
    ("artifact", "says"),
    [
        ("{role: model, key: §'models/('}", "is no regular expression"),
        ("{role: checkpoint, key: 'c', commit: §marker-last}", "marker-last needs the key"),
        (
            "{role: checkpoint, key: 'c/(?P<step>\\d+)', commit: marker-last, marker: §'m/{stpe}'}",
            'names {stpe}, a group that the key has not; did you mean "{step}"?',
        ),
        (
            "{role: checkpoint, key: 'c', commit: marker-last, marker: §'m/{step}'}",
            "the groups are: none",
        ),
        ("{role: checkpoint, key: c, §parts: [a]}", "parts belong to commit: in-place"),
        (
            "{role: checkpoint, key: c, commit: in-place, parts: [a, §'{rank}']}",
            "names {rank}, a group that the key has not",
        ),
        ("{role: model, key: 'm', final-step: §'240'}", "nothing of this artifact says its step"),
        (
            "{role: model, key: m, format: npz, final-step: §'{{parameters.stepz}}'}",
            'no parameter "stepz"; did you mean "steps"?',
        ),
        ("{role: model, key: m, format: npz, final-step: §last}", 'is "last" and not the number'),
        ("{role: §modle, key: m}", 'did you mean "model"?'),
    ],
)
def test_a_wrong_artifact_is_refused_where_it_is_wrong(tmp_path, artifact, says):
    assert says in _refuse_change(tmp_path, _ARTIFACT, artifact)


def test_parameters_and_isolation_name_parameters_of_the_workflow(tmp_path):
    messages = _refuse(
        tmp_path,
        _changed(
            ('{steps: "240"}', '{§stepz: "1", §bucket: x, §run: §"{{git.comit}}", steps: §240}'),
            ("isolate: {run-id: run-id", "isolate: {run-id: §run-ids"),
            (_ARTIFACT, "{role: model, key: m}"),
        ),
    )
    assert 'declares no parameter "stepz"; did you mean "steps"?' in messages[0]
    assert '"bucket" is set by pipeline.isolate' in messages[1]
    assert 'declares no parameter "run"' in messages[2]
    assert "{{git.comit}} is unknown here; there are: git.commit" in messages[3]
    assert 'quote it: "240"' in messages[4]
    assert 'isolate.run-id: the workflow declares no parameter "run-ids"' in messages[5]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("training-task: §trian", 'did you mean "train"?'),
        ("registry: §'registry/('", "is no regular expression"),
        ("progress: {log: §'step=(\\d+)'}", "write (?P<step>"),
        ("progress: {log: §'step=('}", "is no regular expression"),
        ("progress: §{}", "give log"),
    ],
)
def test_the_rest_of_the_pipeline_is_checked(tmp_path, line, says):
    assert says in _refuse_change(tmp_path, "  workflow: wf.yaml", f"  workflow: wf.yaml\n  {line}")


def test_a_workflow_that_is_missing_is_reported_in_the_scenario(tmp_path):
    message = _refuse_change(tmp_path, "wf.yaml", "§wff.yaml")
    assert message == (
        "pipeline.workflow: the file 'wff.yaml' cannot be read: no such file or directory"
    )


def test_problems_of_the_workflow_come_together_with_those_of_the_scenario(tmp_path):
    (tmp_path / "wf.yaml").write_text(
        _WORKFLOW.replace("entrypoint: main", "entrypoint: mian").replace(
            "container: {image: x, command: [train]}",
            "retryStrategy: {limit: 1, backoff: {duration: '1', factor: 1.5}}\n"
            "      container: {image: x, command: [train]}",
        )
    )
    (tmp_path / "s.yaml").write_text(_changed(("task: train", "task: trian"), ("20m", "20")))
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "s.yaml", catalogue=_CATALOGUE, legal=_legal)
    assert [(one.file, one.line, one.column) for one in caught.value.problems] == [
        ("s.yaml", 13, 20),
        ("s.yaml", 17, 11),
        ("wf.yaml", 5, 15),
        ("wf.yaml", 21, 66),
    ]


def test_all_problems_of_a_scenario_come_at_once(tmp_path):
    messages = _refuse(
        tmp_path,
        _changed(
            ("trials: 5", "trials: §0\n§sed: 7"),
            ("name: spot", "name: §SPOT"),
            ("spot.reclaim", "§spot.reclame"),
            ("task: train", "task: §trian"),
            ("{between: [60, 180]}", "§{between: [180, 60]}"),
            ("{notice: 120s}", "{notice: 120s}\n    §vews: [gone]"),
            ("mttr: {at-most: 15m}", "mttr: {at-most: §15}\n  lost-steps: {at-most: §-1}"),
            ("corruption: none", "corruption: {at-most: §2}"),
            (_ARTIFACT, "{role: model, key: §'m('}"),
        ),
    )
    assert len(messages) == 11


def test_a_wrong_fault_does_not_hide_what_is_wrong_with_another(tmp_path):
    lines = (
        "  - name: first\n    inject: pod.delete\n    target: {task: train}\n    when: §soon\n"
        "  - name: second\n    inject: pod.delete\n    target: {task: §trian}\n"
        "    when: {after: 2s}\n"
    )
    messages = _refuse(tmp_path, _changed(_fault(lines)))
    assert messages[0].startswith('faults[0].when: "soon" is not a mapping with step')
    assert 'no task "trian"' in messages[1]


def test_secrets_of_the_workflow_need_a_variable_that_is_set(tmp_path, monkeypatch):
    (tmp_path / "wf.yaml").write_text(
        _WORKFLOW.replace(
            "command: [train]}",
            "command: [train], env: [{name: TOKEN, valueFrom: "
            "{secretKeyRef: {name: hub, key: token}}}]}",
        )
    )
    with pytest.raises(ScenarioError, match=r"^wf.yaml:21.*secret \"hub\"; write embedded: "):
        _load(tmp_path)
    given = _SCENARIO + "embedded: {secrets: {hub: {token: §HUB_TOKEN}}}\n"
    monkeypatch.delenv("HUB_TOKEN", raising=False)
    (message,) = _refuse(tmp_path, given)
    assert message == 'the environment variable "HUB_TOKEN" is not set; export it'
    assert _load(tmp_path, given.replace("§", ""), local=False).scenario.trials == 5
    monkeypatch.setenv("HUB_TOKEN", "value-that-nobody-may-see")
    loaded = _load(tmp_path, given.replace("§", ""))
    assert "value-that-nobody-may-see" not in repr(loaded)


def test_interpreters_of_images_must_exist(tmp_path):
    images = "embedded: {images: {'reg/trainer*': {python: §no/such/python}, x: §{}}}\n"
    messages = _refuse(tmp_path, _SCENARIO + images)
    assert '"no/such/python" is no program; the path is relative to the scenario' in messages[0]
    assert messages[1].startswith("give python")
    _load(tmp_path, _SCENARIO + f"embedded: {{images: {{x: {{python: {sys.executable}}}}}}}\n")


def test_the_folder_that_stands_for_an_image_must_exist(tmp_path):
    _load(tmp_path, _SCENARIO + "embedded: {images: {x: {folder: .}}}\n")
    (message,) = _refuse(tmp_path, _SCENARIO + "embedded: {images: {x: {folder: §none}}}\n")
    assert '"none" is no folder; the path is relative to the scenario' in message


def test_another_workflow_can_take_the_place_of_the_scenarios(tmp_path):
    (tmp_path / "other.yaml").write_text(_WORKFLOW.replace("name: wf", "name: other"))
    loaded = _load(tmp_path, pipeline=tmp_path / "other.yaml")
    assert loaded.workflow.model.metadata.name == "other"
    with pytest.raises(ScenarioError, match=r"^no.yaml:1:1: the file cannot be read"):
        _load(tmp_path, pipeline=tmp_path / "no.yaml")


def test_values_can_be_set_by_their_path(tmp_path):
    loaded = _load(
        tmp_path,
        set_values={
            "trials": "3",
            "expect.mttr.at-most": "3m",
            "pipeline.parameters.steps": "200",
            "faults.reclaim.with.notice": "0s",
            "faults[0].when.step": "60",
            "expect.lost-steps": "{at-most: 4}",
        },
    )
    scenario = loaded.scenario
    assert (scenario.trials, scenario.faults[0].when.step) == (3, 60)
    assert scenario.expect.mttr is not None
    assert scenario.expect.mttr.at_most == 180.0
    assert scenario.expect.lost_steps is not None
    assert scenario.expect.lost_steps.at_most == 4
    assert scenario.pipeline.parameters == {"steps": "200"}
    assert loaded.options["reclaim"] == _Options(notice="0s")


_PACED = _SCENARIO + 'cluster: {parameters: {steps: "900"}}\n'


def test_where_argo_is_real_parameters_of_the_cluster_take_the_place_of_the_others(tmp_path):
    assert _load(tmp_path, _PACED).scenario.pipeline.parameters == {"steps": "240"}
    real = _load(tmp_path, _PACED, on_cluster=True)
    assert real.scenario.pipeline.parameters == {"steps": "900"}


def test_what_the_user_sets_holds_on_a_cluster_too(tmp_path):
    given = {"pipeline.parameters.steps": "300"}
    real = _load(tmp_path, _PACED, set_values=given, on_cluster=True)
    assert real.scenario.pipeline.parameters == {"steps": "300"}


def test_parameters_of_the_cluster_must_be_the_workflows_too(tmp_path):
    wrong = _PACED.replace('{steps: "900"}', '{§step: "900"}')
    assert 'did you mean "steps"?' in _refuse(tmp_path, wrong)[0]


def test_a_scenario_with_set_values_can_be_loaded_again_from_its_text(tmp_path):
    loaded = _load(tmp_path, set_values={"trials": "3", "pipeline.parameters.steps": "200"})
    assert _load(tmp_path, loaded.text).scenario == loaded.scenario


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("trails", "3", 'unknown key "trails"; did you mean "trials"?'),
        ("expect.mtrr.at-most", "3m", 'expect: unknown key "mtrr"; did you mean "mttr"?'),
        ("faults.reclame.when.step", "3", 'has no entry "reclame"; did you mean "reclaim"?'),
        ("faults[7].when.step", "3", 'has no entry "7"; there are 1, counted from 0'),
        ("faults[0].when.stepp", "3", 'unknown key "stepp"; did you mean "step"?'),
        ("trials.x", "3", "has no 'x'"),
        ("", "3", "the path is empty"),
        ("expect.lost-steps", "{at-most: [", "this is not YAML"),
    ],
)
def test_a_path_that_no_scenario_has_is_refused(tmp_path, path, value, says):
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, set_values={path: value})
    assert not isinstance(caught.value, ScenarioError)
    assert f"--set {path}={value}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_set_value_that_is_wrong_names_the_option(tmp_path):
    with pytest.raises(ScenarioError) as caught:
        _load(tmp_path, set_values={"trials": "0"})
    assert str(caught.value) == (
        "s.yaml:16:9: trials: 0 is too small; the least is 1 (given by --set trials=0)"
    )


def test_the_schema_writes_durations_and_shares_as_text_with_units():
    described = schema()
    assert described["additionalProperties"] is False
    deadline = described["properties"]["deadline"]
    assert deadline["type"] == "string"
    assert re.fullmatch(deadline["pattern"], "1m30s")
    assert not re.fullmatch(deadline["pattern"], "20")
    share = described["$defs"]["ShareLimit"]["properties"]["at-most"]
    assert re.fullmatch(share["pattern"], "30%")
    fault = described["$defs"]["Fault"]
    assert fault["required"] == ["name", "inject", "target", "when"]
    assert set(fault["properties"]) == {
        field.alias or name for name, field in Fault.model_fields.items()
    }
