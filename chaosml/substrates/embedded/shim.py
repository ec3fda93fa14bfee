"""The process between the kubelet and a pod's main process, one a pod.

    kubelet ── shim ── main ── whatever main starts
                 └─ preStop

It is the subreaper of everything below, so that no descendant gets away, neither by
`setsid` nor by losing its parent; and it knows the main process's end before the
process id can be given to another. Orders and reports are single datagrams. When
the kubelet's end closes, for whatever reason, the shim kills everything and ends.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from chaosml.substrates.embedded import procfs, program
from chaosml.substrates.embedded.wire import StartPod

__all__ = ["KILL", "PRE_STOP", "SIGNAL", "TERMINATE", "Shim", "ShimReport", "launch", "receive"]

TERMINATE = b"terminate"
KILL = b"kill"
PRE_STOP = b"pre-stop"
SIGNAL = b"signal "
"""Followed by the number of a signal for the main process's group."""

_CANNOT_START = 64
"""Exit code of Argo's emissary where the command cannot be started."""
_DATAGRAM_BYTES_MAX = 1 << 16
_ORPHANS_MS = 1000
_SWEEP_S = 5.0
_SWEEP_POLL_S = 0.002
_STOP_S = 1.0
_STOP_AGAIN_S = 0.05


class ShimReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a shim tells; exactly one of the first four is set."""

    started: int | None = None
    """Process id of the main process, which runs."""
    pre_stop: int | None = None
    """Exit code of the preStop hook."""
    exit_code: int | None = None
    stopped: int | None = None
    """How many processes of the main process's group stand still, which is all of them."""
    stragglers: int = 0
    at_ns: int
    reaped_ns: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Shim:
    """The kubelet's ends of a shim and its pod."""

    pid: int
    control: int
    stdout: int
    stderr: int
    forked_ns: int


def launch(pod: StartPod, argv: tuple[str, ...], python: program.PythonProgram | None) -> Shim:
    """Start a pod whose folders are there; `argv[0]` is a path.

    Raises:
        OSError: no process or pipe can be had.
        Become: in the forked child that shall run `python`; the caller must let it through.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control, control_child = ours.detach(), theirs.detach()
    stdout, stdout_child = os.pipe()
    stderr, stderr_child = os.pipe()
    forked_ns = time.monotonic_ns()
    try:
        pid = os.fork()
    except OSError:
        for descriptor in (control, stdout, stderr, control_child, stdout_child, stderr_child):
            os.close(descriptor)
        raise
    if pid == 0:
        _be_shim(pod, argv, python, control_child, (stdout_child, stderr_child))
    for descriptor in (control_child, stdout_child, stderr_child):
        os.close(descriptor)
    os.set_blocking(stdout, False)
    os.set_blocking(stderr, False)
    os.set_blocking(control, False)
    return Shim(pid, control, stdout, stderr, forked_ns)


def receive(control: int) -> ShimReport | None:
    """Return the next report; None when the shim has ended.

    Raises:
        BlockingIOError: there is none now.
    """
    try:
        datagram = os.read(control, _DATAGRAM_BYTES_MAX)
    except ConnectionError:
        return None
    return msgspec.json.decode(datagram, type=ShimReport) if datagram else None


def _be_shim(
    pod: StartPod,
    argv: tuple[str, ...],
    python: program.PythonProgram | None,
    control: int,
    streams: tuple[int, int],
) -> NoReturn:
    """Live the shim's life; only the forked child that becomes the program leaves by raising."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _close_all_but(control, *streams)
    procfs.become_subreaper()
    status, status_child = os.pipe()
    main = os.fork()
    if main == 0:
        os.close(control)
        os.close(status)
        _be_main(pod, argv, python, streams, status_child)
    try:
        os.close(status_child)
        for stream in streams:
            os.close(stream)
        _Watch(pod, main, control).run(status)
    finally:
        os._exit(0)


def _be_main(
    pod: StartPod,
    argv: tuple[str, ...],
    python: program.PythonProgram | None,
    streams: tuple[int, int],
    status: int,
) -> NoReturn:
    """Turn this forked process into the pod's main process."""
    try:
        procfs.die_with_parent(signal.SIGKILL)
        _enter_session(pod, streams)
        if python is None:
            os.execve(argv[0], argv, dict(pod.environment))
    except OSError as error:
        os.write(status, f"failed to start command: {error.strerror}: {argv[0]}".encode()[:4000])
        os._exit(_CANNOT_START)
    os.close(status)
    program.enter(pod.environment)
    raise program.Become(python)


