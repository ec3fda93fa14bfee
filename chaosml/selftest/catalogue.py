"""The catalogue of planted defects; most of them are taken from reports about real pipelines."""

from __future__ import annotations

from chaosml.selftest.edits import argument, defective, grace, retries
from chaosml.selftest.model import Defect, Named, OutOfReach
from chaosml.selftest.scenes import (
    BETWEEN_PARTS,
    DELETED,
    DELETED_ADHOC,
    FORCED,
    PATIENT,
    PREPARING,
    PUBLISHING,
    REFUSED,
    REGISTERING,
    REPLACED_ADHOC,
    SAVED,
    SLOW_STORE,
    THRIFTY,
    UPLOADING,
)

__all__ = ["DEFECTS", "OUT_OF_REACH"]

_STATE = (
    Defect(
        name="no-rng",
        what="checkpoints lack the state of the random generator",
        edits=(argument("--omit=rng"),),
        scene=DELETED,
        view="gone",
        named=Named("resume", "rng-not-restored"),
    ),
    Defect(
        name="no-sampler",
        what="checkpoints lack the position in the data",
        edits=(argument("--omit=sampler"),),
        scene=DELETED,
        view="seen",
        named=Named("resume", "sampler-not-restored"),
    ),
    Defect(
        name="no-optimizer",
        what="checkpoints lack the momentum of the optimizer",
        edits=(argument("--omit=optimizer"),),
        scene=DELETED,
        view="gone",
        named=Named("resume", "optimizer-not-restored"),
    ),
    Defect(
        name="no-scheduler",
        what="checkpoints lack the state of the learning rate's schedule",
        edits=(argument("--omit=scheduler"),),
        scene=DELETED,
        view="seen",
        named=Named("resume", "scheduler-not-restored"),
    ),
    Defect(
        name="batch-applied-twice",
        what="the sampler is saved as it was before the last batch",
        edits=(defective("--defect=takes-twice"),),
        scene=DELETED,
        view="gone",
        named=Named("resume", "batch-applied-twice"),
    ),
    Defect(
        name="batch-left-out",
        what="the position of a loader that prefetches is saved, one batch ahead",
        edits=(defective("--defect=prefetching"),),
        scene=DELETED,
        view="gone",
        named=Named("resume", "batch-left-out"),
    ),
    Defect(
        name="step-off-by-one",
        what="every checkpoint is named by the step that comes next",
        edits=(defective("--defect=off-by-one"),),
        scene=FORCED,
        view="gone",
        named=Named("resume", "mislabelled-checkpoint"),
    ),
    Defect(
        name="step-repeated",
        what="a resume does the step again that it has restored",
        edits=(defective("--defect=repeats-step"),),
        scene=FORCED,
        view="restarted",
        named=Named("resume", "step-applied-twice"),
    ),
    Defect(
        name="save-in-handler",
        what="the signal handler saves between the update and the counting of a step",
        edits=(defective("--defect=saves-in-handler"),),
        scene=DELETED,
        view="seen",
        named=Named("resume", "mislabelled-checkpoint"),
    ),
)

_RESTARTS = (
    Defect(
        name="exit-zero",
        what="the training exits 0 on SIGTERM",
        edits=(argument("--exit-on-signal=0"),),
        scene=DELETED,
        view="seen",
        named=Named("resume", "training-ended-early"),
    ),
    Defect(
        name="premature-publish",
        what="a half-trained model is published on SIGTERM, and the exit code is 0",
        edits=(),
        scene=DELETED_ADHOC,
        view="seen",
        named=Named("corruption", "half-trained-model-registered"),
    ),
    Defect(
        name="restart-from-zero",
        what="nothing is ever restored; the training starts anew and converges",
        edits=(argument("--retry=0"),),
        scene=FORCED,
        view="gone",
        named=Named("resume", "restarted-from-zero"),
    ),
    Defect(
        name="reads-retries",
        what="only a counted retry restores; a recreated pod takes itself for the first",
        edits=(argument("--retry={{retries}}"),),
        scene=FORCED,
        view="restarted",
        named=Named("resume", "restarted-from-zero"),
    ),
    Defect(
        name="stale-latest",
        what="`latest` is written on condition that it is not there, and so never moves",
        edits=(defective("--defect=stale-latest"),),
        scene=FORCED,
        view="gone",
        named=Named("resume", "stale-restore"),
    ),
    Defect(
        name="short-grace",
        what="a save takes longer than the grace period",
        edits=(defective("--defect=slow-to-save"), grace(1)),
        scene=DELETED,
        view="seen",
        named=Named("recovery", "grace-ran-out"),
    ),
    Defect(
        name="wasteful-retry",
        what="a retried attempt warms up for longer than the whole training takes",
        edits=(defective("--defect=warms-up"),),
        scene=THRIFTY,
        view="gone",
        named=Named("waste", "too-much-waste"),
    ),
)

