"""What the AWS instance metadata service of a node answers: pure, a page for each path.

The spot pages are those of EC2: `spot/instance-action` and `spot/termination-time`
are 404 until a notice is there, and then carry one frozen deadline.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["NOTICE_PATHS", "NOT_FOUND", "Notice", "Page", "find_page"]

NOTICE_PATHS = (
    "latest/meta-data/spot/instance-action",
    "latest/meta-data/spot/termination-time",
)
_REGION = "us-east-1"
_TEXT = "text/plain"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Notice:
    """An interruption notice as a node shows it."""

    notice: str
    action: str
    time: datetime.datetime
    """The deadline on the wall clock, frozen when the notice was given."""
    provider: str = "aws"
    """Whose service shows it."""

    @property
    def stamp(self) -> str:
        """The deadline as EC2 writes it: UTC, whole seconds, never later than the real one."""
        return self.time.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: int
    content_type: str
    body: str


NOT_FOUND = Page(
    404,
    "text/html",
    '<?xml version="1.0" encoding="iso-8859-1"?>\n'
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n'
    '\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
    '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n'
    " <head>\n  <title>404 - Not Found</title>\n </head>\n"
    " <body>\n  <h1>404 - Not Found</h1>\n </body>\n</html>\n",
)


def find_page(path: str, node: str, notice: Notice | None) -> Page:
    """Return the page of a node at `path`, which has no leading slash; `NOT_FOUND` if none.

    Directories list their children, one a line, with a slash behind those that have children.
    """
    pages = _pages(node, notice)
    wanted = path.strip("/")
    if wanted in pages:
        return pages[wanted]
    prefix = f"{wanted}/" if wanted else ""
    children = {
        rest.partition("/")[0] + ("/" if "/" in rest else "")
        for rest in (name.removeprefix(prefix) for name in pages if name.startswith(prefix))
    }
    return Page(200, _TEXT, "\n".join(sorted(children))) if children else NOT_FOUND


def _pages(node: str, notice: Notice | None) -> Mapping[str, Page]:
    identity = _identity(node)
    meta = {
        "ami-id": identity["imageId"],
        "autoscaling/target-lifecycle-state": "Terminated" if notice else "InService",
        "hostname": node,
        "instance-id": identity["instanceId"],
        "instance-life-cycle": "spot",
        "instance-type": identity["instanceType"],
        "local-hostname": node,
        "local-ipv4": identity["privateIp"],
        "placement/availability-zone": identity["availabilityZone"],
        "placement/region": _REGION,
    }
    pages = {f"latest/meta-data/{name}": Page(200, _TEXT, text) for name, text in meta.items()}
    pages["latest/meta-data/events/maintenance/scheduled"] = Page(200, _JSON, "[]")
    pages["latest/dynamic/instance-identity/document"] = Page(
        200, _JSON, json.dumps(identity, indent=2)
    )
    if notice is not None:
        action = json.dumps({"action": notice.action, "time": notice.stamp})
        pages["latest/meta-data/spot/instance-action"] = Page(200, _JSON, action)
        if notice.action == "terminate":
            page = Page(200, _TEXT, notice.stamp)
            pages["latest/meta-data/spot/termination-time"] = page
    return pages


def _identity(node: str) -> dict[str, str]:
    """Return an identity document that follows from the node's name alone."""
    digest = hashlib.sha256(node.encode()).digest()
    return {
        "accountId": "000000000000",
        "architecture": "x86_64",
        "availabilityZone": f"{_REGION}a",
        "imageId": "ami-0c4a05311cc4a0511",
        "instanceId": f"i-{digest.hex()[:17]}",
        "instanceType": "m5.large",
        "privateIp": f"10.{digest[0]}.{digest[1]}.{1 + digest[2] % 254}",
        "region": _REGION,
        "version": "2017-09-30",
    }