def _enter_session(pod: StartPod, streams: tuple[int, int]) -> None:
    """Get a process group, streams, folder and signals as a container's process has them."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (streams[0], 1), (streams[1], 2)):
        os.dup2(source, target)
    for descriptor in {nothing, *streams}:
        if descriptor > 2:
            os.close(descriptor)
    os.umask(0o022)
    os.chdir(pod.working_directory)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            continue  # The C library keeps a few real-time signals for itself.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _close_all_but(*kept: int) -> None:
    """Close what the kubelet had open; raw descriptors only, which no Python object owns."""
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                continue  # The descriptor of this very listing.


class _Watch:
    """Watches the main process from its start to the end of its last descendant."""

    def __init__(self, pod: StartPod, main: int, control: int) -> None:
        self._pod = pod
        self._main = main
        self._control = control
        self._pidfd = os.pidfd_open(main)
        self._poll = self._make_poll()
        self._pre_stop: int | None = None
        self._not_stragglers: set[int] = set()

    def run(self, status: int) -> None:
        """Report the start, obey until the main process ends, sweep, report the end."""
        message = _read_all(status)
        if not message:
            self._tell(ShimReport(started=self._main, at_ns=time.monotonic_ns()))
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll(_ORPHANS_MS)}
            if self._pidfd in ready:
                break
            if self._control in ready:
                self._obey()
            self._reap_others()
        ended_ns = time.monotonic_ns()
        _, wait_status = os.waitpid(self._main, 0)
        stragglers = self._sweep()
        self._tell(
            ShimReport(
                exit_code=_exit_code(wait_status),
                stragglers=stragglers,
                at_ns=ended_ns,
                reaped_ns=time.monotonic_ns(),
                message=message,
            )
        )

    def _make_poll(self) -> select.poll:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._pidfd, select.POLLIN)
        return poll

    def _tell(self, report: ShimReport) -> None:
        try:
            os.write(self._control, msgspec.json.encode(report))
        except ConnectionError:
            self._kill_all()

    def _obey(self) -> None:
        try:
            order = os.read(self._control, _DATAGRAM_BYTES_MAX)
        except ConnectionError:
            order = b""
        if order == TERMINATE:
            os.killpg(self._main, signal.SIGTERM)
        elif order == PRE_STOP:
            self._start_pre_stop()
        elif order.startswith(SIGNAL):
            self._send(signal.Signals(int(order.removeprefix(SIGNAL))))
        else:
            self._kill_all()

    def _send(self, number: signal.Signals) -> None:
        if number is signal.SIGKILL:
            # Who dies with it has not outlived it, however long its end takes.
            self._not_stragglers |= {process.pid for process in self._find_group()}
        # Not reaped, so the id of the main process names its group, also after its end.
        os.killpg(self._main, number)
        if number is signal.SIGSTOP:
            self._see_stopped()

    def _find_group(self) -> list[procfs.Process]:
        """Return the living processes of the main process's group."""
        return [
            process
            for process in procfs.find_descendants(os.getpid())
            if not process.ended and process.group == self._main
        ]

    def _see_stopped(self) -> None:
        """Report the main process's group once all of it stands still: a signal takes its time.

        Who is just starting another program (`vfork`) waits for its child and cannot be stopped
        while that one, stopped, does not get to its `exec`: both go on, and are stopped again.
        """
        end = time.monotonic() + _STOP_S
        again = time.monotonic() + _STOP_AGAIN_S
        while time.monotonic() < end:
            if time.monotonic() > again:
                os.killpg(self._main, signal.SIGCONT)
                select.select((), (), (), _SWEEP_POLL_S)
                os.killpg(self._main, signal.SIGSTOP)
                again = time.monotonic() + _STOP_AGAIN_S
            states = [process.state for process in self._find_group()]
            if states and set(states) <= {"T", "t"}:
                self._tell(ShimReport(stopped=len(states), at_ns=time.monotonic_ns()))
                return
            select.select((), (), (), _SWEEP_POLL_S)

    def _kill_all(self) -> None:
        """Kill main and everything below at once; who dies with it has not outlived it.

        The end of a PID namespace leaves nobody the time to start another process. Here all are
        stopped first: a shell would go on with its next command, whose turn the list has not seen.
        """
        stopped: set[int] = set()
        end = time.monotonic() + _STOP_S
        while time.monotonic() < end:
            found = {process.pid for process in procfs.find_descendants(os.getpid())} - stopped
            if not found:
                break
            for pid in found:
                _signal(pid, signal.SIGSTOP)
            stopped |= found
        self._not_stragglers |= stopped
        for pid in stopped:
            _signal(pid, signal.SIGKILL)

    def _start_pre_stop(self) -> None:
        pod = self._pod
        child = os.fork()
        if child == 0:
            try:
                nothing = os.open(os.devnull, os.O_RDWR)
                _enter_session(pod, (nothing, nothing))
                os.execvpe((pod.pre_stop or ("",))[0], pod.pre_stop or (), dict(pod.environment))
            except OSError:
                os._exit(127)
            finally:
                os._exit(127)
        self._pre_stop = child
        self._poll.register(os.pidfd_open(child), select.POLLIN)

    def _reap_others(self) -> None:
        """Reap whoever ended, except the main process, whose end the pidfd tells."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid == self._main:
                return
            _, wait_status = os.waitpid(ended.si_pid, 0)
            if ended.si_pid == self._pre_stop:
                self._pre_stop = None
                self._poll = self._make_poll()
                self._tell(ShimReport(pre_stop=_exit_code(wait_status), at_ns=time.monotonic_ns()))

    def _sweep(self) -> int:
        """Kill and reap every descendant that is left; return how many had outlived main."""
        if self._pre_stop is not None:
            self._not_stragglers.add(self._pre_stop)
        stragglers: set[int] = set()
        end = time.monotonic() + _SWEEP_S
        while time.monotonic() < end:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                break
            for process in procfs.find_descendants(os.getpid()):
                if not process.ended:
                    stragglers.add(process.pid)
                    _signal(process.pid, signal.SIGKILL)
            select.select((), (), (), _SWEEP_POLL_S)
        return len(stragglers - self._not_stragglers)


def _read_all(descriptor: int) -> str:
    """Return what is written until the last writer closes: on exec, or when it ends."""
    content = b""
    while chunk := os.read(descriptor, 4096):
        content += chunk
    os.close(descriptor)
    return content.decode(errors="replace")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _exit_code(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code
