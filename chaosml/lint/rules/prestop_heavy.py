"""Work that is done in the time that the program needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.part import Part
from chaosml.lint.pods import DEFAULT_GRACE_S, grace_of
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO, KUBERNETES_PODS

__all__ = ["RULE"]

_SLEEP = re.compile(r"\bsleep\s+(\d{1,18})\b")
_WORK = re.compile(
    r"\b(aws|azcopy|cp|curl|gcloud|gsutil|mc|python\d?|rclone|rsync|s5cmd|scp|sync|tar|wget)\b"
)


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        grace = grace_of(template)
        seconds = DEFAULT_GRACE_S if grace is None else grace.seconds
        for container in template.containers:
            hook = container.at("lifecycle", "preStop")
            found = _judge(hook, seconds)
            if found is not None:
                message, severity = found
                yield Hit(hook, message, template.name, severity=severity, key=True)


def _judge(hook: Part, grace_s: int | None) -> tuple[str, Severity] | None:
    command = " ".join(word.text for word in hook.at("exec", "command").items())
    asleep = sum(int(seconds) for seconds in _SLEEP.findall(command))
    asleep += hook.at("sleep", "seconds").number or 0
    if grace_s is not None and asleep >= grace_s:
        return (
            f"sleeps {asleep} s of {grace_s} s of grace: SIGTERM and SIGKILL come together",
            Severity.ERROR,
        )
    if asleep:
        return f"sleeps {asleep} s before SIGTERM, out of the grace period", Severity.WARNING
    work = _WORK.search(command)
    if work is not None:
        return f"runs {work[1]} before SIGTERM, out of the grace period", Severity.WARNING
    return None


RULE = Rule(
    name="prestop-heavy",
    severity=Severity.WARNING,
    summary="a preStop hook spends the grace period before the program hears of its end",
    why="""\
`preStop` runs *inside* the grace period and *before* SIGTERM: whatever it takes is missing to the
trainer, which does not know yet that it ends. What it starts in the background dies with the
container. And it runs only where Kubernetes ends the pod; when Argo itself does (a deadline,
`maxDuration`, stop), there is no preStop at all. A save in the hook copies whatever file is there
at that moment, half written or not.""",
    fix="save in the program, on SIGTERM, and take the hook out",
    sources=(
        f"{KUBERNETES_PODS}/#pod-termination",
        f"{ARGO}/workflow/controller/pod/queue.go#L54-L131",
        "https://github.com/kubernetes/kubernetes/pull/74160",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      container:
        image: "trainer@sha256:0f1e"
        command: [python, train.py]
        lifecycle:
          preStop:  # found
            exec: {command: [sh, -c, "aws s3 cp /work/model.pt s3://models/ && sleep 5"]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
