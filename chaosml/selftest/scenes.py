"""The faults that bring planted defects to light; each has a healthy pipeline that passes it."""

from __future__ import annotations

from chaosml.selftest.model import ADHOC, Scene

__all__ = [
    "BETWEEN_PARTS",
    "DELETED",
    "DELETED_ADHOC",
    "FORCED",
    "PATIENT",
    "PREPARING",
    "PUBLISHING",
    "REFUSED",
    "REGISTERING",
    "REPLACED",
    "REPLACED_ADHOC",
    "SAVED",
    "SCENES",
    "SLOW_STORE",
    "THRIFTY",
    "UPLOADING",
]

_FORCE = {"force": True}
_LATE = {"step": {"between": [32, 38]}}
"""Well behind the checkpoint of step 30, and before the last one of step 40."""

DELETED = Scene(
    name="deleted",
    when={"step": {"between": [22, 28]}},
    expect={"lost-steps": {"at-most": 0}},
)
"""With grace: nothing may be lost."""

FORCED = Scene(name="forced", when=_LATE, options=_FORCE)
"""Without grace: one checkpoint interval may be lost."""

PATIENT = Scene(name="patient", when=_LATE, options=_FORCE, expect={"mttr": {"at-most": "12s"}})
"""The same, with a time by which the progress must be regained."""

THRIFTY = Scene(
    name="thrifty",
    when=_LATE,
    options=_FORCE,
    expect={"mttr": {"at-most": "30s"}, "compute-waste": {"at-most": "150%"}},
)
"""The same, with a limit for the compute that it may cost."""

SAVED = Scene(
    name="saved",
    when={"object": {"after": "PutObject", "key": r"/step-000020/manifest\.json$"}},
    options=_FORCE,
)
"""At the very moment at which a checkpoint is committed."""

UPLOADING = Scene(
    name="uploading",
    when={"object": {"after": "UploadPart", "key": "/step-000020/"}},
    options=_FORCE,
    for_healthy=False,
)
"""In the middle of a multipart upload."""

PUBLISHING = Scene(
    name="publishing",
    when={"object": {"after": "PutObject", "key": "/models/digits/model-"}},
    options=_FORCE,
)
"""When the object of the model is stored and not yet committed."""

REGISTERING = Scene(
    name="registering",
    task="register",
    when={"object": {"after": "PutObject", "key": "^registry/"}},
    options=_FORCE,
)
"""When the entry is written, and before its writer knows."""

PREPARING = Scene(
    name="preparing",
    task="preprocess",
    when={"object": {"after": "PutObject", "key": r"^(splits/train|datasets/.+)\.npz$"}},
    options=_FORCE,
    artifacts=(
        {
            "role": "dataset",
            "key": r"splits/train\.npz",
            "format": "npz",
            "commit": "in-place",
            "parts": ["splits/train.npz", "splits/test.npz"],
        },
    ),
)
"""When the first object of the prepared data is stored."""

SLOW_STORE = Scene(
    name="slow-store",
    inject="storage.latency",
    when={"step": {"between": [18, 19]}},
    options={"latency": "500ms", "for": "2s"},
    parameters={"steps": "120", "checkpoint-every": "20", "pace-ms": "25"},
    expect={
        "mttr": None,
        "throughput-recovery": {"at-most": "3s"},
        "requests-per-upload": {"at-most": 1.5},
        "lost-steps": {"at-most": 0},
    },
)
"""A store that answers late for a while: no reason to die, to ask again, or to stay slow."""

REFUSED = Scene(
    name="refused",
    inject="storage.throttle",
    when={"step": {"between": [12, 18]}},
    options={
        "for": "30s",
        "operations": ["PutObject", "UploadPart"],
        "key": "/step-000020/state-",
        "first": 1,
    },
)
"""A store that refuses the object of one checkpoint, once."""

DELETED_ADHOC = Scene(
    name="deleted-adhoc",
    when={"step": {"between": [22, 28]}},
    pipeline=ADHOC,
    for_healthy=False,
)
"""A deletion with grace, of the pipeline that teams write first."""

BETWEEN_PARTS = Scene(
    name="between-parts",
    when={"object": {"after": "PutObject", "key": r"^checkpoints/weights\.npz$", "nth": 3}},
    options=_FORCE,
    pipeline=ADHOC,
    for_healthy=False,
)
"""Between the two objects of a checkpoint that are only right together."""

REPLACED = Scene(name="replaced", inject="task.zombie", when=_LATE)
"""The old attempt writes on beside its replacement: nothing of it may win."""

REPLACED_ADHOC = Scene(
    name="replaced-adhoc",
    inject="task.zombie",
    when=_LATE,
    options={"wakes-after": "3s"},
    pipeline=ADHOC,
    for_healthy=False,
)
"""The same, when the replacement has done its work, of the pipeline that teams write first."""

SCENES = (
    DELETED,
    FORCED,
    PATIENT,
    THRIFTY,
    SAVED,
    PUBLISHING,
    REGISTERING,
    PREPARING,
    SLOW_STORE,
    REPLACED,
    REFUSED,
)
"""Those that the healthy pipeline passes."""
