"""A list and a watch that together lose no change and say none twice.

    list ─► watch from its version ─► (closed, dropped) watch from the last version seen
      ▲                                      │
      └────────── 410 Gone: list anew ◄──────┘    and say what differs

A store of what was said last makes the difference: an object comes through once a
version, whatever the server repeats, and one that is missing in a new list was
deleted. What came and went between a lost watch and the new list leaves no trace;
`Change.after_gap` marks what was found that way.

When something had not happened yet is known less well than when it was seen: several
changes may be on their way at once, and after a break all of it comes in a burst. So
`Change.since_ns` is the last moment at which the stream was found empty.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.services.lifeline import AWAY_S
from chaosml.substrates.kubernetes.api import Api, ApiUnreachable, LineStream
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["Change", "Failed", "Kind", "Reflector", "stop_all"]

_GONE = 410
_NO_RIGHTS = (401, 403)
_AGAIN_S = 0.2
_EMPTY_NS = 20_000_000
"""A line that was waited for longer was not on its way before."""
_WATCH_S = "300"
_PAGE = "500"
"""Objects in one answer: a list of thousands takes the server longer than a call may."""

_Object = dict[str, Any]


class Kind(enum.Enum):
    """What happened to an object."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object."""

    kind: Kind
    before: _Object | None
    object: _Object
    """As it is now; of a deleted one as it was last."""
    since_ns: int
    """The object was `before` then."""
    at_ns: int
    after_gap: bool = False

    @property
    def uid(self) -> str:
        """The object's identity."""
        return str(self.object["metadata"]["uid"])


@dataclass(frozen=True, slots=True)
class Failed:
    """The watch is over although nobody stopped it."""

    error: SubstrateError


