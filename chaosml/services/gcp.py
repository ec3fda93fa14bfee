"""What the Google Compute Engine metadata server of a node answers: pure, a page for each path.

`instance/preempted` is FALSE until a notice is there and TRUE from then on. The machine ends 30 s
after; unlike on AWS nothing says when, and `maintenance-event` says nothing of it.

Every value has an ETag; `wait_for_change` waits until it is another one. Source: Google's
documentation of the server, and the clients that read it (cloud.google.com/go/compute/metadata,
guest-agent), which want `Metadata-Flavor: Google` in every answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FLAVOR", "PREEMPTED", "ROOT", "Query", "Value", "find_value", "parse_query"]

FLAVOR = ("Metadata-Flavor", "Google")
"""The header that every request must carry, and every answer carries."""
ROOT = "computeMetadata/v1"
PREEMPTED = f"{ROOT}/instance/preempted"
_TEXT = "application/text"
_JSON = "application/json"
_ZONE = "projects/0/zones/us-central1-a"
_TRUE = frozenset({"true", "True", "TRUE", "1"})


@dataclass(frozen=True, slots=True)
class Query:
    """What a request wants to know, and how long it waits for it."""

    wait_for_change: bool = False
    last_etag: str | None = None
    """Without one: the value at the arrival of the request."""
    timeout_s: float | None = None
    """None: for ever; at 0 the server answers at once."""
    recursive: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A value, with its tag."""

    content_type: str
    body: str

    @property
    def etag(self) -> str:
        """Sixteen hexadecimal digits that follow from the value."""
        return hashlib.sha256(self.body.encode()).hexdigest()[:16]


def parse_query(query: Mapping[str, str]) -> Query:
    """Return what the parameters of a request mean.

    Raises:
        ValueError: one means nothing; the message is for the client.
    """
    timeout = query.get("timeout_sec")
    if timeout is not None and not timeout.isdecimal():
        raise ValueError(f"timeout_sec must be a whole number of seconds, not {timeout!r}")
    recursive = query.get("recursive", "") in _TRUE
    shape = query.get("alt", "json" if recursive else "text")
    if shape not in ("json", "text"):
        raise ValueError(f"alt must be json or text, not {shape!r}")
    return Query(
        wait_for_change=query.get("wait_for_change", "") in _TRUE,
        last_etag=query.get("last_etag"),
        timeout_s=None if timeout is None else float(timeout),
        recursive=recursive,
        as_json=shape == "json",
    )


def find_value(path: str, node: str, *, preempted: bool, query: Query) -> Value | None:
    """Return the value at `path`, which has no leading slash, or None where there is none.

    Directories list their children, one a line, with a slash behind those that have children; with
    `recursive` they are one document.
    """
    values = _values(node, preempted=preempted)
    wanted = path.strip("/")
    if wanted in values:
        text = values[wanted]
        return Value(_JSON, json.dumps(_scalar(text))) if query.as_json else Value(_TEXT, text)
    below = {
        name.removeprefix(f"{wanted}/"): text
        for name, text in values.items()
        if name.startswith(f"{wanted}/") or not wanted
    }
    if not below:
        return None
    if query.recursive:
        return Value(_JSON, json.dumps(_tree(below), separators=(",", ":")))
    children = {name.partition("/")[0] + ("/" if "/" in name else "") for name in below}
    listed = sorted(children)
    if query.as_json:
        return Value(_JSON, json.dumps(listed))
    return Value(_TEXT, "".join(f"{child}\n" for child in listed))


def _values(node: str, *, preempted: bool) -> dict[str, str]:
    number = int.from_bytes(hashlib.sha256(node.encode()).digest()[:8], "big") >> 1
    instance = {
        "hostname": f"{node}.us-central1-a.c.chaosml.internal",
        "id": str(number),
        "machine-type": "projects/0/machineTypes/n2-standard-2",
        "maintenance-event": "NONE",
        "name": node,
        "preempted": "TRUE" if preempted else "FALSE",
        "scheduling/automatic-restart": "FALSE",
        "scheduling/on-host-maintenance": "TERMINATE",
        "scheduling/preemptible": "TRUE",
        "zone": _ZONE,
    }
    values = {f"{ROOT}/instance/{name}": text for name, text in instance.items()}
    values[f"{ROOT}/project/project-id"] = "chaosml"
    return values


def _tree(values: Mapping[str, str]) -> dict[str, Any]:
    """Return values by path as nested objects, with names as Google writes them in JSON."""
    tree: dict[str, Any] = {}
    for path, text in sorted(values.items()):
        *folders, name = path.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(_camel(folder), {})
        place[_camel(name)] = _scalar(text)
    return tree


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(part.capitalize() for part in rest)


def _scalar(text: str) -> str | int:
    return int(text) if text.isdecimal() else text
