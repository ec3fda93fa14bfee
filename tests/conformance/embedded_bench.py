"""A bench for embedded pods: real processes under a controller that only creates them."""

import queue
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field

from chaosml import clock
from chaosml.event import Emission
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate
from chaosml.substrates.protocol import Submission
from chaosml.workflow.protocol import (
    CreatePod,
    EnvironmentVariable,
    Finished,
    PodCompleted,
    PodSpec,
    PodVanished,
)


@dataclass
class Decision:
    state: object = None
    commands: tuple = ()
    changes: tuple = ()


@dataclass
class PodsOnly:
    """Creates the given pods and finishes when each has ended, however."""

    specs: tuple[PodSpec, ...]
    seen: list = field(default_factory=list)

    def start(self, submission):
        return Decision(commands=tuple(CreatePod(spec) for spec in self.specs))

    def reduce(self, state, observation):
        self.seen.append(observation)
        ended = [one for one in self.seen if isinstance(one, PodCompleted | PodVanished)]
        done = len(ended) == len(self.specs) and ended[-1] is observation
        return Decision(commands=(Finished("Succeeded", ""),) if done else ())


class Bench:
    """Runs pods and keeps what the substrate says of them."""

    def __init__(self, folder, *, nodes=2, controller=None):
        self.inbox = queue.SimpleQueue()
        self.workspace = folder / "workspace"
        self.logs = folder / "logs"
        self.workspace.mkdir()
        self.controller = PodsOnly(())
        self.entries = []
        self.substrate = EmbeddedSubstrate(
            self.inbox,
            workspace=self.workspace,
            run=f"bench-{folder.name}",
            nodes=nodes,
            controller=controller or self.controller,
        )
        self.substrate.prepare()

    def submit(self, *specs, **details):
        self.controller.specs = specs
        self.controller.seen = []
        self.entries = []
        details = {"overlay": (), "parameters": {}, **details}
        submission = Submission(
            name="bench", workflow_file=self.workspace / "none.yaml", logs=self.logs, **details
        )
        self.entries += self.substrate.submit(submission)

    def run(self, *specs, **details):
        """Run pods to their ends; return the finished bench."""
        self.submit(*specs, **details)
        return self.finish()

    def finish(self, limit_s=30.0):
        deadline = clock.Deadline("end of every pod", limit_s)
        while self.substrate.finished is None:
            self.pump(deadline)
        self.entries += self.substrate.finish()
        return self

    def pump(self, deadline):
        try:
            owner, message = self.inbox.get(timeout=deadline.left_s)
        except queue.Empty:
            raise AssertionError(f"no {deadline.what} within {deadline.seconds} s") from None
        self.entries += owner.handle(message)

    def wait(self, kind, matches: Callable[[object], bool] = lambda fact: True, limit_s=20.0):
        """Wait for a fact and return its emission."""
        deadline = clock.Deadline(kind.__name__, limit_s)
        while True:
            for emission in self.emissions(kind):
                if matches(emission.data):
                    return emission
            self.pump(deadline)

    def emissions(self, kind):
        return [
            entry
            for entry in self.entries
            if isinstance(entry, Emission) and isinstance(entry.data, kind)
        ]

    def facts(self, kind):
        return [emission.data for emission in self.emissions(kind)]

    def left_folders(self):
        """Return the folders of pods that are still there."""
        return [path for path in self.workspace.glob("k*/*") if path.is_dir()]

    def log(self, uid):
        return (self.logs / f"{uid}.log").read_bytes()

    def close(self):
        self.substrate.close()


def pod(name, *command, **details):
    """Return a pod that runs a command."""
    details = {"grace_s": 10.0, **details}
    return PodSpec(
        pod=name,
        vertex=name,
        template=name,
        task=name,
        attempt=0,
        image="bench",
        command=command,
        **details,
    )


def shell(name, script, **details):
    return pod(name, "sh", "-c", textwrap.dedent(script), **details)


def python(name, script, *, forked=True, **details):
    """Return a pod that runs a Python script, forked from the kubelet or not."""
    environment = details.pop("environment", ())
    if not forked:
        # The default of the interpreter, but not inherited from the kubelet.
        environment = (*environment, EnvironmentVariable("PYTHONHASHSEED", "random"))
    return pod(
        name, "python", script=textwrap.dedent(script), environment=tuple(environment), **details
    )
