"""An execution recorded in memory: its sources, its clock, and a pipeline that plays on it.

`Recording` numbers what sources say; `Training` is a pipeline with one training task: its
pods, what they claim, what the gate sees of them, and the audit at the end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from chaosml import event as facts
from chaosml.event import Basis, Event

STEPS = 24
EVERY = 6
MS = 1_000_000
COMPONENTS = ("model", "optimizer", "scheduler", "rng", "sampler")


def digest_of(*words):
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()


class Recording:
    """The events of one execution: sources with numbers, and a clock that only runs on."""

    def __init__(self, execution, events=None):
        """Record into `events`: a list, or whatever else has its `append` and length."""
        self.execution = execution
        self.events = [] if events is None else events
        self.now = 1_000_000_000_000
        self.numbers = {}
        self.say("source/harness", facts.SourceOpened(source="harness", clock="boot"))
        for source in ("argo", "kubelet", "gate", "control", "metadata"):
            self.open(source)

    def pass_ms(self, milliseconds):
        self.now += int(milliseconds * MS)

    def say(self, subject, fact, source="harness", basis=Basis.OBSERVED, since=None):
        """Write a fact that happened now; with `since`, from then to now."""
        self.now += 1000
        self.numbers[source] = self.numbers.get(source, 0) + 1
        self.events.append(
            Event(
                seq=len(self.events) + 1,
                source=source,
                source_seq=self.numbers[source],
                earliest_ns=self.now if since is None else since,
                latest_ns=self.now,
                basis=basis,
                subject=subject,
                data=fact,
            )
        )

    def open(self, source):
        self.numbers[source] = 0
        self.say(f"source/{source}", facts.SourceOpened(source=source, clock="boot"))

    def close(self, source):
        last = self.numbers[source]
        self.say(f"source/{source}", facts.SourceClosed(source=source, last=last))

    def lose(self, source):
        last = self.numbers.pop(source)
        self.say(
            f"source/{source}",
            facts.SourceLost(source=source, last_seen=last, why="the node is gone"),
        )

    def finish(self):
        """Close every source that is open, the harness last."""
        for source in [name for name in self.numbers if name != "harness"]:
            self.close(source)
        last = self.numbers["harness"] + 1
        self.say("source/harness", facts.SourceClosed(source="harness", last=last))
        return self.events


@dataclass
class Object:
    """A version in the store."""

    key: str
    version: str
    fact: facts.ArtifactObserved


@dataclass
class Training:
    """A pipeline with one training task, played on a recording."""

    execution: str = "control/1"
    omit: tuple = ()
    """Components that checkpoints lack."""
    named_ahead: int = 0
    """How many steps ahead the names of its checkpoints are."""
    grain: str = ""
    """What makes this execution's arithmetic differ, such as another thread count."""
    fingerprint: dict = field(default_factory=lambda: {"cpu": "x"})
    versioned: bool = True
    steps: int = STEPS
    every: int = EVERY
    events: object = None
    """Where to record, if not into a list."""

    def __post_init__(self):
        self.recording = Recording(self.execution, self.events)
        self.say = self.recording.say
        self.run_id = self.execution.replace("/", "-")
        self.store = {}
        self.latest = {}
        self.entries = []
        self.pending = []
        self.pods = {}
        self.lines = {}
        self.chain = {}
        self.trajectory = self.grain
        self.say(
            f"execution/{self.execution}",
            facts.ExecutionStarted(
                execution=self.execution,
                run="20260101T000000Z",
                scenario="synthetic",
                seed=7,
                workflow=self.run_id,
                workflow_file="pipeline.yaml",
                workflow_sha256="0" * 64,
                isolation={"run-id": self.run_id, "bucket": self.run_id},
                parameters={"steps": str(self.steps)},
                case=None if self.is_control else "kill/gone",
                deadline_s=60.0,
                substrate="embedded",
                fingerprint=self.fingerprint,
            ),
        )
        self.say(f"bucket/{self.run_id}", facts.IsolationChecked(bucket=self.run_id, objects=0))

    @property
    def is_control(self):
        return self.execution.startswith("control/")

    # What the substrate shows.

    def start(self, task="train", attempt=0, again=0, node="node-1"):
        """Create and start a pod; return its uid."""
        uid = f"{self.run_id}-{task}-{attempt}-{again + 1}"
        self.phase(task, attempt, "Pending")
        self.say(
            f"pod/{uid}",
            facts.PodCreated(
                uid=uid,
                pod=f"{self.run_id}-{task}-{attempt}",
                task=task,
                attempt=attempt,
                node=node,
                image="trainer",
                image_id="interpreter:abc",
                grace_s=30,
                environment={"RUN_ID": self.run_id, "GIT_COMMIT": "c0ffee"},
            ),
            "kubelet",
        )
        self.recording.pass_ms(5)
        self.say(f"pod/{uid}", facts.PodStarted(uid=uid, pid=7), "kubelet")
        self.recording.open(f"log/{uid}")
        self.phase(task, attempt, "Running")
        self.recording.pass_ms(20)
        self.pods[uid] = (task, attempt)
        self.lines[uid] = 0
        return uid

    def phase(self, task, attempt, phase, message=""):
        self.say(
            f"task/{task}",
            facts.TaskPhase(
                vertex=f"{self.run_id}.{task}({attempt})",
                display_name=f"{task}({attempt})",
                template=task,
                type="Pod",
                phase=phase,
                message=message,
                task=task,
                attempt=attempt,
            ),
            "argo",
        )

    def end(self, uid, code=0, phase=None, message="", view="seen", since=None):
        """Let a pod exit, after `since` where that is all that is known, and Argo see it."""
        task, attempt = self.pods[uid]
        self.recording.pass_ms(2)
        exited = facts.PodExited(uid=uid, exit_code=code)
        self.say(f"pod/{uid}", exited, "kubelet", since=since)
        if f"log/{uid}" in self.recording.numbers:
            self.recording.close(f"log/{uid}")
            del self.recording.numbers[f"log/{uid}"]
        self.recording.pass_ms(10)
        self.phase(task, attempt, phase or ("Succeeded" if code == 0 else "Failed"), message)
        self.say(f"pod/{uid}", facts.PodGone(uid=uid, view=view), "kubelet")

    # What the program says and does.

    def claim(self, uid, kind, **fields):
        self.lines[uid] += 1
        fact = kind(n=self.lines[uid], pid=7, **fields)
        self.say(f"pod/{uid}", fact, f"log/{uid}", Basis.CLAIMED)

    def restore(self, uid, step, key=None):
        self.claim(uid, facts.ClaimReady)
        if key is not None:
            self.get(uid, key)
        self.chain[uid] = ("", step, 0)
        digest = self.digest(step) if step else None
        self.claim(uid, facts.ClaimRestore, step=step, key=key, digest=digest)

    def step(self, uid, step, batch=None):
        self.recording.pass_ms(4)
        ids = batch or digest_of("batch", step)[:16]
        chain, since, length = self.chain[uid]
        self.chain[uid] = (
            hashlib.sha256(f"{chain}{step}:{ids};".encode()).hexdigest(),
            since,
            length + 1,
        )
        loss = (1.0 / step + len(self.trajectory) * 1e-6).hex()
        self.claim(uid, facts.ClaimStep, step=step, batch=ids, loss=loss, state=self.digest(step))

    def run(self, uid, first, last):
        """Do the steps from `first` to `last`, saving as often as usual."""
        for step in range(first, last + 1):
            self.step(uid, step)
            if step % self.every == 0:
                ahead = {"holds": step} if self.named_ahead else {}
                self.save(uid, step + self.named_ahead, **ahead)

    def digests(self, step):
        """Return the digest of each saved component after a step."""
        return {
            name: digest_of(name, step, self.trajectory)
            for name in COMPONENTS
            if name not in self.omit
        }

    def digest(self, step):
        return digest_of("state", step, self.trajectory)

    def checkpoint_key(self, step):
        return f"checkpoints/step-{step}/state-{self.digest(step)[:12]}.npz"

    def save(self, uid, step, holds=None, marker_first=False, problem=None, claim=True):
        """Save the state of step `holds` (default: the named one) and commit it."""
        held = step if holds is None else holds
        key = f"checkpoints/step-{step}/state-{self.digest(held)[:12]}.npz"
        self.claim(uid, facts.ClaimCheckpoint, phase="begin", step=step, key=key)
        sha256 = digest_of("bytes", key)
        data = {
            "role": "checkpoint",
            "sha256": sha256,
            "step": step,
            "digest": self.digest(held),
            "digests": self.digests(held),
            "problem": problem,
        }
        marker = {
            "role": "marker",
            "step": step,
            "sha256": digest_of("manifest", key),
            "fields": {"step": step, "key": key, "sha256": sha256, **self.identity()},
        }
        writes = [(key, data), (f"checkpoints/step-{step}/manifest.json", marker)]
        for name, fields in reversed(writes) if marker_first else writes:
            self.put(uid, name, **fields)
        if claim:
            chain, since, length = self.chain[uid]
            self.claim(
                uid,
                facts.ClaimCheckpoint,
                phase="commit",
                step=step,
                key=key,
                digest=self.digest(held),
                chain=chain,
                chain_from=since,
                chain_length=length,
            )

    def identity(self):
        return {
            "run_id": self.run_id,
            "dataset_sha256": "d" * 64,
            "image": "interpreter:abc",
            "git_commit": "c0ffee",
        }

    def publish(self, uid, step, commits=True):
        """Publish the model of a step, or store it only; return its key."""
        digest = digest_of("model", step, self.trajectory)
        key = f"models/model-{digest[:12]}.npz"
        self.put(
            uid, key, role="model", digest=digest, digests={"model": digest}, sha256=digest_of(key)
        )
        if not commits:
            return key
        self.put(
            uid,
            "models/manifest.json",
            role="marker",
            step=step,
            sha256=digest_of("manifest", key),
            fields={"step": step, "key": key, "digest": digest, **self.identity()},
        )
        self.claim(uid, facts.ClaimPublish, key=key, digest=digest, step=step)
        return key

    def register(self, name=None, key=None, digest=None):
        """Run the registering task."""
        uid = self.start("register")
        self.enter(uid, name, key, digest)
        self.end(uid)

    def enter(self, uid, name=None, key=None, digest=None):
        """Write a registry entry."""
        key = key or next((one.key for one in self.store.values() if "model-" in one.key), None)
        model = next((one for one in self.store.values() if one.key == key), None)
        digest = digest or (None if model is None else model.fact.digest)
        entry = name or f"registry/{self.run_id}.json"
        self.put(uid, entry, role="registry", sha256=digest_of(entry))
        self.entries.append(
            facts.RegistryObserved(
                entry=entry,
                name="digits",
                version="1",
                source=key,
                digest=digest,
                fields={**self.identity()},
            )
        )

    def evaluate(self):
        uid = self.start("evaluate")
        self.put(
            uid,
            "metrics.json",
            role="metrics",
            sha256=digest_of("metrics"),
            fields={"labels.run_id": self.run_id, "accuracy": 0.97},
        )
        self.end(uid)

    # What the gate sees.

    def put(self, uid, key, **fact):
        version = f"v{len(self.store) + 1}"
        self.recording.pass_ms(1)
        start = self.recording.now
        self.recording.pass_ms(1)
        self.say(
            f"object/{key}",
            facts.Request(
                operation="PutObject",
                bucket=self.run_id,
                key=key,
                uid=uid,
                status=200,
                stored=True,
                version=version,
                sha256=fact.get("sha256"),
            ),
            "gate",
            since=start,
        )
        observed = facts.ArtifactObserved(key=key, version=version, current=True, size=100, **fact)
        self.store[version] = self.latest[key] = Object(key, version, observed)
        return version

    def refuse(self, uid, key):
        """Let the store refuse to write over what is there."""
        self.recording.pass_ms(1)
        start = self.recording.now
        self.recording.pass_ms(1)
        self.say(
            f"object/{key}",
            facts.Request(
                operation="PutObject",
                bucket=self.run_id,
                key=key,
                uid=uid,
                status=412,
                stored=False,
                condition="if-none-match:*",
            ),
            "gate",
            since=start,
        )

    def get(self, uid, key):
        self.recording.pass_ms(1)
        start = self.recording.now
        self.recording.pass_ms(1)
        self.say(
            f"object/{key}",
            facts.Request(
                operation="GetObject",
                bucket=self.run_id,
                key=key,
                uid=uid,
                status=200,
                version=self.latest[key].version,
            ),
            "gate",
            since=start,
        )

    # The fault.

    @property
    def injection(self):
        return f"t{self.execution.rpartition('/')[2]}.kill"

    def arm(self, step=15, view="gone"):
        self.say(
            f"injection/{self.injection}",
            facts.InjectionArmed(
                injection=self.injection,
                fault="kill",
                inject="pod.delete",
                task="train",
                trigger=f"step {step}",
                exact=True,
                view=view,
                lethal=True,
                step=step,
            ),
        )

    def hold(self, uid, step=15, why="terminating"):
        """Hold the pod at a step, delete it there and let the hold end."""
        self.say(
            f"hold/{uid}",
            facts.HoldStarted(
                hold="h1", rule=self.injection, uid=uid, place=f"step {step}", step=step
            ),
            "control",
        )
        self.recording.pass_ms(1)
        if why == "expired":
            self.say("hold/h1", facts.HoldEnded(hold="h1", why=why), "control")
            return
        self.delete(uid)
        self.say("hold/h1", facts.HoldEnded(hold="h1", why=why), "control")

    def delete(self, uid, by=None):
        self.say(
            f"pod/{uid}",
            facts.PodDeletion(uid=uid, how="delete", grace_s=30, by=by or self.injection),
            "kubelet",
        )
        self.say(
            f"pod/{uid}",
            facts.PodSignalled(uid=uid, signal="SIGTERM", by=by or self.injection),
            "kubelet",
        )

    # The end.

    def close(self, phase="Succeeded", message="", reason="completed"):
        """End the workflow, audit the store, and return the events."""
        if phase is not None:
            self.say(
                f"workflow/{self.run_id}",
                facts.WorkflowPhase(phase=phase, message=message),
                "argo",
            )
        self.say(f"execution/{self.execution}", facts.ExecutionEnded(reason=reason))
        self.recording.open("audit")
        for one in self.store.values():
            if one.fact.role == "registry":
                continue
            fact = msgspec.structs.replace(
                one.fact, current=self.latest[one.key].version == one.version
            )
            self.say(f"object/{one.key}", fact, "audit")
        for entry in self.entries:
            self.say(f"registry/{entry.entry}", entry, "audit")
        for upload in self.pending:
            self.say(f"object/{upload.key}", upload, "audit")
        self.say(
            "audit",
            facts.AuditFinished(
                objects=len(self.store), versions=len(self.store), versioned=self.versioned
            ),
            "audit",
        )
        return self.recording.finish()


class InPlace(Training):
    """A pipeline that overwrites its checkpoint in two parts."""

    def save(self, uid, step, parts=2):
        self.put(
            uid,
            "checkpoints/weights.npz",
            role="checkpoint",
            sha256=digest_of("weights", step, self.trajectory),
            digest=digest_of("weights", step, self.trajectory),
            digests={"model": digest_of("model", step, self.trajectory)},
        )
        if parts == 2:
            self.put(
                uid,
                "checkpoints/meta.json",
                role="checkpoint",
                step=step,
                sha256=digest_of("meta", step),
                fields={"step": step},
            )

    def publish(self, uid, step):
        digest = digest_of("model", step, self.trajectory)
        self.put(
            uid,
            "models/model.npz",
            role="model",
            step=step,
            digest=digest,
            digests={"model": digest},
            sha256=digest_of("m", digest),
        )
        return "models/model.npz"

    def load(self, uid, step):
        self.get(uid, "checkpoints/meta.json")
        self.restore(uid, step, "checkpoints/weights.npz")
