"""The wire format of a recording: what a real Argo showed of one workflow, as JSON lines.

    {"kind":"header","workflow":"spot-t1","uid":…,"parameters":{…}}
    {"kind":"status","at_ns":…,"phase":"Running","nodes":[{"name":"spot-t1.train(0)",…}]}
    {"kind":"pod","at_ns":…,"vertex":"spot-t1.train(0)","exitCode":143,"deleted":true}

A status holds only the nodes that differ from the status before. Nodes keep Argo's own
keys, but only those that the replay reads. All times are nanoseconds of the wall clock,
since the stamps inside of a status are nothing else.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from chaosml.errors import HistoryError

__all__ = [
    "RECORDING",
    "Cut",
    "Header",
    "Line",
    "Node",
    "PodState",
    "Recording",
    "RecordingWriter",
    "Status",
    "read",
]

RECORDING = "workflow.jsonl"
"""Name of the file in the folder of an execution."""

_BYTES_MAX = 64 * 1024 * 1024
_WORDS = frozenset({"kind", "phase", "type", "created", "started", "finished"})
"""Keys under which nothing of the user's stands."""


class _Line(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="kind",
    rename="camel",
):
    """One line; the subclass is the kind."""


class Header(_Line, frozen=True, kw_only=True, tag="header"):
    """The first line: which workflow this is."""

    schema: int = 1
    workflow: str
    uid: str
    namespace: str
    created: str
    """The API's stamp of its creation."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    parameters: dict[str, str] = {}
    """The values that it was submitted with."""


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A node of the status, which is a vertex of ours."""

    id: str
    name: str
    display_name: str
    type: str
    template: str = ""
    phase: str
    message: str = ""
    boundary: str = ""
    """Id of the node around it."""
    children: tuple[str, ...] = ()
    """Ids."""
    retried: bool = False
    hooked: bool = False
    inputs: dict[str, str] = {}
    outputs: dict[str, str] = {}
    result: str | None = None
    exit_code: str | None = None
    host: str = ""
    started: str = ""
    finished: str = ""
    memoized: bool = False
    """Whether its outputs come from the cache."""


class Status(_Line, frozen=True, kw_only=True, tag="status"):
    """What the API showed at one moment, as far as it differs from the moment before."""

    at_ns: int
    """When it was seen; it was decided before."""
    phase: str
    message: str = ""
    shutdown: str | None = None
    """`spec.shutdown`, which somebody may set while the workflow runs."""
    nodes: tuple[Node, ...] = ()
    removed: tuple[str, ...] = ()
    """Names of nodes that are no longer there."""


class PodState(_Line, frozen=True, kw_only=True, tag="pod"):
    """What the API showed of a pod, as far as Argo decides by it."""

    at_ns: int
    uid: str
    pod: str
    vertex: str
    phase: str = ""
    message: str = ""
    """`pod.status.message`."""
    exit_code: int | None = None
    """Of the main container, once it has ended."""
    reason: str = ""
    """Why the main container ended: `Error`, `OOMKilled`, …"""
    termination: str = ""
    """Termination message of the main container."""
    wait_exit_code: int | None = None
    deleted: bool = False
    gone: bool = False


class Cut(_Line, frozen=True, kw_only=True, tag="cut"):
    """The last line of a recording that does not reach to the end."""

    why: str


Line = Header | Status | PodState | Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording as it is replayed."""

    header: Header
    statuses: tuple[Status, ...]
    pods: tuple[PodState, ...] = ()
    """Every state of every pod, in the order in which they were seen."""
    cut: str = ""
    """Why it does not reach to the end; empty where it does."""


class RecordingWriter:
    """Writes a recording line by line, up to a limit.

    Every text goes through `hide` before it is written, as the text of logs does.
    """

    def __init__(
        self, path: pathlib.Path, *, hide: Callable[[str], str] = str, limit_bytes: int = _BYTES_MAX
    ) -> None:
        """Create the file.

        Args:
            path: Where.
            hide: Takes what is secret out of a text.
            limit_bytes: What comes after that is left out, which a last line says.

        Raises:
            HistoryError: the file exists or cannot be created.
        """
        self._path = path
        self._hide = hide
        self._left_bytes = limit_bytes
        try:
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - lives as long as the writer
        except OSError as error:
            raise HistoryError(f"cannot create the recording {path}: {error.strerror}") from error

    def write(self, line: Line) -> None:
        """Append a line; nothing once the limit is reached or the recording has ended.

        Raises:
            HistoryError: the disk refuses it.
        """
        if self._left_bytes <= 0 or self._file.closed:
            return
        hidden = _map_texts(msgspec.to_builtins(line), self._hide)
        encoded = msgspec.json.encode(hidden) + b"\n"
        self._left_bytes -= len(encoded)
        if self._left_bytes <= 0:
            encoded = msgspec.json.encode(Cut(why="the recording grew too large")) + b"\n"
        try:
            self._file.write(encoded)
        except OSError as error:
            message = f"cannot write the recording {self._path}: {error.strerror}"
            raise HistoryError(message) from error

    def close(self, why_cut: str = "") -> None:
        """End the recording; a second call does nothing.

        Args:
            why_cut: Why it does not reach to the end of the workflow.

        Raises:
            HistoryError: the disk refuses the last line.
        """
        if self._file.closed:
            return
        try:
            if why_cut:
                self.write(Cut(why=why_cut))
        finally:
            self._file.close()


def _map_texts(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {
            key: item if key in _WORDS else _map_texts(item, hide) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_map_texts(item, hide) for item in value]
    return value


_Known = TypeVar("_Known", bound=_Line)


def read(path: pathlib.Path) -> Recording | None:
    """Return a recording; None where Argo never showed the workflow.

    A torn last line, of a writer that died in it, cuts the recording.

    Raises:
        HistoryError: the file cannot be read or is no recording.
    """
    try:
        raw = path.read_bytes().split(b"\n")
    except OSError as error:
        raise HistoryError(f"cannot read the recording {path}: {error.strerror}") from error
    lines: list[Line] = []
    for number, text in enumerate(raw[:-1], start=1):
        try:
            lines.append(msgspec.json.decode(text, type=Line))
        except msgspec.MsgspecError as error:
            raise HistoryError(
                f"{path}:{number}: is not what this version records: {error}"
            ) from error
    headers = _of(Header, lines)
    if not headers:
        return None
    cuts = [one.why for one in _of(Cut, lines)]
    cuts += ["the writer died in a line"] if raw[-1] else []
    return Recording(
        header=headers[0],
        statuses=tuple(_of(Status, lines)),
        pods=tuple(_of(PodState, lines)),
        cut="; ".join(cuts),
    )


def _of(kind: type[_Known], lines: list[Line]) -> list[_Known]:
    return [line for line in lines if isinstance(line, kind)]
