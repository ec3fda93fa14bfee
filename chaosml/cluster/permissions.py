"""What a run and each fault may do to a cluster: checked one by one, shown as the smallest Role.

A run of its own namespace needs a Role there. Nodes belong to no namespace, so whoever
reads or closes them needs a ClusterRole as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from chaosml.cluster.api import Api
from chaosml.errors import SubstrateError, UsageError

__all__ = ["FAULTS", "RUN", "Rule", "missing", "needed", "role_yaml"]

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_ROLE = "chaosml"


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """Verbs on a resource."""

    group: str
    """API group; empty for the core."""
    resource: str
    """Plural, with a subresource after a slash."""
    verbs: tuple[str, ...]
    everywhere: bool = False
    """Whether the resource belongs to no namespace."""

    def __str__(self) -> str:
        return f"{', '.join(self.verbs)} {self.resource}{f'.{self.group}' if self.group else ''}"


RUN = (
    # Reading one namespace counts as an access inside it.
    Rule("", "namespaces", ("get",)),
    Rule("", "nodes", ("get", "list", "watch"), everywhere=True),
    Rule("", "pods", ("create", "delete", "get", "list", "watch")),
    Rule("", "pods/log", ("get",)),
    Rule("", "pods/portforward", ("create", "get")),
    Rule("argoproj.io", "workflows", ("create", "delete", "get", "list", "watch")),
    Rule("coordination.k8s.io", "leases", ("create", "delete", "get", "update")),
)
"""What every run does: submit, watch, read logs, start the services' pod and reach it."""

_EVICT = Rule("", "pods/eviction", ("create",))
# A websocket is opened by GET, which is the verb `get` before Kubernetes 1.35.
_RUN_COMMANDS = Rule("", "pods/exec", ("create", "get"))
_CLOSE = Rule("", "nodes", ("patch",), everywhere=True)
_PUBLISH = Rule("", "services", ("create", "delete", "list"))
_ASK_KUBELET = Rule("", "nodes/proxy", ("get",), everywhere=True)
_SEE_WHO_IS_THERE = Rule("", "pods", ("list",), everywhere=True)
"""A node may be struck only where it carries nobody else's pods."""

FAULTS: Mapping[str, tuple[Rule, ...]] = {
    "pod.delete": (Rule("", "pods", ("delete",)),),
    "pod.evict": (_EVICT,),
    "container.kill": (_RUN_COMMANDS,),
    "container.pause": (_RUN_COMMANDS,),
    "node.drain": (_CLOSE, _EVICT, _SEE_WHO_IS_THERE),
    "node.stop": (_CLOSE, Rule("", "nodes", ("delete",), everywhere=True)),
    "node.shutdown": (_CLOSE, _ASK_KUBELET, Rule("", "nodes", ("delete",), everywhere=True)),
    "node.pressure": (_CLOSE, _ASK_KUBELET, Rule("", "events", ("list",))),
    "spot.reclaim": (_CLOSE, _EVICT, _SEE_WHO_IS_THERE, _PUBLISH),
    "task.rerun": (Rule("", "pods", ("delete",)),),
    "task.zombie": (_CLOSE, _RUN_COMMANDS, Rule("", "pods", ("delete",))),
    "storage.latency": (),
    "storage.bandwidth": (),
    "storage.throttle": (),
    "storage.reset": (),
    "storage.stall": (),
    "storage.down": (),
    "storage.lose-answer": (),
    "storage.late-error": (),
    "network.latency": (),
    "network.bandwidth": (),
    "network.reset": (),
    "network.partition": (),
    # Their programs act with permissions of their own.
    "external": (),
    "chaostoolkit": (),
}
"""What a fault does beyond a run; faults of the services need nothing of the cluster."""


def needed(faults: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules of a run with these faults, each resource once.

    Raises:
        UsageError: a fault is not known.
    """
    verbs: dict[tuple[str, str, bool], set[str]] = defaultdict(set)
    rules = list(RUN)
    for fault in faults:
        if fault not in FAULTS:
            raise UsageError(f"no fault {fault!r}; there are {', '.join(FAULTS)}")
        rules += FAULTS[fault]
    for rule in rules:
        verbs[rule.group, rule.resource, rule.everywhere] |= set(rule.verbs)
    return tuple(
        Rule(group, resource, tuple(sorted(found)), everywhere)
        for (group, resource, everywhere), found in sorted(verbs.items())
    )


def missing(api: Api, namespace: str, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return what of some rules the user of a connection may not do.

    Raises:
        SubstrateError: the API does not say.
    """
    refused = []
    for rule in rules:
        verbs = tuple(verb for verb in rule.verbs if not _may(api, namespace, rule, verb))
        if verbs:
            refused.append(Rule(rule.group, rule.resource, verbs, rule.everywhere))
    return tuple(refused)


def _may(api: Api, namespace: str, rule: Rule, verb: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {
        "group": rule.group,
        "resource": resource,
        "subresource": subresource,
        "verb": verb,
    }
    if not rule.everywhere:
        attributes["namespace"] = namespace
    answer = api.ask(
        "post",
        _REVIEWS,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
    )
    if not answer.succeeded:
        raise SubstrateError(f"{api.where}: permissions cannot be asked for: {answer.message}")
    return bool(answer.body["status"]["allowed"])


def role_yaml(rules: Sequence[Rule], namespace: str) -> str:
    """Return the smallest Role, and ClusterRole where one is needed, that grants rules.

    They still have to be bound to whoever runs chaosml.
    """
    documents = []
    local = [_policy(rule) for rule in rules if not rule.everywhere]
    if local:
        documents.append(_role("Role", {"name": _ROLE, "namespace": namespace}, local))
    everywhere = [_policy(rule) for rule in rules if rule.everywhere]
    if everywhere:
        documents.append(_role("ClusterRole", {"name": _ROLE}, everywhere))
    return yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=None)


def _role(kind: str, metadata: dict[str, str], rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": rules,
    }


def _policy(rule: Rule) -> dict[str, Any]:
    return {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": list(rule.verbs)}
