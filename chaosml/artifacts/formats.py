"""Reading an object as the format that the contract names; bad bytes are a finding, no error."""

from __future__ import annotations

from typing import IO

from chaosml.artifacts.arrays import describe_arrays
from chaosml.artifacts.content import Content, UnreadableError, clean_text
from chaosml.artifacts.json_document import read_json
from chaosml.artifacts.npz import read_npz
from chaosml.artifacts.safetensors import read_safetensors
from chaosml.artifacts.torch_archive import read_torch

__all__ = ["read_content"]


def read_content(file: IO[bytes], format: str, *, size: int, sha256: str) -> Content:  # noqa: A002 - the contract's word
    """Return what an object holds.

    Args:
        file: The object's bytes, seekable, at their begin.
        format: `npz`, `safetensors`, `json`, `torch` or `bytes`.
        size: Number of bytes.
        sha256: Digest of the bytes; that of the state too, where the format has no other.
    """
    try:
        match format:
            case "npz":
                return describe_arrays(read_npz(file))
            case "safetensors":
                return describe_arrays(read_safetensors(file, size))
            case "json":
                return read_json(file, size)
            case "torch":
                return read_torch(file)
            case _:
                return Content(digest=sha256)
    except UnreadableError as error:
        return Content(problem=clean_text(str(error)))