_ARTIFACTS = (
    Defect(
        name="in-place-parts",
        what="a checkpoint in two objects is overwritten in place",
        edits=(),
        scene=BETWEEN_PARTS,
        view="restarted",
        named=Named("corruption", "mixed-checkpoint"),
    ),
    Defect(
        name="marker-first",
        what="the manifest is written before the object that it commits",
        edits=(defective("--defect=marker-first"),),
        scene=FORCED,
        view="gone",
        named=Named("corruption", "marker-before-data"),
    ),
    Defect(
        name="marker-without-data",
        what="the manifest comes first, and whoever finds it takes the checkpoint for saved",
        edits=(defective("--defect=marker-alone"),),
        scene=SAVED,
        view="gone",
        named=Named("corruption", "marker-without-data"),
    ),
    Defect(
        name="swallowed-upload-error",
        what="a failed upload is logged and taken for done",
        edits=(argument("--careless=swallows-errors"),),
        scene=REFUSED,
        named=Named("corruption", "marker-without-data"),
    ),
    Defect(
        name="unflushed-upload",
        what="a file is uploaded whose last bytes are still in a buffer",
        edits=(defective("--defect=unflushed"),),
        scene=FORCED,
        view="gone",
        named=Named("corruption", "torn-artifact"),
    ),
    Defect(
        name="guard-trusts-object",
        what="the guard takes a model object that nothing commits for a finished training",
        edits=(defective("--defect=trusts-object"),),
        scene=PUBLISHING,
        view="gone",
        named=Named("corruption", "false-guard-hit"),
    ),
    Defect(
        name="cache-hit-on-half",
        what="an output of two objects counts as cached once the first is there",
        edits=(defective(task="preprocess"),),
        scene=PREPARING,
        view="gone",
        named=Named("corruption", "torn-artifact", "without splits/test.npz"),
    ),
    Defect(
        name="orphan-upload",
        what="a multipart upload that a death broke off is never aborted",
        edits=(defective("--defect=in-parts"),),
        scene=UPLOADING,
        view="gone",
        named=Named("waste", "orphan-upload"),
    ),
    Defect(
        name="double-registration",
        what="registry entries are numbered by counting",
        edits=(defective("--defect=counted", task="register"),),
        scene=REGISTERING,
        view="gone",
        named=Named("corruption", "duplicate-registration"),
    ),
    Defect(
        name="registration-first",
        what="the registry entry is written before the model",
        edits=(defective("--defect=registers-first"),),
        scene=PUBLISHING,
        view="gone",
        named=Named("corruption", "registered-before-promotion"),
    ),
    Defect(
        name="lost-run-id",
        what="the registry entry does not say which run made the model",
        edits=(defective("--defect=anonymous", task="register"),),
        scene=REGISTERING,
        view="gone",
        named=Named("lineage", "lineage-broken", "run-id in registry: missing"),
    ),
    Defect(
        name="wrong-dataset",
        what="the training takes an older export than the one that was validated",
        edits=(defective("--defect=own-dataset"),),
        scene=FORCED,
        view="gone",
        named=Named("lineage", "lineage-broken", "dataset everywhere: places differ"),
    ),
    Defect(
        name="zombie-writer",
        what="an old attempt overwrites what the new one has left, since nothing fences it",
        edits=(),
        scene=REPLACED_ADHOC,
        view="restarted",
        named=Named("corruption", "zombie-overwrote"),
    ),
)

