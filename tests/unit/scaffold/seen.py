"""What an execution showed, in a line for each write."""

from chaosml.scaffold.subject import Image, Subject, Task
from chaosml.scaffold.watched import Content, Watched, Write

RUN = "train-20261201t000000z-c1"


def write(key, at_s, *, step=None, size=1000, digest=None, fields=None, problem=None, task="train"):
    return Write(
        key=key,
        operation="PutObject",
        at_s=at_s,
        task=task,
        content=Content(
            size=size,
            sha256="ab" * 32,
            step=step,
            digest=digest or "cd" * 32,
            components=(),
            problem=problem,
            fields=fields or {},
        ),
    )


def watched(*writes, steps=None, seconds=10.0, **details):
    return Watched(
        writes=writes,
        ended="completed",
        phase="Succeeded",
        exit_codes={"train": 0},
        seconds={"train": seconds},
        steps={} if steps is None else {"train": steps},
        identity={"bucket": RUN},
        **details,
    )


def numbered(count=4, marker=False):
    """A checkpoint every 2 s under a key of its own, and a model in the end."""
    for number in range(1, count + 1):
        yield write(f"t/ckpt/step-{number * 10:06d}.npz", number * 2.0, step=number * 10)
        if marker:
            yield write(f"t/ckpt/step-{number * 10:06d}.done.json", number * 2.0 + 0.1, size=10)
    yield write("t/model.npz", count * 2.0 + 1, step=count * 10)


def subject(workflow="workflow.yaml", policy="Always"):
    return Subject(
        name="train",
        workflow=workflow,
        source="python train.py",
        tasks=(Task("train", policy, "python train.py"),),
        training="train",
        why_training="the only task",
        parameters={},
        bucket="bucket",
        images=(Image("train:local", None, "."),),
    )
