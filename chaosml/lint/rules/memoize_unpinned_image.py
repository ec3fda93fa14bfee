"""Results of an old program under the key of a new one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_DOCS

__all__ = ["RULE"]

_CODE = re.compile(r"commit|digest|image|revision|sha|version", re.I)


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        key = template.part.at("memoize", "key")
        if not key.exists or _CODE.search(key.text):
            continue
        for container in template.containers:
            image = container.at("image").text
            if image and "@sha256:" not in image:
                message = "the key says nothing of the program, and the image is named by a tag"
                yield Hit(key, message, template.name)


RULE = Rule(
    name="memoize-unpinned-image",
    severity=Severity.WARNING,
    summary="a memoize key without the program serves results of an older image",
    why="""\
When the tag moves to a new image, the key stays: the corrected program is never run, because the
result of the wrong one is there. The rule is silent where the key names a commit, digest, image,
revision or version.""",
    fix="put the image's digest or the git commit into the key",
    sources=(f"{ARGO_DOCS}/memoization/",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: preprocess
  templates:
    - name: preprocess
      inputs: {parameters: [{name: dataset}]}
      memoize:
        key: "features-{{inputs.parameters.dataset}}"  # found
        cache: {configMap: {name: features}}
      container: {image: "registry/trainer:latest", command: [python, preprocess.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: preprocess
  templates:
    - name: preprocess
      inputs: {parameters: [{name: dataset}]}
      memoize:
        key: "features-{{workflow.parameters.image-digest}}-{{inputs.parameters.dataset}}"
        cache: {configMap: {name: features}}
      container: {image: "registry/trainer:latest", command: [python, preprocess.py]}
""",
    argo=_check,
)
