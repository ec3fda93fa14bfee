r"""What a pipeline says about itself: one line per event on standard error.

    @chaosml {"v":1,"event":"step","seq":4,"mono_ns":…,"boot":"…","pid":7,"rank":0,"step":61,…}

A line has at most 4,096 bytes and is written with one `write`, so that lines of
several processes never mix. Any language can print it. Everything here is a
claim: it places faults and locates causes, and proves nothing.

Where `CHAOSML_CONTROL` names the control channel, the harness may have armed a
place (a step, a named point). The probe waits there until it is released; it
goes on by itself when the channel breaks or the time given for the hold is over.

Standard library only, importable in any pod; nothing is imported before it is
needed, since training programs count their start-up.
"""

import _thread
import os
import time

__all__ = [
    "checkpoint",
    "checkpoint_begin",
    "digest",
    "done",
    "point",
    "publish",
    "ready",
    "register",
    "restore",
    "step",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping
    from typing import Any

_LINE_BYTES_MAX = 4096
_CONNECT_S = 2.0
_PREFIX = "@chaosml "


class _Process:
    """What this process has said so far; a forked child starts its own."""

    def __init__(self, pid: "int") -> "None":
        self.pid = pid
        self.lines = 0
        self.boot = _read_boot_id()
        self.rank = int(os.environ.get("RANK", "0") or 0)
        self.chain = ""
        self.chain_from = 0
        self.chain_length = 0
        self.control: _Control | None = _connect(pid, self.rank)


class _Control:
    """The channel on which the harness arms places and releases whoever waits there."""

    def __init__(self, connection: "socket.socket") -> "None":
        self.connection = connection
        self.buffer = b""
        self.armed: list[dict[str, Any]] = []
        self.released: set[str] = set()

    def take(self, wait_s: "float") -> "bool":
        """Read what has come, waiting at most `wait_s`; return False where the channel broke."""
        try:
            self.connection.settimeout(wait_s)
            chunk = self.connection.recv(65536)
        except (BlockingIOError, TimeoutError):
            return True
        except OSError:
            return False
        if not chunk:
            return False
        *lines, self.buffer = (self.buffer + chunk).split(b"\n")
        for line in lines:
            self.obey(line)
        return True

    def obey(self, line: "bytes") -> "None":
        """Take an instruction: `{"armed":[rule,…]}` or `{"release":"rule"}`."""
        import json

        message = json.loads(line)
        if "armed" in message:
            self.armed = message["armed"]
        if "release" in message:
            self.released.add(message["release"])

    def tell_time(self) -> "bool":
        """Say what this clock shows, which bounds it; return False where the channel broke."""
        import json

        clock = {"mono_ns": time.monotonic_ns(), "boot": _read_boot_id()}
        try:
            self.connection.settimeout(_CONNECT_S)
            self.connection.sendall(json.dumps(clock).encode() + b"\n")
        except OSError:
            return False
        return True

    def wait(self, rule: "dict[str, Any]", event: "dict[str, Any]") -> "bool":
        """Wait at an armed place until released; return False where the channel broke."""
        import json

        self.armed = [other for other in self.armed if other["rule"] != rule["rule"]]
        deadline = time.monotonic() + float(rule.get("hold_s", 5.0)) + 1.0
        try:
            self.connection.settimeout(_CONNECT_S)
            self.connection.sendall(
                json.dumps({"hold": rule["rule"], "event": event}).encode() + b"\n"
            )
        except OSError:
            return False
        while rule["rule"] not in self.released:
            left = deadline - time.monotonic()
            if left <= 0 or not self.take(left):
                return left <= 0
        return True


_lock = _thread.RLock()
_state: "_Process | None" = None


def _read_boot_id() -> "str":
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def _connect(pid: "int", rank: "int") -> "_Control | None":
    address = os.environ.get("CHAOSML_CONTROL")
    if not address:
        return None
    import json
    import socket

    host, _, port = address.rpartition(":")
    try:
        connection = socket.create_connection((host, int(port)), timeout=_CONNECT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = {"v": 1, "hello": os.environ.get("CHAOSML_POD", ""), "pid": pid, "rank": rank}
        connection.sendall(json.dumps(hello).encode() + b"\n")
    except (OSError, ValueError):
        return None
    control = _Control(connection)
    # The answer to the greeting says what is armed: without it an armed place could be passed.
    return control if control.take(_CONNECT_S) and control.tell_time() else None


def _process() -> "_Process":
    global _state
    pid = os.getpid()
    if _state is None or _state.pid != pid:
        _state = _Process(pid)
    return _state


def _say(event: "str", fields: "dict[str, Any]") -> "None":
    import json

    with _lock:
        process = _process()
        process.lines += 1
        stamp = time.monotonic_ns()
        head = (
            f'{_PREFIX}{{"v":1,"event":"{event}","seq":{process.lines},"mono_ns":{stamp},'
            f'"boot":"{process.boot}","pid":{process.pid},"rank":{process.rank}'
        )
        body = json.dumps(fields, separators=(",", ":"))[1:]
        line = f"{head},{body}\n" if fields else f"{head}}}\n"
        try:  # noqa: SIM105 - contextlib costs an import
            os.write(2, line.encode()[: _LINE_BYTES_MAX - 1].rstrip(b"\n") + b"\n")
        except OSError:
            pass  # A closed standard error must not end the training.
        if process.control is not None:
            _hold(process, process.control, event, fields)


def _hold(
    process: "_Process", control: "_Control", event: "str", fields: "dict[str, Any]"
) -> "None":
    alive = control.take(0.0)
    if alive:
        for rule in control.armed:
            if rule["event"] == event and all(
                fields.get(name) == wanted for name, wanted in rule.get("fields", {}).items()
            ):
                alive = control.wait(rule, {"event": event, **fields})
                break
    if not alive:
        process.control = None


def _hash_batch(batch: "Any") -> "str":
    import hashlib

    if isinstance(batch, str):
        return batch
    if hasattr(batch, "tobytes"):
        data = f"{batch.dtype.str}{batch.shape}".encode() + batch.tobytes()
    elif isinstance(batch, bytes):
        data = batch
    else:
        data = ",".join(map(str, batch)).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def _hex(loss: "Any") -> "str | None":
    return None if loss is None else float(loss).hex()


def ready() -> "None":
    """Say that the program is up and about to work."""
    _say("ready", {})


def restore(step: "int", *, key: "str | None" = None, digest: "str | None" = None) -> "None":
    """Say that the state after `step` was restored from `key`; step 0 without a key is a start."""
    with _lock:
        process = _process()
        process.chain, process.chain_from, process.chain_length = "", step, 0
        _say("restore", {"step": step, "key": key, "digest": digest})


def step(
    step: "int",
    *,
    batch: "str | bytes | Iterable[int]",
    loss: "float | None" = None,
    state: "str | None" = None,
) -> "None":
    """Say that optimizer step `step` is complete.

    Args:
        step: Number of the step, the first being 1.
        batch: The sample ids in order (an array, ints, bytes), or a hash of them.
        loss: The loss of the step; written as `float.hex()`, so that equality is exact.
        state: `digest` of the whole training state after the step, if it is cheap to have.
    """
    import hashlib

    with _lock:
        process = _process()
        ids = _hash_batch(batch)
        process.chain = hashlib.sha256(f"{process.chain}{step}:{ids};".encode()).hexdigest()
        process.chain_length += 1
        fields: dict[str, Any] = {"step": step, "batch": ids, "loss": _hex(loss)}
        if state is not None:
            fields["state"] = state
        _say("step", fields)


def checkpoint_begin(step: "int", *, key: "str | None" = None) -> "None":
    """Say that a checkpoint of the state after `step` is about to be written."""
    _say("checkpoint", {"phase": "begin", "step": step, "key": key})


def checkpoint(step: "int", *, key: "str", digest: "str | None" = None) -> "None":
    """Say that the checkpoint of the state after `step` is durable under `key`."""
    with _lock:
        process = _process()
        _say(
            "checkpoint",
            {
                "phase": "commit",
                "step": step,
                "key": key,
                "digest": digest,
                "chain": process.chain,
                "chain_from": process.chain_from,
                "chain_length": process.chain_length,
            },
        )


def publish(key: "str", *, digest: "str | None" = None, step: "int | None" = None) -> "None":
    """Say that an artifact was promoted to its canonical key."""
    _say("publish", {"key": key, "digest": digest, "step": step})


def register(name: "str", *, entry: "str", digest: "str | None" = None) -> "None":
    """Say that a model was entered into the registry."""
    _say("register", {"name": name, "entry": entry, "digest": digest})


def done(step: "int | None" = None) -> "None":
    """Say that the program finished its work."""
    _say("done", {"step": step})


def point(name: "str") -> "None":
    """Say that the program is at a place called `name`."""
    _say("point", {"name": name})


def digest(arrays: "Mapping[str, Any]") -> "str":
    """Return the canonical digest of named arrays.

    SHA-256 over, for each key in sorted order: key, dtype, shape (as `key|<f4|3,4|`) and the
    array's bytes in C order, little-endian. Independent of file formats and of compression.

    Args:
        arrays: Arrays of any shape by name, such as `model/w1`; anything that numpy takes.
    """
    import hashlib

    import numpy

    total = hashlib.sha256()
    for key in sorted(arrays):
        array = numpy.ascontiguousarray(arrays[key])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        shape = ",".join(map(str, numpy.shape(arrays[key])))
        total.update(f"{key}|{array.dtype.str}|{shape}|".encode())
        total.update(array.tobytes())
    return total.hexdigest()