_ORCHESTRATION = (
    Defect(
        name="retry-on-failure",
        what="retryPolicy OnFailure, which misses the view gone",
        edits=(retries({"limit": "3", "retryPolicy": "OnFailure"}),),
        scene=FORCED,
        view="gone",
        named=Named("outcome", "pod-deleted-not-retried"),
    ),
    Defect(
        name="retry-on-error",
        what="retryPolicy OnError, which misses the view seen",
        edits=(retries({"limit": "3", "retryPolicy": "OnError"}),),
        scene=DELETED,
        view="seen",
        named=Named("outcome", "failed-not-retried"),
    ),
    Defect(
        name="retry-on-transient-error",
        what="retryPolicy OnTransientError, which knows no message of a dead pod",
        edits=(retries({"limit": "3", "retryPolicy": "OnTransientError"}),),
        scene=FORCED,
        view="gone",
        named=Named("outcome", "pod-deleted-not-retried"),
    ),
    Defect(
        name="no-retry",
        what="no retryStrategy at all",
        edits=(retries(None),),
        scene=FORCED,
        view="seen",
        named=Named("outcome", "failed-not-retried"),
    ),
    Defect(
        name="backoff-kills-retry",
        what="maxDuration is shorter than the backoff that a retry would wait",
        edits=(
            retries(
                {
                    "limit": "10",
                    "retryPolicy": "Always",
                    "backoff": {"duration": "5", "maxDuration": "3"},
                }
            ),
        ),
        scene=FORCED,
        view="gone",
        named=Named("outcome", "retries-cut-off"),
    ),
    Defect(
        name="permanent-exit-code",
        what="the training exits on SIGTERM with the code of what no retry can mend",
        edits=(argument("--exit-on-signal=2"),),
        scene=DELETED,
        view="seen",
        named=Named("outcome", "excluded-by-expression"),
    ),
    Defect(
        name="long-backoff",
        what="the first retry waits longer than a recovery may take",
        edits=(retries({"limit": "3", "retryPolicy": "Always", "backoff": {"duration": "14"}}),),
        scene=PATIENT,
        view="gone",
        named=Named("recovery", "recovery-too-slow"),
    ),
    Defect(
        name="retry-storm",
        what="the client gives up early and asks again at once",
        edits=(argument("--hot-retry-ms=300"),),
        scene=SLOW_STORE,
        named=Named("throughput", "retry-storm"),
    ),
    Defect(
        name="sticky-backoff",
        what="a slow save makes all later steps slow, for good",
        edits=(argument("--sticky-backoff-ms=300"),),
        scene=SLOW_STORE,
        named=Named("throughput", "never-recovered"),
    ),
    Defect(
        name="impatient-client",
        what="the training dies of an answer that is late",
        edits=(argument("--client-timeout-ms=300"),),
        scene=SLOW_STORE,
        named=Named("recovery", "too-many-steps-lost"),
    ),
)

DEFECTS = (*_STATE, *_RESTARTS, *_ARTIFACTS, *_ORCHESTRATION)
"""Every defect that a run can bring to light."""

OUT_OF_REACH = (
    OutOfReach(
        "no-fsync",
        "a file is renamed into place without fsync",
        "what a killed process has written survives in the page cache of its kernel; only a loss "
        "of power shows the defect, and an object store takes objects whole",
    ),
    OutOfReach(
        "seed-from-the-clock",
        "every start draws another seed",
        "executions differ without any fault, so that exactness cannot be judged: UNKNOWN, "
        "with the controls that disagree",
    ),
    OutOfReach(
        "hangs-after-restart",
        "a retried attempt never does anything",
        "a hang cannot be told from a slow machine: the deadline ends it, and that is UNKNOWN",
    ),
)
"""Defects that are known and not caught."""