class Reflector:
    """Follows the objects of one path in a thread of its own."""

    def __init__(
        self,
        api: Api,
        path: str,
        deliver: Callable[[Change | Failed], None],
        *,
        selector: str = "",
        trim: Callable[[_Object], _Object] = dict,
        away_s: float = AWAY_S,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            api: Where the objects are.
            path: Of the list.
            deliver: Gets every change, in the thread.
            selector: Of labels; all objects without it.
            trim: Keeps of an object what its follower needs: thousands are held in memory.
            away_s: How long the API server may be away.
        """
        self._api = api
        self._path = path
        self._query = {"labelSelector": selector} if selector else {}
        self._deliver = deliver
        self._trim = trim
        self._away_s = away_s
        self._away = clock.Deadline("answer of the API server", away_s)
        self._store: dict[str, _Object] = {}
        self._version = ""
        self._empty_ns = clock.monotonic_ns()
        """When nothing was on its way to us."""
        self._listed = threading.Event()
        self._stopped = threading.Event()
        self._stream: LineStream | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self, timeout_s: float = 20.0) -> None:
        """Begin, and wait for the first list.

        Raises:
            SubstrateError: it did not come.
        """
        self._thread.start()
        if not self._listed.wait(timeout_s) and not self._stopped.is_set():
            raise SubstrateError(f"the list of {self._path} did not come within {timeout_s:g} s")

    def stop(self) -> None:
        """End the thread; a second call does nothing."""
        self._stopped.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if not self._version:
                    self._list()
                    self._listed.set()
                self._watch()
            except ApiError as error:
                if error.status == _GONE:
                    self._version = ""
                elif self._away.passed or not (error.may_pass or self._may_know_later(error)):
                    self._fail(error)
                    return
            except ApiUnreachable as error:
                if self._away.passed:
                    self._fail(error)
                    return
            self._stopped.wait(_AGAIN_S)

    def _may_know_later(self, error: ApiError) -> bool:
        """Whether a server that has let us in before may do so again: it learns rights last."""
        return error.status in _NO_RIGHTS and self._listed.is_set()

    def _fail(self, error: SubstrateError) -> None:
        if not self._stopped.is_set():
            self._stopped.set()
            self._deliver(Failed(error))
        self._listed.set()

    def _list(self) -> None:
        """Take the whole list and say what differs from what was said."""
        after_gap, asked_ns = self._listed.is_set(), clock.monotonic_ns()
        found, version = self._read_list()
        at_ns = clock.monotonic_ns()
        for uid in [uid for uid in self._store if uid not in found]:
            self._say(Kind.DELETED, self._store[uid], at_ns, after_gap=after_gap)
        for item in sorted(found.values(), key=_creation):
            self._say(Kind.MODIFIED, item, at_ns, after_gap=after_gap)
        self._version = version
        # The list is as things stood after it was asked for.
        self._empty_ns = asked_ns

    def _read_list(self) -> tuple[dict[str, _Object], str]:
        """Return the objects by uid and their common version, read page by page."""
        found: dict[str, _Object] = {}
        query = {**self._query, "limit": _PAGE}
        while True:
            answer = self._api.get(self._path, **query)
            for item in answer.get("items") or ():
                found[str(item["metadata"]["uid"])] = self._trim(item)
            metadata = answer["metadata"]
            if not metadata.get("continue"):
                return found, str(metadata["resourceVersion"])
            query["continue"] = str(metadata["continue"])

    def _watch(self) -> None:
        """Follow from the last version until the stream ends."""
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": _WATCH_S,
        }
        self._stream = self._api.stream(self._path, **query)
        self._away = clock.Deadline("answer of the API server", self._away_s)
        begun, waited_from_ns = False, clock.monotonic_ns()
        try:
            for line in self._stream:
                if self._stopped.is_set():
                    return
                # What is first may have been on its way since the stream before.
                if begun and clock.monotonic_ns() - waited_from_ns > _EMPTY_NS:
                    self._empty_ns = waited_from_ns
                self._take(line)
                begun, waited_from_ns = True, clock.monotonic_ns()
        finally:
            self._stream = None

    def _take(self, line: bytes) -> None:
        try:
            event = msgspec.json.decode(line)
        except msgspec.MsgspecError as error:
            # The connection was cut inside of a line; the server will send it again.
            raise ApiUnreachable(f"half a line on the watch of {self._path}: {error}") from error
        item, at_ns = event["object"], clock.monotonic_ns()
        match event["type"]:
            case "ERROR":
                status = int(item.get("code", 500))
                message = f"the watch of {self._path} ended: {item.get('message', status)}"
                raise ApiError(status, str(item.get("reason", "")), message)
            case "DELETED":
                self._say(Kind.DELETED, self._trim(item), at_ns)
            case "ADDED" | "MODIFIED":
                self._say(Kind.MODIFIED, self._trim(item), at_ns)
        self._version = str(item["metadata"]["resourceVersion"])

    def _say(self, kind: Kind, now: _Object, at_ns: int, *, after_gap: bool = False) -> None:
        """Deliver a change, unless it was."""
        uid = str(now["metadata"]["uid"])
        before = self._store.get(uid)
        if kind is Kind.DELETED:
            if before is None:
                return
            del self._store[uid]
        else:
            if before is not None and not _is_newer(now, before):
                return
            self._store[uid] = now
            kind = Kind.ADDED if before is None else Kind.MODIFIED
        self._deliver(Change(kind, before, now, self._empty_ns, at_ns, after_gap))


def _is_newer(item: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether an object is a later version: a server that begins again may repeat old ones."""
    now, then = (str(one["metadata"]["resourceVersion"]) for one in (item, before))
    if now.isdecimal() and then.isdecimal():
        return int(now) > int(then)
    return now != then


def _creation(item: Mapping[str, Any]) -> tuple[str, str]:
    metadata = item["metadata"]
    return str(metadata.get("creationTimestamp", "")), str(metadata["name"])


def stop_all(watches: list[Reflector]) -> None:
    """Stop watches, and forget them."""
    for watch in watches:
        watch.stop()
    watches.clear()
