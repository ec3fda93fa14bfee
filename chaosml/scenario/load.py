"""Loading of a scenario with its workflow, with everything that is wrong at once.

read ─► --set ─► model ────────────────────────────────┐
            └► sound parts ─► workflow, faults, limits ─► problems of both files
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from chaosml.document import Document, attempt, read
from chaosml.errors import Problem, ScenarioError
from chaosml.scenario.artifacts import check_artifacts
from chaosml.scenario.expectations import check_expectations
from chaosml.scenario.faults import check_faults, check_variables
from chaosml.scenario.model import Scenario
from chaosml.scenario.overrides import apply_overrides
from chaosml.scenario.parts import Parts, take_parts
from chaosml.scenario.pipeline import check_environment, check_pipeline
from chaosml.scenario.services import check_services
from chaosml.workflow import load as workflow_load
from chaosml.workflow.load import Examination, LoadedWorkflow

__all__ = ["LoadedScenario", "load"]


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """A scenario that is sound, with its workflow and the options of its faults."""

    scenario: Scenario
    path: pathlib.Path
    text: str
    """The document; with `--set` values put in, it is written anew."""
    set_values: Mapping[str, str]
    workflow: LoadedWorkflow
    options: Mapping[str, BaseModel]
    """Validated `with:` by the name of the fault."""


def load(
    path: pathlib.Path,
    *,
    catalogue: Mapping[str, type[BaseModel]],
    set_values: Mapping[str, str] | None = None,
    pipeline: pathlib.Path | None = None,
    legal: Callable[[str, Any, bool], tuple[str, ...]] | None = None,
    local: bool = True,
    on_cluster: bool = False,
) -> LoadedScenario:
    """Load a scenario.

    Args:
        path: The scenario file.
        catalogue: The model of `with:` for every kind of fault.
        set_values: Values that override the file's, by dotted path.
        pipeline: A workflow to use instead of the scenario's.
        legal: Returns the legal views of a fault, given `inject`, its options and whether the
            target's template has outputs that are read from files.
        local: Whether its programs will run on this machine, which must then have their secrets
            and interpreters.
        on_cluster: Whether Argo is real there, so that `cluster.parameters` hold.

    Raises:
        ScenarioError: every problem of the scenario and its workflow.
        UsageError: an override names nothing.
    """
    values = dict(set_values or {})
    document = apply_overrides(read(path), values)
    scenario, problems = attempt(document, Scenario)
    parts = take_parts(document)
    examined = _examine_workflow(parts, pipeline, problems)
    if examined is not None:
        problems += examined.problems
    problems += check_pipeline(parts, examined)
    problems += check_artifacts(parts, examined)
    options, found = check_faults(parts, examined, catalogue, legal)
    problems += found
    problems += check_services(parts, examined, options)
    problems += check_expectations(parts, _count_cases(parts, examined, options, legal))
    if local:
        problems += check_environment(parts, examined, os.environ)
        problems += check_variables(parts, options, os.environ)
    if scenario is None or examined is None or examined.model is None or problems:
        raise ScenarioError(sorted(set(problems)))
    if on_cluster:
        scenario = scenario.on_cluster(_set_parameters(values))
    return LoadedScenario(
        scenario=scenario,
        path=path,
        text=_text(document),
        set_values=values,
        workflow=workflow_load.settle(examined, _constant(scenario.pipeline.parameters)),
        options={fault.name: options[index] for index, fault in enumerate(scenario.faults)},
    )


def _set_parameters(values: Mapping[str, str]) -> frozenset[str]:
    """Return the workflow parameters that `--set` names: the last word is the user's."""
    prefix = "pipeline.parameters."
    return frozenset(path.removeprefix(prefix) for path in values if path.startswith(prefix))


def _constant(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if "{{" not in value}


def _text(document: Document) -> str:
    if not document.overridden:
        return document.text
    return yaml.safe_dump(document.data, sort_keys=False, allow_unicode=True)


def _examine_workflow(
    parts: Parts, pipeline: pathlib.Path | None, problems: list[Problem]
) -> Examination | None:
    """Look at the workflow; where there is nothing to look at, add the problem and return None."""
    document = parts.document
    named = document.get(("pipeline", "workflow"))
    place = document.problem(("pipeline", "workflow"), "pipeline.workflow")
    if pipeline is None and not isinstance(named, str):
        return None
    file = pipeline if pipeline is not None else document.path.parent / str(named)
    origin = None if pipeline is not None else place
    try:
        return workflow_load.examine(file, parts.given, origin=origin)
    except ScenarioError as error:
        problems += error.problems
        return None


def _count_cases(
    parts: Parts,
    examined: Examination | None,
    options: Mapping[int, BaseModel],
    legal: Callable[[str, Any, bool], tuple[str, ...]] | None,
) -> int | None:
    """Return the number of trials: as given, or one for every case; None where not known."""
    if parts.numbers is None or parts.numbers.trials is not None:
        return None if parts.numbers is None else parts.numbers.trials
    if legal is None or examined is None or len(parts.faults) != parts.fault_count:
        return None
    count = 0
    for index, fault in parts.faults.items():
        if index not in options:
            return None
        has_outputs = examined.outline.has_file_outputs(fault.target.task)
        views = legal(fault.inject, options[index], has_outputs)
        chosen = [view for view in views if fault.views is None or view in fault.views]
        count += max(1, len(chosen))
    return count
