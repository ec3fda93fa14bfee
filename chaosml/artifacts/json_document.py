"""Reader of JSON documents: canonical digest, and scalars flattened with dots."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import deque
from collections.abc import Iterator
from typing import IO, Any

from chaosml.artifacts.content import Content, UnreadableError, clean_fields, find_step

__all__ = ["DOCUMENT_BYTES_MAX", "read_json"]

DOCUMENT_BYTES_MAX = 16 << 20
_DEPTH_MAX = 16
_SCALARS_MAX = 4096


def read_json(file: IO[bytes], size: int) -> Content:
    """Return the content of a JSON document of `size` bytes.

    Raises:
        UnreadableError: it is none, or one too large or deep to be a document of a pipeline.
    """
    if size > DOCUMENT_BYTES_MAX:
        raise UnreadableError(f"too large: {size} bytes of JSON, limit {DOCUMENT_BYTES_MAX}")
    data = file.read()
    if not data.strip():
        raise UnreadableError("empty: no JSON")
    try:
        document = json.loads(data)
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    except json.JSONDecodeError as error:
        # What stops in the middle of a value was cut off; anything else was never JSON.
        cut_off = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        raise UnreadableError(f"{'truncated' if cut_off else 'not JSON'}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not JSON: {error}") from error
    digest = hashlib.sha256(canonical).hexdigest()
    scalars = dict(itertools.islice(_scalars(document), _SCALARS_MAX))
    return Content(
        digest=digest,
        digests={"document": digest},
        step=find_step(scalars),
        fields=clean_fields(scalars.items()),
    )


def _scalars(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield scalars with their path, those near the top first: these name what a document is."""
    queue = deque([("", document, 0)])
    while queue:
        path, value, depth = queue.popleft()
        if isinstance(value, dict | list):
            if depth < _DEPTH_MAX:
                items = value.items() if isinstance(value, dict) else enumerate(value)
                queue.extend(
                    (f"{path}.{name}" if path else str(name), item, depth + 1)
                    for name, item in items
                )
        elif path:
            yield path, value
