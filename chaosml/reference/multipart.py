"""A bucket whose data objects are uploaded in parts, as larger ones have to be."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosml.reference.bucket import Bucket, is_taken

__all__ = ["MultipartBucket"]

_PART_BYTES = 5 << 20
"""The least that S3 takes for every part but the last."""


class MultipartBucket(Bucket):
    """Uploads data in parts and documents whole; an upload that fails leaves no parts behind."""

    def write_once(self, key: str, data: bytes) -> bool:
        """Write an object where there is none; return False where there is one."""
        where = {"Bucket": self.name, "Key": key}
        upload = self._client.create_multipart_upload(**where)["UploadId"]
        try:
            parts = self._send_parts(where, upload, data)
            self._complete(where, upload, parts)
        except (BotoCoreError, ClientError) as error:
            # The completion may have come through although its answer was lost; then there is
            # nothing to abort, and whoever tries again finds the object.
            with contextlib.suppress(BotoCoreError, ClientError):
                self._client.abort_multipart_upload(**where, UploadId=upload)
            if is_taken(error):
                return False
            raise
        return True

    def write_document_once(self, key: str, document: Mapping[str, Any]) -> bool:
        """Write a JSON document where there is none, in one piece."""
        return super().write_once(key, json.dumps(document, indent=1, sort_keys=True).encode())

    def _send_parts(
        self, where: Mapping[str, str], upload: str, data: bytes
    ) -> list[dict[str, Any]]:
        pieces = [data[at : at + _PART_BYTES] for at in range(0, len(data), _PART_BYTES)]
        parts = []
        for number, piece in enumerate(pieces or [b""], start=1):
            answer = self._client.upload_part(
                **where, UploadId=upload, PartNumber=number, Body=piece
            )
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        return parts

    def _complete(
        self, where: Mapping[str, str], upload: str, parts: Sequence[Mapping[str, Any]]
    ) -> None:
        """Join the parts; what S3 says with status 200 may still be an error, and is raised."""
        self._client.complete_multipart_upload(
            **where, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
        )
