"""Which fields of an Argo Workflow the embedded substrate ignores, and which it refuses.

Whatever stands in none of these tables and is no field of a model is no field of
Argo either. Names follow `pkg/apis/workflow/v1alpha1/workflow_types.go` of Argo
Workflows and `core/v1` of Kubernetes. Tables are keyed by the kind of object
that a model reads, as people call it in messages.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FOREIGN", "POD_SPEC_WITHOUT_EFFECT", "UNSUPPORTED", "WITHOUT_EFFECT"]

_SCHEDULING = "embedded nodes have no scheduler constraints besides nodeSelector"
_SECURITY = "pods run as the user who runs chaosml"
_NO_API = "pods have no Kubernetes API to talk to"
_GONE = "nothing is left to collect: pods and workflows end with the execution"

_POD_SETTINGS = {
    "automountServiceAccountToken": _NO_API,
    "dnsConfig": "pods use the host's resolver",
    "dnsPolicy": "pods use the host's resolver",
    "imagePullSecrets": "no image is pulled; see `embedded.images`",
    "priorityClassName": _SCHEDULING,
    "schedulerName": _SCHEDULING,
    "securityContext": _SECURITY,
    "serviceAccountName": _NO_API,
    "tolerations": _SCHEDULING,
}

POD_SPEC_WITHOUT_EFFECT: Mapping[str, str] = {
    **_POD_SETTINGS,
    "preemptionPolicy": _SCHEDULING,
    "priority": _SCHEDULING,
    "serviceAccount": _NO_API,
}
"""Fields of a `podSpecPatch` that are accepted without effect, with the reason."""

WITHOUT_EFFECT: Mapping[str, Mapping[str, str]] = {
    "workflow": {"status": "a new execution begins without one"},
    "workflow metadata": {
        "creationTimestamp": "set by the API server",
        "generation": "set by the API server",
        "managedFields": "set by the API server",
        "resourceVersion": "set by the API server",
        "uid": "set by the API server",
    },
    "workflow spec": {
        **{key: why for key, why in _POD_SETTINGS.items() if key != "priorityClassName"},
        "archiveLogs": "logs are kept in the run directory",
        "executor": _NO_API,
        "metrics": "the controller that would export them does not run",
        "podGC": _GONE,
        "podPriorityClassName": _SCHEDULING,
        "priority": "no other workflow waits",
        "ttlStrategy": _GONE,
        "volumeClaimGC": _GONE,
    },
    "template": {
        **{key: why for key, why in _POD_SETTINGS.items() if not key.startswith(("dns", "image"))},
        "archiveLocation": "no artifacts are archived; logs are kept in the run directory",
        "executor": _NO_API,
        "metrics": "the controller that would export them does not run",
    },
    "container": {
        "imagePullPolicy": "no image is pulled; see `embedded.images`",
        "ports": "pods share the network of the host",
        "securityContext": _SECURITY,
        "stdin": "standard input is empty",
        "stdinOnce": "standard input is empty",
        "tty": "no terminal is attached",
    },
    "volume mount": {"readOnly": "an emptyDir that one container mounts"},
    "field reference": {"apiVersion": "only v1 exists"},
    "secret reference": {"optional": "a missing secret is refused at load"},
    "memoize configMap": {
        "key": "the key is memoize.key",
        "optional": "the cache begins empty",
    },
}
"""Fields that are accepted, and why ignoring them cannot change an execution."""

_ARTIFACTS = (
    "write objects to the store from the step and declare them in the scenario's "
    "`pipeline.artifacts`"
)
_LIMITS_PODS = "pods would be held back by other workflows"

_WORK = {
    "inline": "name a template instead",
    "onExit": "it is deprecated in Argo; write hooks: {exit: {template: …}}",
}

UNSUPPORTED: Mapping[str, Mapping[str, str]] = {
    "workflow metadata": {
        "finalizers": "no API server keeps the object",
        "ownerReferences": "no API server keeps the object",
    },
    "workflow spec": {
        "affinity": "use nodeSelector",
        "artifactGC": _ARTIFACTS,
        "artifactRepositoryRef": _ARTIFACTS,
        "hostAliases": "pods use the host's resolver",
        "hostNetwork": "pods share the network of the host already",
        "podDisruptionBudget": "it would refuse the evictions that faults make",
        "shutdown": "it would end the workflow at once",
        "suspend": "it would wait for ever",
        "synchronization": _LIMITS_PODS,
        "volumeClaimTemplates": "only emptyDir volumes exist",
        "workflowMetadata": "write them under metadata",
    },
    "template": {
        "affinity": "use nodeSelector",
        "annotations": "write them under metadata",
        "containerSet": "use a dag of container templates",
        "daemon": "start the service inside the step that needs it",
        "data": "use a script template",
        "hostAliases": "pods use the host's resolver",
        "http": "use a script template",
        "initContainers": "do it at the start of the command",
        "plugin": "use a container template",
        "resource": "pods have no Kubernetes API to talk to",
        "sidecars": "start the process inside the step that needs it",
        "suspend": "it would wait for somebody to resume it",
        "synchronization": _LIMITS_PODS,
    },
    "template defaults": {
        key: "write it into each template"
        for key in (
            *("affinity", "archiveLocation", "automountServiceAccountToken", "container", "daemon"),
            *("dag", "executor", "failFast", "hostAliases", "initContainers", "inputs", "memoize"),
            *("metrics", "name", "outputs", "parallelism", "priorityClassName", "schedulerName"),
            *("script", "securityContext", "serviceAccountName", "sidecars", "steps", "suspend"),
            *("synchronization", "timeout", "tolerations", "volumes"),
        )
    },
    "arguments": {"artifacts": _ARTIFACTS},
    "inputs": {"artifacts": _ARTIFACTS},
    "outputs": {
        "artifacts": _ARTIFACTS,
        "exitCode": "the controller sets it",
        "result": "the controller sets it",
    },
    "argument": {
        "default": "Argo ignores it here; give a value",
        "globalName": "pass the value through outputs and arguments",
        "valueFrom": "give a value; `{{=…}}` computes one",
    },
    "input parameter": {
        "globalName": "pass the value through outputs and arguments",
        "valueFrom": "give a value or default",
    },
    "output parameter": {
        "default": "write valueFrom.default",
        "description": "",
        "enum": "it belongs to inputs",
        "globalName": "pass the value through outputs and arguments",
        "value": "use valueFrom",
    },
    "valueFrom": {
        "configMapKeyRef": "give a value",
        "event": "no events reach an embedded workflow",
        "jqFilter": "write the value to a file and read it by path",
        "jsonPath": "write the value to a file and read it by path",
        "supplied": "it would wait for somebody to supply it",
    },
    "task": _WORK,
    "step": _WORK,
    "container": {
        "envFrom": "list the variables under env",
        "livenessProbe": "nothing probes containers",
        "readinessProbe": "nothing probes containers",
        "startupProbe": "nothing probes containers",
        "resizePolicy": "",
        "restartPolicy": "Argo's pods never restart containers",
        "restartPolicyRules": "Argo's pods never restart containers",
        "terminationMessagePath": "print to standard error",
        "terminationMessagePolicy": "print to standard error",
        "volumeDevices": "only emptyDir volumes exist",
    },
    "environment source": {
        "configMapKeyRef": "give a value",
        "fileKeyRef": "give a value",
        "resourceFieldRef": "give a value",
    },
    "lifecycle": {
        "postStart": "do it at the start of the command",
        "stopSignal": "pods are stopped with SIGTERM",
    },
    "preStop": dict.fromkeys(("httpGet", "sleep", "tcpSocket"), "use exec.command"),
    "resources": {"claims": "no devices are allocated"},
    "volume mount": dict.fromkeys(
        ("mountPropagation", "recursiveReadOnly", "subPath", "subPathExpr"),
        "mount the whole emptyDir",
    ),
    "volume": dict.fromkeys(
        (
            *("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "configMap"),
            *("csi", "downwardAPI", "ephemeral", "fc", "flexVolume", "flocker", "gitRepo"),
            *("gcePersistentDisk", "glusterfs", "hostPath", "image", "iscsi", "nfs"),
            *("persistentVolumeClaim", "photonPersistentDisk", "portworxVolume", "projected"),
            *("quobyte", "rbd", "scaleIO", "secret", "storageos", "vsphereVolume"),
        ),
        "only emptyDir volumes exist; keep what must survive in the store",
    ),
}
"""Fields that Argo knows and the embedded substrate refuses, with what to do instead."""

_GRACE = (
    "Argo has no such field; write podSpecPatch: '{\"terminationGracePeriodSeconds\": N}' instead"
)

FOREIGN: Mapping[str, Mapping[str, str]] = {
    "workflow spec": {
        "terminationGracePeriodSeconds": _GRACE,
        "timeout": "Argo has no such field; use activeDeadlineSeconds",
        "retries": "Argo has no such field; use retryStrategy",
        "dag": "a dag belongs to a template",
        "steps": "steps belong to a template",
    },
    "template": {
        "terminationGracePeriodSeconds": _GRACE,
        "retries": "Argo has no such field; use retryStrategy.limit",
        "onExit": "Argo has no such field; use spec.onExit",
        "image": "an image belongs to container or script",
        "command": "a command belongs to container or script",
        "env": "env belongs to container or script",
    },
    "container": {
        "terminationGracePeriodSeconds": _GRACE,
        "retryStrategy": "it belongs to the template",
        "source": "a source belongs to script",
    },
    "task": {
        "retryStrategy": "it belongs to the template",
        "parameters": "write arguments: {parameters: […]}",
    },
    "step": {
        "retryStrategy": "it belongs to the template",
        "parameters": "write arguments: {parameters: […]}",
        "depends": "steps follow one another; depends belongs to dag tasks",
        "dependencies": "steps follow one another; dependencies belong to dag tasks",
    },
    "retryStrategy": {
        "maxRetries": "Argo has no such field; use limit",
        "duration": "it belongs to backoff",
        "factor": "it belongs to backoff",
        "maxDuration": "it belongs to backoff",
    },
    "backoff": {"limit": "it belongs to retryStrategy"},
    "metadata": {"name": "Argo names the pods of a template itself"},
}
"""Fields that people write and Argo does not have, with what they mean."""
