"""A scheduled training that meets its predecessor."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_DOCS

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    if manifest.kind != "CronWorkflow":
        return
    policy = manifest.whole.at("spec", "concurrencyPolicy")
    if policy.text in ("", "Allow"):
        word = "Allow" if policy.text else "no concurrencyPolicy, which means Allow,"
        place = policy if policy.text else manifest.whole.at("spec")
        yield Hit(place, f"{word} starts the next run beside one that preemptions have delayed")


RULE = Rule(
    name="cron-overlap",
    severity=Severity.WARNING,
    summary="a CronWorkflow runs beside its predecessor unless it is told not to",
    why="""\
`concurrencyPolicy` is `Allow` by default. A training that fits between two schedules while
nothing happens takes longer when it is preempted, and then two of them write the same
checkpoints, `latest` pointers and registry. `Forbid` leaves the next run out, `Replace` ends the
one that runs.""",
    fix="write concurrencyPolicy: Forbid",
    sources=(f"{ARGO_DOCS}/cron-workflows/",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly}
spec:
  schedules: ["0 2 * * *"]  # found
  workflowSpec:
    entrypoint: train
    templates:
      - name: train
        container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly}
spec:
  schedules: ["0 2 * * *"]
  concurrencyPolicy: Forbid
  workflowSpec:
    entrypoint: train
    templates:
      - name: train
        container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
