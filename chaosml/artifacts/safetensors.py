"""Reader of safetensors: a JSON header with the place of every tensor, then the bytes.

Types that NumPy lacks are digested as unsigned integers of the same width
(`BF16` as `<u2`, the 8-bit floats as `|u1`).
"""

from __future__ import annotations

import math
from typing import IO, Annotated, Any

import msgspec
import numpy

from chaosml.artifacts.arrays import ARRAY_BYTES_MAX
from chaosml.artifacts.content import UnreadableError

__all__ = ["read_safetensors"]

_HEADER_BYTES_MAX = 100_000_000
_TYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "F8_E4M3": "|u1",
    "F8_E5M2": "|u1",
    "F8_E8M0": "|u1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "BF16": "<u2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Tensor(msgspec.Struct, frozen=True):
    """Type, shape and place of a tensor in the bytes after the header."""

    dtype: str
    shape: tuple[_Count, ...]
    data_offsets: tuple[_Count, _Count]


def read_safetensors(file: IO[bytes], size: int) -> dict[str, numpy.ndarray[Any, Any]]:
    """Return the tensors of a safetensors file of `size` bytes by name.

    Raises:
        UnreadableError: the bytes are none, or contradict the header.
    """
    prefix = file.read(8)
    if len(prefix) < 8:
        raise UnreadableError(f"truncated: {size} bytes are no safetensors header")
    length = int.from_bytes(prefix, "little")
    if length > _HEADER_BYTES_MAX:
        raise UnreadableError(f"not a safetensors: its header would have {length} bytes")
    if 8 + length > size:
        raise UnreadableError(f"truncated: {size} bytes, the header alone has {8 + length}")
    tensors = _read_header(file.read(length))
    body = size - 8 - length
    if body > ARRAY_BYTES_MAX:
        raise UnreadableError(f"too large: {body} bytes of tensors, limit {ARRAY_BYTES_MAX}")
    _check_places(tensors, body)
    arrays = {}
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        begin, end = tensor.data_offsets
        data = file.read(end - begin)
        arrays[name] = numpy.frombuffer(data, dtype=_TYPES[tensor.dtype]).reshape(tensor.shape)
    return arrays


def _read_header(data: bytes) -> dict[str, _Tensor]:
    try:
        header = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        header.pop("__metadata__", None)
        return {name: msgspec.json.decode(raw, type=_Tensor) for name, raw in header.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"not a safetensors: {error}") from error


def _check_places(tensors: dict[str, _Tensor], body: int) -> None:
    """Check that the tensors fill the body without a hole, an overlap or a missing end."""
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        begin, end = tensor.data_offsets
        if tensor.dtype not in _TYPES:
            raise UnreadableError(f"not a safetensors that is known: {name} is {tensor.dtype}")
        needed = math.prod(tensor.shape) * numpy.dtype(_TYPES[tensor.dtype]).itemsize
        if begin != at or end - begin != needed:
            raise UnreadableError(
                f"not a safetensors: {name} with {needed} bytes is placed at {begin} to {end}, "
                f"expected at {at}"
            )
        at = end
    if at > body:
        raise UnreadableError(f"truncated: {body} bytes of tensors, the header says {at}")
    if at < body:
        raise UnreadableError(f"not a safetensors: {body - at} bytes belong to no tensor")
