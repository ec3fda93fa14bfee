"""What a DeleteObjects request deleted, from its body and its answer.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from chaosml.event import Deletion

__all__ = ["deletions_of"]


def deletions_of(body: bytes, answer: bytes) -> tuple[Deletion, ...]:
    """Return what was deleted, in the order of the request; nothing where either is no XML.

    Args:
        body: Of the request.
        answer: The body of its answer, which a quiet request has only errors in.
    """
    try:
        asked, said = ElementTree.fromstring(body), ElementTree.fromstring(answer)
    except ElementTree.ParseError:
        return ()
    failed = {_named(one) for one in _children(said, "Error")}
    markers = {
        _named(one): _text(one, "DeleteMarkerVersionId") for one in _children(said, "Deleted")
    }
    is_quiet = (_text(asked, "Quiet") or "").lower() == "true"
    wanted = [_named(one) for one in _children(asked, "Object")]
    return tuple(
        Deletion(
            key=key,
            version=version,
            marker=None if version else "" if is_quiet else markers.get((key, version)),
        )
        for key, version in wanted
        if (key, version) not in failed
    )


def _named(element: ElementTree.Element) -> tuple[str, str | None]:
    return _text(element, "Key") or "", _text(element, "VersionId")


def _children(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (one for one in element if one.tag.rpartition("}")[2] == name)


def _text(element: ElementTree.Element, name: str) -> str | None:
    found = next(_children(element, name), None)
    return None if found is None else found.text or None
