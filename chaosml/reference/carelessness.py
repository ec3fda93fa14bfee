"""Ways to be careless with the answers of a store, to show what they do when it is in trouble."""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from botocore.exceptions import BotoCoreError, ClientError

from chaosml.reference.bucket import Bucket
from chaosml.reference.multipart import MultipartBucket
from chaosml.reference.program import PermanentError

__all__ = ["CARELESS"]

_LIMIT_S = 20
_BREATH_S = 0.5


class _TrustsStatus(MultipartBucket):
    """Completes an upload by a client of its own, which takes status 200 for a success."""

    def _complete(
        self, where: Mapping[str, str], upload: str, parts: Sequence[Mapping[str, Any]]
    ) -> None:
        listed = "".join(
            f"<Part><PartNumber>{part['PartNumber']}</PartNumber>"
            f"<ETag>{escape(part['ETag'])}</ETag></Part>"
            for part in parts
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        url = self._client.generate_presigned_url(
            "complete_multipart_upload", Params={**where, "UploadId": upload}
        )
        headers = {"Content-Type": "application/xml"}
        request = urllib.request.Request(url, body, headers, method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_LIMIT_S) as answer:
            answer.read()


class _SwallowsErrors(MultipartBucket):
    """Lets the store breathe when an upload fails, and goes on as if it were there."""

    def write_once(self, key: str, data: bytes) -> bool:
        """Write an object, or say that it was not written."""
        try:
            return super().write_once(key, data)
        except (BotoCoreError, ClientError) as error:
            print(f"warning: {key} was not written: {error}", file=sys.stderr)
            time.sleep(_BREATH_S)
            return True


class _RefusesStanding(Bucket):
    """Takes an object that is there already for another's, also where it wrote it itself."""

    def write_once(self, key: str, data: bytes) -> bool:
        """Write an object where there is none.

        Raises:
            PermanentError: there is one.
        """
        if not super().write_once(key, data):
            raise PermanentError(f"{key} was written by somebody else")
        return True


CARELESS: Mapping[str, type[Bucket]] = {
    "trusts-status": _TrustsStatus,
    "swallows-errors": _SwallowsErrors,
    "refuses-standing": _RefusesStanding,
}
"""By the name with which the training step is told."""
