"""Real kills at recorded points: each must land in a state that was built for its point.

The whole pipeline runs again under the recorded names, and a pod is killed where the
point is: by the gate, before or after a write, or by the probe. What the store held when
its replacement came is read from the versions and their writers. That it equals no built
state is a bug of ours, and so is another judgement of what followed.
"""

from __future__ import annotations

import dataclasses
import pathlib
import random
import re
import sys
from collections.abc import Iterator, Sequence

import msgspec

from chaosml import history
from chaosml.errors import ChaosmlError, Interrupted
from chaosml.faults.catalogue import CATALOGUE
from chaosml.faults.pod_delete import PodDeleteOptions
from chaosml.plan.model import Place, PlannedInjection
from chaosml.runner import fingerprint
from chaosml.runner.execution import Setup
from chaosml.runner.interruption import Interruption
from chaosml.scenario.load import LoadedScenario
from chaosml.services.bucket_state import BucketLoader, BucketState
from chaosml.services.messages import Begin, End
from chaosml.store.directory import RunDirectory
from chaosml.substrates.embedded.controller import ArgoController
from chaosml.substrates.embedded.pods import base_environment
from chaosml.sweep.comparison import Comparison, unknown
from chaosml.sweep.effects import Effect
from chaosml.sweep.ground import Ground, open_ground
from chaosml.sweep.judging import Judge
from chaosml.sweep.points import Point
from chaosml.sweep.recording import Recording
from chaosml.sweep.result import KillResult, StateResult
from chaosml.workflow.views import View

__all__ = ["NOT_EXECUTED", "Kills", "place_of"]

NOT_EXECUTED = "could not be executed"
"""How the message of a kill begins that left no history to compare."""

_FAULT = "crash"
_HOLD_S = 5.0
_CLAIM = re.compile(r"^(?P<task>.+) says (?P<words>.+?)(?: \(time (?P<nth>\d+)\))?$")
_CHECKPOINT = re.compile(r"checkpoint (?P<phase>begin|commit) of step (?P<step>\d+)")


def place_of(point: Point, effects: Sequence[Effect]) -> Place | None:
    """Return where a kill has to be armed for a point; None where nothing can be armed."""
    if point.effect is not None:
        effect = effects[point.effect - 1]
        if effect.operation == "DeleteObjects":
            return None  # The gate holds the request, not one of its deletions.
        return Place(
            kind="object",
            when=point.kind,
            operation=effect.operation,
            key=f"^{re.escape(effect.key)}$",
            nth=effect.nth,
        )
    said = _CLAIM.match(point.name) if point.kind == "probe" else None
    if said is None:
        return None
    nth, words = int(said["nth"] or 1), said["words"]
    if (checkpoint := _CHECKPOINT.fullmatch(words)) is not None:
        phase, step = checkpoint["phase"], int(checkpoint["step"])
        return Place(kind="event", event="checkpoint", phase=phase, step=step, nth=nth)
    event, _, rest = words.partition(" ")
    if event == "point":
        return Place(kind="event", event="point", name=rest, nth=nth)
    return Place(kind="event", event=event, nth=nth) if event == "done" else None


class Kills:
    """Runs the recorded pipeline again and kills it at points."""

    def __init__(
        self,
        recording: Recording,
        loaded: LoadedScenario,
        directory: RunDirectory,
        *,
        workspace: pathlib.Path,
        mark: str,
        results: Sequence[StateResult],
        judge: Judge,
    ) -> None:
        """Prepare.

        Args:
            recording: The recorded control.
            loaded: The scenario.
            directory: The sweep's.
            workspace: A folder of their own.
            mark: Of the run's processes.
            results: Of the states: what followed a kill must be judged alike.
            judge: Who judges both.
        """
        self._recording = recording
        self._loaded = loaded
        self._directory = directory
        self._workspace = workspace
        self._mark = mark
        self._comparison = Comparison(recording, judge, results)

    def choose(self, chosen: frozenset[int], count: int, seed: int) -> list[Point]:
        """Return a seeded sample of the points at which something can be armed."""
        possible = [
            point
            for point in self._recording.crashes.points
            if point.number in chosen and place_of(point, self._recording.effects) is not None
        ]
        picked = random.Random(f"{seed}/kills").sample(possible, min(count, len(possible)))
        return sorted(picked, key=lambda point: point.number)

    def run(self, points: Sequence[Point]) -> Iterator[KillResult]:
        """Yield a result for every point.

        Raises:
            Interrupted: the user wants no more.
            HarnessError: services or substrate cannot be started.
        """
        if not points:
            return
        environment = base_environment(pathlib.Path(sys.executable))
        with (
            open_ground(
                self._loaded,
                self._directory,
                workspace=self._workspace,
                mark=self._mark,
                logs=self._directory.path,
                controller=ArgoController(),
                fingerprint=fingerprint.take(environment),
                short_lived=False,
            ) as ground,
            Interruption(ground.inbox) as interruption,
        ):
            loader = BucketLoader(ground.services.endpoints.store_url, self._recording.body)
            for point in points:
                yield self._one(point, ground, loader, interruption)

    def _one(
        self, point: Point, ground: Ground, loader: BucketLoader, interruption: Interruption
    ) -> KillResult:
        try:
            self._empty(ground, loader)
            setup = self._setup(point, ground)
            ground.execute(setup, interruption)
        except Interrupted:
            raise
        except ChaosmlError as error:
            return unknown(point, f"{NOT_EXECUTED}: {error}")
        return self._comparison.compare(point, list(history.read(setup.history)))

    def _empty(self, ground: Ground, loader: BucketLoader) -> None:
        """Empty the bucket: every kill has the recorded one, whose name objects may hold."""
        bucket = self._recording.bucket
        ground.services.call(Begin(execution="empty", bucket=bucket))
        ground.services.call(End())
        loader.load(BucketState(bucket=bucket))

    def _setup(self, point: Point, ground: Ground) -> Setup:
        header = self._recording.header
        folder = self._directory.renew_execution("kill", str(point.number))
        composed = ground.composer.control(1, folder)
        place = place_of(point, self._recording.effects)
        assert place is not None
        options = PodDeleteOptions(force=True)
        planned = PlannedInjection(
            injection=_FAULT,
            fault=_FAULT,
            inject="pod.delete",
            task=point.task,
            attempt=0,
            place=place,
            view=View.RESTARTED.value,
            options=options.model_dump(mode="json", by_alias=True),
            hold_s=_HOLD_S,
        )
        return dataclasses.replace(
            composed,
            header=msgspec.structs.replace(
                header, execution=f"kill/{point.number}", view=View.RESTARTED.value
            ),
            submission=dataclasses.replace(
                composed.submission,
                name=header.workflow,
                parameters={**header.parameters, **ground.ways.parameters},
            ),
            injections=((planned, CATALOGUE["pod.delete"], options),),
        )
