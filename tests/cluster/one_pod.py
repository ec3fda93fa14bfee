"""A pipeline of one pod, and the beginning of a scenario with it: an execution takes half a minute.

For tests of what is done to one task; what comes of a whole pipeline is tested elsewhere.
"""

from __future__ import annotations

__all__ = ["PIPELINE", "WORKFLOW"]

WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: one-pod-}
spec:
  entrypoint: train
  podSpecPatch: '{"terminationGracePeriodSeconds": 20}'
  arguments:
    parameters: [{name: bucket, value: b}, {name: run-id, value: r}, {name: pace-ms, value: "20"}]
  templates:
    - name: train
      retryStrategy: {limit: "6", retryPolicy: Always, backoff: {duration: "1"}}
      container:
        image: ghcr.io/chaosml/reference:0.1
        command: [sh, -c]
        args:
          - |
            bucket=--bucket={{workflow.parameters.bucket}}
            # What the first two say of themselves is not the training's.
            python -m chaosml.reference.validate --sha256-output /tmp/sha 2>/dev/null &&
            data="$bucket --dataset-sha256=$(cat /tmp/sha)" &&
            python -m chaosml.reference.preprocess $data --key-output=/tmp/key 2>/dev/null &&
            exec python -m chaosml.reference.train $data --steps=120 --checkpoint-every=20 \\
              --batch-size=32 --seed=7 --notice-poll-ms=500 \\
              --pace-ms={{workflow.parameters.pace-ms}}
        env:
          - {name: RUN_ID, value: "{{workflow.parameters.run-id}}"}
          - {name: ATTEMPT, value: "{{retries}}"}
          - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
          - {name: OPENBLAS_NUM_THREADS, value: "1"}
"""
PIPELINE = """
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: guarded}
pipeline:
  workflow: workflow.yaml
  isolate: {run-id: run-id, bucket: bucket}
  training-task: train
  artifacts:
    - role: checkpoint
      key: 'runs/(?P<run>[^/]+)/checkpoints/step-(?P<step>\\d+)/state-(?P<digest>.{12})\\.npz'
      format: npz
      commit: marker-last
      marker: 'runs/{run}/checkpoints/step-{step}/manifest.json'
    - role: model
      key: 'runs/(?P<run>[^/]+)/models/digits/model-(?P<digest>[0-9a-f]{12})\\.npz'
      format: npz
      commit: marker-last
      marker: 'runs/{run}/models/digits/manifest.json'
      final-step: "120"
  identity-fields: [created, attempt, pod, parent]
"""
"""Everything of a scenario that comes before `faults`."""
