"""Histories of a trial whose store was slow for a while; each keyword is one thing gone wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaosml import event as facts
from chaosml.plan.model import Case, Place, Plan, PlannedInjection, PlannedTrial
from tests.quality import histories
from tests.quality.recording import MS

STEPS = 96
STEP = 24
INJECTION = "t1.late"
PROXY = "store.train"


def scenario(**expect):
    """Return the scenario; keywords replace its expectations."""
    return histories.scenario(
        **{
            "throughput-recovery": {"at-most": "100ms"},
            "requests-per-upload": {"at-most": 1.5},
            "compute-waste": None,
            "mttr": {"at-most": "5s"},
            **expect,
        }
    )


def plan():
    """Return a plan with one degradation of the training's way to the store."""
    case = Case(fault="late", view=None)
    injection = PlannedInjection(
        injection=INJECTION,
        fault="late",
        inject="storage.latency",
        task="train",
        attempt=0,
        place=Place(kind="step", step=STEP),
        view=None,
    )
    trial = PlannedTrial(trial=1, case=case, injections=(injection,))
    return Plan(seed=7, controls=2, controls_max=3, trials=(trial,), cases=(case,), undealt=())


def control(number=1, **options):
    """Return an undisturbed execution with as many steps."""
    return histories.control(number, **{"steps": STEPS, **options})


@dataclass
class Degraded:
    """A trial, played part by part."""

    service: str = "store"
    toxics: dict = field(default_factory=lambda: {"downstream": {"latency": 300, "jitter": 50}})
    type: str = "latency"

    def __post_init__(self):
        self.training = histories.Training("trial/1", steps=STEPS)
        self.say = self.training.say
        self.pass_ms = self.training.recording.pass_ms

    def reach(self):
        """Arm, start, and train until the place; return the uid."""
        self.say(
            f"injection/{INJECTION}",
            facts.InjectionArmed(
                injection=INJECTION,
                fault="late",
                inject="storage.latency",
                task="train",
                trigger=f"step {STEP}",
                exact=True,
                view=None,
                lethal=False,
                step=STEP,
                service=self.service,
            ),
        )
        training = self.training
        uid = training.start()
        training.restore(uid, 0)
        training.run(uid, 1, STEP)
        self.say(
            f"pod/{uid}",
            facts.HoldStarted(hold="h1", rule=INJECTION, uid=uid, place=f"step {STEP}", step=STEP),
            "control",
        )
        return uid

    def canary(self, when, *times_s, problem=None, failure=None, size=(0, 1)):
        start = self.training.recording.now + 1000
        self.pass_ms(sum(times_s) * 1000)
        self.say(
            f"proxy/{PROXY}",
            facts.CanaryMeasured(
                injection=INJECTION,
                proxy=PROXY,
                when=when,
                upload_bytes=size[0],
                download_bytes=size[1],
                connect_s=tuple(0.001 for _ in times_s),
                first_byte_s=times_s,
                total_s=times_s,
                problem=problem,
                failure=failure,
            ),
            "gate",
            since=start,
        )

    def add(self):
        for stream, attributes in self.toxics.items():
            asked_ns = self.training.recording.now
            self.pass_ms(1)
            self.say(
                f"proxy/{PROXY}",
                facts.ToxicAdded(
                    injection=INJECTION,
                    proxy=PROXY,
                    toxic=f"{self.type}-{stream}",
                    type=self.type,
                    stream=stream,
                    attributes=attributes,
                    asked_ns=asked_ns,
                ),
            )
        self.say("pod/x", facts.HoldEnded(hold="h1", why="receipt"), "control")

    def remove(self):
        for stream in self.toxics:
            asked_ns = self.training.recording.now
            self.pass_ms(1)
            self.say(
                f"proxy/{PROXY}",
                facts.ToxicRemoved(
                    injection=INJECTION,
                    proxy=PROXY,
                    toxic=f"{self.type}-{stream}",
                    asked_ns=asked_ns,
                ),
            )

    def run(self, uid, first, last, extra_ms=0.0):
        """Do steps, each later than usual by `extra_ms`."""
        for step in range(first, last + 1):
            self.pass_ms(extra_ms)
            self.training.run(uid, step, step)


def degraded(
    *,
    before=(0.002, 0.003, 0.002),
    during=(0.31, 0.28, 0.33),
    after=(0.002, 0.002, 0.003),
    slow_ms=40.0,
    later_ms=0.0,
    talks=True,
    **options,
):
    """Return a trial that outlives a slow store.

    Args:
        before, during, after: Seconds of the canaries' answers; None: none was measured.
        slow_ms: What each step takes longer while the store is slow.
        later_ms: What each step takes longer after that.
        talks: Whether the training writes a checkpoint meanwhile.
        options: Of `Degraded`.
    """
    trial = Degraded(**options)
    uid = trial.reach()
    if before is not None:
        trial.canary("before", *before)
    trial.add()
    if during is not None:
        trial.canary("during", *during)
    last = STEP + (12 if talks else 5)
    trial.run(uid, STEP + 1, last, slow_ms)
    trial.remove()
    if after is not None:
        trial.canary("after", *after)
    trial.run(uid, last + 1, STEPS, later_ms)
    histories.finish(trial.training, uid)
    return trial.training.close()


def died(*, resumes=True):
    """Return a trial whose training gives up on the slow store, and resumes or not."""
    trial = Degraded()
    training = trial.training
    uid = trial.reach()
    trial.canary("before", 0.002)
    trial.add()
    trial.canary("during", 0.31)
    trial.run(uid, STEP + 1, STEP + 10)
    training.end(uid, 1, "Failed", "main: Error (exit code 1)")
    trial.pass_ms(50)
    trial.remove()
    trial.canary("after", 0.002)
    if not resumes:
        return training.close("Failed", "No more retries left")
    second = training.start(attempt=1)
    training.restore(second, STEP + 6, training.checkpoint_key(STEP + 6))
    trial.run(second, STEP + 7, STEPS)
    histories.finish(training, second)
    return training.close()


def stormy(times=4):
    """Return a trial whose training sends every upload several times while the store is slow."""
    trial = Degraded()
    training = trial.training
    uid = trial.reach()
    trial.canary("before", 0.002)
    trial.add()
    trial.canary("during", 0.31)
    for _ in range(times):
        start = training.recording.now + MS
        trial.pass_ms(5)
        training.say(
            "object/x",
            facts.Request(
                operation="PutObject",
                bucket=training.run_id,
                key="checkpoints/step-30/manifest.json",
                uid=uid,
                status=None,
                outcome="client-gone",
                stored=False,
            ),
            "gate",
            since=start,
        )
    trial.run(uid, STEP + 1, STEP + 6, 10)
    trial.remove()
    trial.canary("after", 0.002)
    trial.run(uid, STEP + 7, STEPS)
    histories.finish(training, uid)
    return training.close()
