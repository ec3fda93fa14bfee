"""Failed workflows that are gone before anybody looks."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_DOCS
from chaosml.lint.waits import as_words

__all__ = ["RULE"]

_SHORT_S = 3600


def _check(manifest: Manifest) -> Iterator[Hit]:
    ttl = manifest.spec.at("ttlStrategy")
    for key in ("secondsAfterFailure", "secondsAfterCompletion"):
        seconds = ttl.at(key)
        if seconds.exists:
            if seconds.number is not None and seconds.number < _SHORT_S:
                message = f"{key} deletes a failed workflow after {as_words(seconds.number)}"
                yield Hit(seconds, message)
            return


RULE = Rule(
    name="ttl-destroys-evidence",
    severity=Severity.WARNING,
    summary="ttlStrategy deletes failed workflows within the hour",
    why="""\
With the workflow go its nodes' phases and messages, by which a lost node can be told from a
crash, and `argo retry`, which would go on from the last good step. `secondsAfterCompletion` is
for failed ones, too, unless `secondsAfterFailure` says otherwise.""",
    fix="add secondsAfterFailure: 604800, a week",
    sources=(f"{ARGO_DOCS}/fields/#ttlstrategy",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  ttlStrategy:
    secondsAfterCompletion: 300  # found
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  ttlStrategy:
    secondsAfterSuccess: 300
    secondsAfterFailure: 604800
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
