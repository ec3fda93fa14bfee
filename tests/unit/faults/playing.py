"""Plays the script of a fault with a list of answers, and returns every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chaosml.errors import FaultRefused
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE
from chaosml.substrates.protocol import PodView

TARGET = PodView("uid-1", "train", "train", 0, "node-1", running=True)
NEIGHBOUR = PodView("uid-2", "other", "other", 0, "node-1", running=True)
REFUSED = FaultRefused("refused-by-pdb", "the budget keep does not allow it")


@dataclass
class Scene:
    target: PodView = TARGET
    there: list[PodView] = field(default_factory=lambda: [TARGET, NEIGHBOUR])

    def known(self) -> dict[str, str]:
        return {"pod": self.target.pod, "node": self.target.node, "namespace": "ml"}

    @property
    def injection(self) -> str:
        return "t1.f"

    def nodes(self) -> list[str]:
        return ["node-1", "node-2", "node-3"]

    def pods_on(self, node: str) -> list[PodView]:
        return [pod for pod in self.there if pod.node == node]


Answers = Callable[[steps.Step], object]


def run(
    kind: str,
    answers: Answers = lambda step: True,
    scene: Scene | None = None,
    view: str | None = None,
    **options: object,
) -> list[steps.Step]:
    """Return every step; an answer that is an error is raised where the step was yielded."""
    fault = CATALOGUE[kind]
    chosen = fault.options.model_validate({k.replace("_", "-"): v for k, v in options.items()})
    told: list[steps.Step] = []
    waiting = [fault.script(chosen, view, scene or Scene())]
    while waiting:
        script, answer = waiting.pop(0), None
        try:
            while True:
                failed = isinstance(answer, Exception)
                step = script.throw(answer) if failed else script.send(answer)  # type: ignore[arg-type]
                if isinstance(step, steps.Also):
                    waiting.append(step.script)
                    answer = True
                else:
                    told.append(step)
                    answer = answers(step)
        except StopIteration:
            continue
    return told


def names(told: list[steps.Step]) -> list[str]:
    return [type(step).__name__ for step in told]
