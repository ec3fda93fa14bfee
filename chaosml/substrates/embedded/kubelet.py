"""The kubelet: a single-threaded process that starts, ends and watches the pods of one execution.

Run as `python -m chaosml.substrates.embedded.kubelet SOCKET`, SOCKET being the number of
an inherited descriptor. When the other end closes, or its owner dies, every descendant
is killed, the pods' folders are removed and it ends; nothing of a dead run stays.

Nothing here waits for one pod: pipes, shims and the socket are read as they become
ready, and times are kept beside. Only raw descriptors are used, because forked pods
inherit the Python objects and must not close a descriptor twice. What a pod consumes is
not limited: a fork bomb in a pipeline is one on this machine.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence

import msgspec

from chaosml import clock
from chaosml.substrates.embedded import procfs, program, shim
from chaosml.substrates.embedded.departure import depart
from chaosml.substrates.embedded.output import STDERR, STDOUT, PodOutput, read_output_file
from chaosml.substrates.embedded.staging import find_command, make_folders, remove
from chaosml.substrates.embedded.wire import (
    Claimed,
    EndPod,
    Exited,
    Order,
    Paused,
    Ready,
    Report,
    Signalled,
    SignalPod,
    Started,
    StartPod,
)

__all__ = ["DEADLINE_MESSAGE", "Kubelet", "main"]

DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"
"""What Kubernetes writes into the status of a pod past its `activeDeadlineSeconds`."""
_READ_BYTES = 1 << 18
_MINIMUM_WINDOW_NS = 2_000_000_000
"""What Kubernetes leaves a container after SIGTERM however long its preStop hook took."""
_DRAIN_NS = 2_000_000_000
_CLOSE_S = 5.0
_CANNOT_START = 64
_KILLED = 137


class _Pod:
    """A pod from its start to its last report."""

    def __init__(self, order: StartPod, started: shim.Shim, output: PodOutput) -> None:
        self.order = order
        self.shim = started
        self.output = output
        self.streams = {started.stdout: STDOUT, started.stderr: STDERR}
        self.by = ""
        """Who ends it; empty while nobody does."""
        self.paused: tuple[str, int] = ("", 0)
        """Who wanted it stopped, and when."""
        self.window_ns = 0
        self.terminate_ns: int | None = None
        """When SIGTERM is due at the latest: it waits for the preStop hook."""
        self.kill_ns: int | None = None
        self.deadline_ns: int | None = None
        self.pod_message = ""
        self.end: shim.ShimReport | None = None
        self.drain_ns: int | None = None

    @property
    def due_ns(self) -> int | None:
        """When something has to be done about it, if nothing happens before."""
        times = (self.terminate_ns, self.kill_ns, self.deadline_ns, self.drain_ns)
        return min((time for time in times if time is not None), default=None)


class Kubelet:
    """Obeys the driver at the other end of a socket."""

    def __init__(self, link: int, preloaded: tuple[str, ...]) -> None:
        self._link = link
        self._rest = b""
        self._pods: dict[str, _Pod] = {}
        self._poll = select.poll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._ended = False
        self._boot = clock.boot_id()
        self._environment = dict(os.environ)
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Order)
        self._preloaded = preloaded
        self._wakeup, wakeup_child = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(wakeup_child, False)
        signal.set_wakeup_fd(wakeup_child, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        self._watch(self._wakeup, self._woken)
        self._watch(link, self._read_orders)

    def serve(self) -> None:
        """Work until the driver goes away.

        Raises:
            Become: in a forked child that has to run a pod's program.
        """
        self._report(Ready(pid=os.getpid(), preloaded=self._preloaded))
        while not self._ended:
            for descriptor, _ in self._poll.poll(self._wait_ms()):
                # An earlier one of this round may have closed it.
                ready = self._ready.get(descriptor)
                if ready is not None:
                    ready(descriptor)
            now_ns = clock.monotonic_ns()
            for pod in list(self._pods.values()):
                self._do_due(pod, now_ns)

    def close(self) -> None:
        """Kill every descendant and remove the folders of the pods; takes seconds at most."""
        for pod in self._pods.values():
            if pod.end is None:
                os.close(pod.shim.control)
        deadline = clock.Deadline("end of every descendant", _CLOSE_S)
        clock.wait_until(
            lambda: not procfs.reap_children(kill=deadline.left_s < _CLOSE_S / 2), deadline
        )
        for pod in self._pods.values():
            pod.output.close()
            remove(pod.order.directory)

    def _stop(self, number: int, frame: object) -> None:
        self._ended = True

    def _woken(self, descriptor: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(descriptor, 4096)

    def _wait_ms(self) -> int | None:
        times = [pod.due_ns for pod in self._pods.values()]
        due_ns = min((time for time in times if time is not None), default=None)
        if due_ns is None:
            return None
        return max(0, -(-(due_ns - clock.monotonic_ns()) // 1_000_000))

    def _watch(self, descriptor: int, ready: Callable[[int], None]) -> None:
        self._ready[descriptor] = ready
        self._poll.register(descriptor, select.POLLIN)

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._ready[descriptor]
        os.close(descriptor)

    def _report(self, report: Report) -> None:
        line = memoryview(self._encoder.encode(report) + b"\n")
        try:
            while line:
                line = line[os.write(self._link, line) :]
        except ConnectionError:
            self._ended = True

    def _read_orders(self, descriptor: int) -> None:
        try:
            chunk = os.read(descriptor, _READ_BYTES)
        except ConnectionError:
            chunk = b""
        if not chunk:
            self._ended = True
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            match self._decoder.decode(line):
                case StartPod() as order:
                    self._start(order)
                case EndPod() as order:
                    self._begin_end(order)
                case SignalPod() as order:
                    self._send(order)

    def _start(self, order: StartPod) -> None:
        start_ns = clock.monotonic_ns()
        output = PodOutput(
            order.log,
            boot=self._boot,
            start_ns=start_ns,
            capture_result=order.capture_result,
            secrets=order.secrets,
            step_pattern=order.step_pattern,
        )
        try:
            make_folders(order)
            argv = find_command(order)
            python = program.recognise(
                argv,
                order.environment,
                order.working_directory,
                own_environment=self._environment,
            )
            started = shim.launch(order, argv, python)
        except OSError as error:
            self._refuse(order, output, start_ns, str(error))
            return
        pod = _Pod(order, started, output)
        self._pods[order.uid] = pod
        self._watch(started.control, lambda _: self._read_shim(pod))
        for descriptor in pod.streams:
            self._watch(descriptor, lambda descriptor: self._read_stream(pod, descriptor))

    def _refuse(self, order: StartPod, output: PodOutput, start_ns: int, message: str) -> None:
        """Report a pod that could not be started, as Argo's emissary does: exit code 64."""
        output.say(f"Error: {message}")
        output.close()
        remove(order.directory)
        self._report(
            Exited(
                uid=order.uid,
                exit_code=_CANNOT_START,
                stragglers=0,
                earliest_ns=start_ns,
                latest_ns=clock.monotonic_ns(),
                message=message,
            )
        )

    def _read_stream(self, pod: _Pod, descriptor: int) -> None:
        stream = pod.streams[descriptor]
        try:
            chunk = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        read_ns = clock.monotonic_ns()
        if chunk:
            claims = pod.output.take(stream, chunk, read_ns)
        else:
            claims = pod.output.end(stream, read_ns)
            del pod.streams[descriptor]
            self._forget(descriptor)
        if claims:
            self._report(Claimed(uid=pod.order.uid, claims=tuple(claims)))

    def _read_shim(self, pod: _Pod) -> None:
        try:
            report = shim.receive(pod.shim.control)
        except BlockingIOError:
            return
        if report is None:
            self._end_without_report(pod)
        elif report.started is not None:
            self._note_start(pod, report.started, report.at_ns)
        elif report.exit_code is not None:
            self._note_end(pod, report)
        elif report.stopped is not None:
            by, since_ns = pod.paused
            self._report(
                Paused(
                    uid=pod.order.uid,
                    by=by,
                    processes=report.stopped,
                    earliest_ns=since_ns,
                    latest_ns=report.at_ns,
                )
            )
        elif pod.terminate_ns is not None:
            self._terminate(pod, clock.monotonic_ns())

    def _note_start(self, pod: _Pod, pid: int, at_ns: int) -> None:
        if pod.order.deadline_s is not None:
            pod.deadline_ns = at_ns + int(pod.order.deadline_s * 1e9)
        self._report(
            Started(uid=pod.order.uid, pid=pid, earliest_ns=pod.shim.forked_ns, latest_ns=at_ns)
        )

    def _end_without_report(self, pod: _Pod) -> None:
        """Take a killed shim for a killed pod: its main process dies with it."""
        now_ns = clock.monotonic_ns()
        procfs.kill_orphans({other.shim.pid for other in self._pods.values()})
        self._note_end(pod, shim.ShimReport(exit_code=_KILLED, at_ns=now_ns, reaped_ns=now_ns))

    def _note_end(self, pod: _Pod, report: shim.ShimReport) -> None:
        pod.end = report
        pod.terminate_ns = pod.kill_ns = pod.deadline_ns = None
        pod.drain_ns = clock.monotonic_ns() + _DRAIN_NS
        self._forget(pod.shim.control)
        os.waitpid(pod.shim.pid, 0)

    def _begin_end(self, order: EndPod) -> None:
        pod = self._pods.get(order.uid)
        if pod is None or pod.end is not None:
            return
        now_ns = clock.monotonic_ns()
        if order.grace_s <= 0:
            pod.by = order.by
            self._kill(pod, now_ns)
            return
        kill_ns = now_ns + int(order.grace_s * 1e9)
        if pod.by:
            pod.kill_ns = min(pod.kill_ns or kill_ns, kill_ns)
            return
        pod.by = order.by
        pod.kill_ns = kill_ns
        if order.by_kubelet:
            pod.window_ns = _MINIMUM_WINDOW_NS
        if order.by_kubelet and pod.order.pre_stop is not None:
            pod.terminate_ns, pod.kill_ns = kill_ns, None
            self._tell_shim(pod, shim.PRE_STOP)
        else:
            pod.terminate_ns = kill_ns
            self._terminate(pod, now_ns)

    def _send(self, order: SignalPod) -> None:
        """Send a signal that is nobody's beginning of an end."""
        pod = self._pods.get(order.uid)
        if pod is None or pod.end is not None:
            return
        number, now_ns = signal.Signals[order.signal], clock.monotonic_ns()
        if number is signal.SIGSTOP:
            pod.paused = order.by, now_ns
        self._tell_shim(pod, shim.SIGNAL + str(int(number)).encode())
        if number is not signal.SIGSTOP:
            self._report(Signalled(uid=order.uid, signal=order.signal, by=order.by, at_ns=now_ns))

    def _terminate(self, pod: _Pod, now_ns: int) -> None:
        """Send SIGTERM; the time until SIGKILL is what the preStop hook left of the grace."""
        end_ns = pod.terminate_ns or now_ns
        pod.terminate_ns = None
        pod.kill_ns = max(end_ns, now_ns + pod.window_ns)
        self._tell_shim(pod, shim.TERMINATE)
        self._report(Signalled(uid=pod.order.uid, signal="SIGTERM", by=pod.by, at_ns=now_ns))

    def _kill(self, pod: _Pod, now_ns: int) -> None:
        pod.terminate_ns = pod.kill_ns = None
        self._tell_shim(pod, shim.KILL)
        self._report(Signalled(uid=pod.order.uid, signal="SIGKILL", by=pod.by, at_ns=now_ns))

    def _tell_shim(self, pod: _Pod, order: bytes) -> None:
        # A shim that has gone is reported by its closed socket.
        with contextlib.suppress(ConnectionError):
            os.write(pod.shim.control, order)

    def _do_due(self, pod: _Pod, now_ns: int) -> None:
        if pod.end is not None:
            if not pod.streams or _is_due(pod.drain_ns, now_ns):
                self._finish(pod, pod.end)
            return
        if _is_due(pod.deadline_ns, now_ns):
            pod.deadline_ns = None
            if not pod.by:
                pod.pod_message = DEADLINE_MESSAGE
            self._begin_end(EndPod(uid=pod.order.uid, by="argo", grace_s=pod.order.grace_s))
        if _is_due(pod.terminate_ns, now_ns):
            self._terminate(pod, now_ns)
        elif _is_due(pod.kill_ns, now_ns):
            self._kill(pod, now_ns)

    def _finish(self, pod: _Pod, end: shim.ShimReport) -> None:
        """Report the end of a pod and forget it."""
        order = pod.order
        del self._pods[order.uid]
        drained = not pod.streams
        for descriptor in list(pod.streams):
            self._forget(descriptor)
        if end.message:
            pod.output.say(f"Error: {end.message}")
        found = {name: read_output_file(path) for name, path in order.output_files.items()}
        pod.output.close()
        self._report(
            Exited(
                uid=order.uid,
                exit_code=_KILLED if end.exit_code is None else end.exit_code,
                stragglers=end.stragglers,
                earliest_ns=end.at_ns,
                latest_ns=end.reaped_ns,
                outputs={name: value for name, value in found.items() if value is not None},
                result=pod.output.result,
                message=end.message,
                pod_message=pod.pod_message,
                drained=drained,
            )
        )
        remove(order.directory)


def _is_due(time_ns: int | None, now_ns: int) -> bool:
    return time_ns is not None and time_ns <= now_ns


def main(arguments: Sequence[str]) -> None:
    """Serve on the socket whose descriptor is the only argument."""
    owner = os.getppid()
    procfs.become_subreaper()
    procfs.die_with_parent(signal.SIGTERM)
    if os.getppid() != owner:
        return
    kubelet = Kubelet(int(arguments[0]), program.preload())
    # What is loaded now is shared with every forked pod; the collector need not touch it.
    gc.collect()
    gc.freeze()
    try:
        kubelet.serve()
    except program.Become as become:
        python = become.program
    else:
        kubelet.close()
        return
    del kubelet
    loaded = tuple(sys.modules)
    status: object = None
    try:
        python.run()
    except SystemExit as ended:
        # What it holds of the program's frames must not outlive them.
        status = ended.code
    depart(status, loaded)


if __name__ == "__main__":
    main(sys.argv[1:])
