"""The moment of a strike, as scripts of faults ask about it."""

from __future__ import annotations

from dataclasses import dataclass

from chaosml.substrates.protocol import PodView

TARGET = PodView("uid-1", "train-pod", "train", 0, "node-1", running=True)


@dataclass
class Scene:
    injection: str = "t1.late"
    target: PodView = TARGET

    def pods_on(self, node: str) -> list[PodView]:
        return [self.target]
