"""From a plan to the setups of its executions: identities, parameters, isolation."""

from __future__ import annotations

import hashlib
import pathlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from chaosml.artifacts.contract import Contract
from chaosml.event import ExecutionStarted
from chaosml.faults.catalogue import CATALOGUE
from chaosml.plan.model import PlannedTrial
from chaosml.runner import overlay
from chaosml.runner.execution import Setup
from chaosml.runner.ways import Ways
from chaosml.scenario.load import LoadedScenario
from chaosml.services.client import Endpoints
from chaosml.shadow.recording import RECORDING
from chaosml.substrates.protocol import Submission

__all__ = ["Composer"]

_GIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Makes the setups of one run."""

    loaded: LoadedScenario
    run: str
    endpoints: Endpoints
    fingerprint: Mapping[str, str]
    substrate: str
    deadline_s: float
    secrets: Mapping[str, Mapping[str, str]]
    ways: Ways = field(default_factory=Ways)

    def control(self, number: int, folder: pathlib.Path) -> Setup:
        """Return the setup of an undisturbed execution."""
        return self._compose(f"control/{number}", f"c{number}", None, folder)

    def trial(self, trial: PlannedTrial, folder: pathlib.Path) -> Setup:
        """Return the setup of a disturbed execution."""
        return self._compose(f"trial/{trial.trial}", f"t{trial.trial}", trial, folder)

    def _compose(
        self, execution: str, tag: str, trial: PlannedTrial | None, folder: pathlib.Path
    ) -> Setup:
        scenario = self.loaded.scenario
        name = scenario.metadata.name
        identity = f"{name}-{self.run}-{tag}".lower()
        isolation = self._isolate(identity)
        parameters = {**self._parameters(), **self._identity_parameters(isolation)}
        return Setup(
            header=ExecutionStarted(
                execution=execution,
                run=self.run,
                scenario=name,
                seed=scenario.seed,
                workflow=f"{name}-{tag}",
                workflow_file=self.loaded.workflow.path.name,
                workflow_sha256=hashlib.sha256(self.loaded.workflow.path.read_bytes()).hexdigest(),
                isolation=isolation,
                parameters=parameters,
                case=None if trial is None else trial.case.fault,
                view=None if trial is None else trial.case.view,
                deadline_s=self.deadline_s,
                substrate=self.substrate,
                fingerprint=dict(self.fingerprint),
            ),
            submission=Submission(
                name=f"{name}-{tag}",
                workflow_file=self.loaded.workflow.path,
                parameters=parameters,
                overlay=overlay.build(self.endpoints, google=self._is_on_google()),
                overlays=self.ways.overlays,
                secrets=self.secrets,
                images=self._images("python"),
                folders=self._images("folder"),
                lineage_variables=self._lineage_variables(),
                logs=folder / "pods",
                recording=folder / RECORDING,
            ),
            injections=self._injections(trial),
            history=folder / "history.jsonl",
            contract=Contract.compile(scenario, parameters),
        )

    def _is_on_google(self) -> bool:
        """Whether any fault of the scenario gives notice as Google does."""
        options = self.loaded.options.values()
        return any(getattr(one, "provider", None) == "gcp" for one in options)

    def _isolate(self, identity: str) -> dict[str, str]:
        isolate = self.loaded.scenario.pipeline.isolate
        values = {"bucket": identity[-63:].lstrip("-")}
        if isolate.run_id is not None:
            values["run-id"] = identity
        if isolate.registry is not None:
            values["registry"] = identity
        return values

    def _identity_parameters(self, isolation: Mapping[str, str]) -> dict[str, str]:
        isolate = self.loaded.scenario.pipeline.isolate
        names = {
            "bucket": isolate.bucket,
            "run-id": isolate.run_id,
            "registry": isolate.registry,
        }
        return {
            parameter: isolation[identity]
            for identity, parameter in names.items()
            if parameter is not None
        }

    def _parameters(self) -> dict[str, str]:
        """Return every parameter of the workflow, as the scenario or the document gives it."""
        declared = self.loaded.workflow.model.spec.arguments.parameters
        defaults = {one.name: one.value for one in declared if one.value is not None}
        given = self.loaded.scenario.pipeline.parameters
        commit = _git_commit(self.loaded.path.parent)
        chosen = {name: value.replace("{{git.commit}}", commit) for name, value in given.items()}
        return {**defaults, **chosen, **self.ways.parameters}

    def _images(self, key: Literal["python", "folder"]) -> dict[str, pathlib.Path]:
        images = self.loaded.scenario.embedded.images
        return {
            pattern: (self.loaded.path.parent / mapping[key]).absolute()
            for pattern, mapping in images.items()
            if key in mapping
        }

    def _lineage_variables(self) -> tuple[str, ...]:
        keys = self.loaded.scenario.pipeline.lineage.keys.values()
        return tuple(sorted({key.env for key in keys if key.env is not None}))

    def _injections(self, trial: PlannedTrial | None) -> tuple[tuple, ...]:  # type: ignore[type-arg]
        if trial is None:
            return ()
        return tuple(
            (planned, CATALOGUE[planned.inject], self.loaded.options[planned.fault])
            for planned in trial.injections
        )


def _git_commit(folder: pathlib.Path) -> str:
    """Return the commit of the checkout that holds the scenario, or `unversioned`."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=_GIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unversioned"
    return found.stdout.strip()
