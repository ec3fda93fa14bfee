"""Whatever stands in a scenario or workflow: it loads, or it is refused with places."""

from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from chaosml.errors import ScenarioError
from chaosml.faults.catalogue import CATALOGUE, option_models
from chaosml.scenario.load import load as load_scenario
from chaosml.workflow.load import load as load_workflow

_SCENARIOS = pathlib.Path(__file__).parents[3] / "scenarios"
_SCENARIO = yaml.safe_load((_SCENARIOS / "spot.yaml").read_text())
_WORKFLOW = yaml.safe_load((_SCENARIOS / "pipelines" / "resilient.yaml").read_text())
_JUNK = st.sampled_from(
    [
        *(None, True, 0, -1, 1.5, 10**30, "", "x", "yes", "a.b.c", "5%", "3s", "(", "x" * 200),
        *("{{x}}", "{{=1 +}}", "{{", "{{=x.y}}", [], {}, [[]], [None]),
        *({"a": 1}, [{"name": "x"}], {"name": []}),
    ]
)
_SETTINGS = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [at] if at else []
    if isinstance(value, dict):
        found += [place for key in value for place in _places(value[key], (*at, key))]
    elif isinstance(value, list):
        found += [place for key, item in enumerate(value) for place in _places(item, (*at, key))]
    return found


def _damage(value: Any, damages: list[tuple[tuple[str | int, ...], Any, str]]) -> Any:
    """Return a copy in which places hold junk, are gone, or are called otherwise."""
    value = copy.deepcopy(value)
    for place, junk, how in damages:
        try:
            parent = value
            for item in place[:-1]:
                parent = parent[item]
            if how == "drop":
                del parent[place[-1]]
            elif how == "rename" and isinstance(parent, dict):
                parent[f"{place[-1]}x"] = parent.pop(place[-1])
            else:
                parent[place[-1]] = junk
        except (KeyError, IndexError, TypeError):
            continue
    return value


def _damages(document: Any) -> st.SearchStrategy[Any]:
    how = st.sampled_from(["junk", "drop", "rename"])
    one = st.tuples(st.sampled_from(_places(document)), _JUNK, how)
    return st.lists(one, min_size=1, max_size=3)


def _legal(inject: str, options: BaseModel, has_outputs: bool) -> tuple[str, ...]:
    views = CATALOGUE[inject].views(options, has_outputs=has_outputs)
    return tuple(view for view in views if view is not None)


@_SETTINGS
@given(damages=_damages(_SCENARIO))
def test_a_damaged_scenario_loads_or_is_refused_with_places(tmp_path, damages):
    (tmp_path / "pipelines").mkdir(exist_ok=True)
    (tmp_path / "pipelines" / "resilient.yaml").write_text(json.dumps(_WORKFLOW))
    path = tmp_path / "s.yaml"
    path.write_text(json.dumps(_damage(_SCENARIO, damages), indent=1))
    try:
        load_scenario(path, catalogue=option_models(), legal=_legal)
    except ScenarioError as error:
        _check(error)


@_SETTINGS
@given(damages=_damages(_WORKFLOW))
def test_a_damaged_workflow_loads_or_is_refused_with_places(tmp_path, damages):
    path = tmp_path / "w.yaml"
    path.write_text(json.dumps(_damage(_WORKFLOW, damages), indent=1))
    try:
        load_workflow(path, {"bucket": "b"})
    except ScenarioError as error:
        _check(error)


def _check(error: ScenarioError) -> None:
    if not error.problems:
        pytest.fail("refused without a reason")
    for problem in error.problems:
        if problem.line < 1 or problem.column < 1 or not problem.message:
            pytest.fail(f"a problem without a place or message: {problem!r}")
        if "Input should be" in problem.message:
            pytest.fail(f"not in our words: {problem}")
