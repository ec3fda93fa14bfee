"""The services process: `python -m chaosml.services.process --socket FD --parent PID`.

In a pod it is `… --runner-port PORT --host ADDRESS`: it takes the connections of the one
runner on the loopback interface, where only a port-forward gets to, and serves the pods
on the pod's address.

One asyncio program holds the gate, the control channel and the metadata service.
It takes orders from the runner in their order and says there what happened (`link`).
When the runner or the parent is gone, every hold ends, the store's process is killed,
and the process exits.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack

import botocore.session
from botocore.credentials import Credentials

from chaosml import clock
from chaosml.errors import ServiceError
from chaosml.event import Emission
from chaosml.services import canary
from chaosml.services.connection import HttpListener, listen
from chaosml.services.control import Control
from chaosml.services.embedded_store import EmbeddedStore
from chaosml.services.execution import Execution, Stage
from chaosml.services.gate import Gate
from chaosml.services.lifeline import end_with_parent
from chaosml.services.link import Pipe, Port, Runner
from chaosml.services.messages import (
    AddPod,
    Answer,
    Arm,
    Begin,
    Call,
    Calm,
    Disarm,
    Disturb,
    End,
    EndHolds,
    Measure,
    Notify,
    OpenRelay,
    Order,
    Ready,
    Release,
    Said,
    Withdraw,
)
from chaosml.services.metadata import Metadata
from chaosml.services.relay import Relay
from chaosml.services.signing import Signer
from chaosml.services.sources import GATE
from chaosml.services.store import Store
from chaosml.services.store_inside import InsideStore, application

__all__ = ["main"]

_LINE_BYTES_MAX = 16 << 20
_DRAIN_S = 5.0
_CANCEL_S = 1.0
_QUIET_S = 0.1
_POLL_S = 0.01
_ANYONE = Credentials("chaosml", "chaosml")
"""For the embedded store, which believes every signature."""


class _Conductor:
    """Carries out orders."""

    def __init__(
        self, stage: Stage, store: Store, control: Control, runner: Runner, host: str
    ) -> None:
        self.metadata = Metadata(stage)
        self._host = host
        self._relays: dict[str, Relay] = {}
        self._canaries: set[asyncio.Task[None]] = set()
        self.gate_listener: HttpListener | None = None
        self._stage = stage
        self._store = store
        self._control = control
        self._runner = runner

    def _say(self, emission: Emission) -> None:
        self._runner.send(Said(emission=emission))

    async def take(self, call: Call) -> None:
        """Carry out an order and answer it."""
        try:
            answer = await self._obey(call.id, call.order)
        except ServiceError as error:
            answer = Answer(id=call.id, error=str(error))
        self._runner.send(answer)

    def _execution(self) -> Execution:
        if self._stage.execution is None:
            raise ServiceError("no execution is going on; begin one first")
        return self._stage.execution

    async def _obey(self, number: int, order: Order) -> Answer:
        match order:
            case Begin():
                return Answer(id=number, objects=await self._begin(order))
            case End():
                return Answer(id=number, closed=await self._end())
            case OpenRelay():
                return Answer(id=number, address=await self._open_relay(order))
            case Arm(armed=rule):
                self._execution().rules.arm(rule)
                await self._control.push()
            case Disarm(rule=rule):
                self._execution().disarm(rule)
                await self._control.push()
            case _:
                self._carry_out(order)
        return Answer(id=number)

    def _carry_out(self, order: Order) -> None:
        """Do at once what needs no answer of its own."""
        match order:
            case AddPod():
                self._execution().add_pod(order)
            case Disturb(disturbance=disturbance):
                self._execution().disturbances.add(disturbance)
            case Calm(injection=injection):
                self._execution().disturbances.remove(injection)
            case Release(hold=hold, why=why):
                self._execution().release(hold, why)
            case EndHolds(uid=uid, why=why):
                self._execution().end_holds(uid, why)
            case Notify():
                self.metadata.notify(self._execution(), order)
            case Withdraw(node=node):
                self.metadata.withdraw(self._execution(), node)
            case Measure():
                self._measure(order)

    async def _begin(self, order: Begin) -> int | None:
        self.release_all()
        objects = None
        if not order.prepared:
            await self._store.create_bucket(order.bucket)
            objects = await self._store.count_objects(order.bucket)
        self.metadata.reset()
        self._stage.execution = Execution(order.execution, order.bucket, self._say, seed=order.seed)
        return objects

    def _measure(self, order: Measure) -> None:
        """Start canaries; a slow one must not keep other orders waiting."""
        task = asyncio.create_task(self._say_measured(self._execution(), order))
        self._canaries.add(task)
        task.add_done_callback(self._canaries.discard)

    @staticmethod
    async def _say_measured(execution: Execution, order: Measure) -> None:
        begun_ns = clock.monotonic_ns()
        fact = await canary.measure(order)
        execution.emit(GATE, f"proxy/{order.proxy}", fact, earliest_ns=begun_ns)

    async def _open_relay(self, order: OpenRelay) -> str:
        relay = self._relays.get(order.proxy)
        if relay is None:
            relay = Relay(self._stage, order.proxy, order.upstream)
            try:
                await relay.listen(self._host)
            except OSError as error:
                raise ServiceError(f"no relay for {order.upstream}: {error}") from error
            self._relays[order.proxy] = relay
        return relay.address

    def close_relays(self) -> None:
        """Take no more connections for services."""
        for relay in self._relays.values():
            relay.close()

    async def _end(self) -> dict[str, int]:
        execution = self._execution()
        execution.end_all_holds("death")
        await self._drain(execution)
        if self._canaries:
            # What a canary measured after the last fault is the receipt of its heal.
            _, late = await asyncio.wait(self._canaries, timeout=_DRAIN_S)
            for task in late:
                task.cancel()
        for relay in self._relays.values():
            relay.flush()
        execution.close()
        self._stage.execution = None
        return execution.last

    async def _drain(self, execution: Execution) -> None:
        """Let what dead pods have sent come to its end, so that it is stored and recorded or not.

        Their connections close once they are read to the end; others may stay open and idle.
        """
        loop = asyncio.get_running_loop()
        begun = quiet_since = loop.time()
        while loop.time() - begun < _DRAIN_S:
            await asyncio.sleep(_POLL_S)
            if execution.requests:
                quiet_since = loop.time()
            elif not self._has_connections() or loop.time() - quiet_since >= _QUIET_S:
                return
        for task in execution.requests:
            task.cancel()
        if execution.requests:
            await asyncio.wait(execution.requests, timeout=_CANCEL_S)

    def _has_connections(self) -> bool:
        return self.gate_listener is not None and bool(self.gate_listener.handlers.connections)

    def release_all(self) -> None:
        """End every hold and say nothing more of the execution."""
        if self._stage.execution is not None:
            self._stage.execution.close()
            self._stage.execution = None


def _create_signer(embedded: bool) -> Signer:
    if embedded:
        return Signer(_ANYONE, "us-east-1")
    session = botocore.session.get_session()
    found = session.get_credentials()
    if found is None:
        raise ServiceError(
            "no credentials for the store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    region = session.get_config_variable("region") or "us-east-1"
    return Signer(found, region)


async def _serve(
    runner: Runner,
    store_url: str | None,
    host: str,
    *,
    toxiproxy_seed: int | None = None,
    inside: bool = False,
) -> None:
    async with AsyncExitStack() as stack:
        embedded = store_url is None
        signer = _create_signer(embedded)
        tasks: set[asyncio.Task[None]] = set()
        within = InsideStore(application()) if embedded and inside else None
        if within is not None:
            listener = await listen(within.handle, host)
            stack.push_async_callback(listener.close)
            store_url = listener.url
        if store_url is None:
            child = await EmbeddedStore.start()
            stack.push_async_callback(child.end)
            store_url = child.url
            tasks.add(asyncio.create_task(_watch(child)))
        stage = Stage()
        store = Store(store_url, signer, within)
        stack.push_async_callback(store.close)
        control = Control(stage, runner.send)
        conductor = _Conductor(stage, store, control, runner, host)
        stack.callback(conductor.close_relays)
        address = await control.listen(host)
        stack.callback(control.close)
        gate = Gate(stage, store, strict=embedded)
        conductor.gate_listener = await listen(gate.handle, host)
        stack.push_async_callback(conductor.gate_listener.close)
        metadata = await listen(conductor.metadata.handle, host)
        stack.push_async_callback(metadata.close)
        stack.callback(conductor.release_all)
        ready = Ready(
            gate_url=conductor.gate_listener.url,
            control=address,
            metadata_url=metadata.url,
            store_url=store_url,
            boot=clock.boot_id(),
            toxiproxy_url=await _start_toxiproxy(stack, host, toxiproxy_seed),
        )
        tasks.add(asyncio.create_task(runner.serve(ready, conductor.take)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()


async def _start_toxiproxy(stack: AsyncExitStack, host: str, seed: int | None) -> str | None:
    """Start an embedded one where there is a seed for it; return the address of its API."""
    if seed is None:
        return None
    # Imported here: most scenarios need none.
    from chaosml.services.toxiproxy import Toxiproxy

    return (await stack.enter_async_context(Toxiproxy(host, 0, seed=seed))).url


async def _watch(child: EmbeddedStore) -> None:
    """Wait for the end of the store, with which everything in it is lost."""
    code = await child.wait()
    raise ServiceError(f"the embedded store ended with code {code}; was it killed?")


async def _run(
    connection: socket.socket,
    store_url: str | None,
    parent: int,
    *,
    toxiproxy_seed: int | None,
    inside: bool,
) -> int:
    """Serve until the runner has gone or a signal says to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The kernel sends SIGHUP when the thread that started us ends; the parent may live on.
    loop.add_signal_handler(signal.SIGHUP, lambda: stop.set() if os.getppid() != parent else None)
    if not end_with_parent(parent, signal.SIGHUP):
        return 1
    await _serve_until(stop, _serve_pipe(connection, store_url, toxiproxy_seed, inside))
    return 0


async def _serve_pipe(
    connection: socket.socket, store_url: str | None, toxiproxy_seed: int | None, inside: bool
) -> None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=_LINE_BYTES_MAX)
    with contextlib.closing(writer):
        await _serve(
            Pipe(reader, writer),
            store_url,
            "127.0.0.1",
            toxiproxy_seed=toxiproxy_seed,
            inside=inside,
        )


async def _run_in_pod(port: int, store_url: str | None, host: str) -> int:
    """Serve the first runner that connects, until it has gone; give up where none comes."""
    await _serve_until(asyncio.Event(), _serve_port(port, store_url, host))
    return 0


async def _serve_port(port: int, store_url: str | None, host: str) -> None:
    runner = Port()
    with contextlib.closing(runner):
        await runner.listen(port)
        await _serve(runner, store_url, host)


async def _serve_until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do the work until it ends or a signal says to stop."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    serving = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        serving.cancel()
        await asyncio.wait({serving})
    if not serving.cancelled() and (error := serving.exception()) is not None:
        raise error


def main(arguments: list[str] | None = None) -> int:
    """Run the services until their parent has gone; return the exit code."""
    parser = argparse.ArgumentParser(prog="chaosml.services.process")
    parser.add_argument("--socket", type=int, metavar="FD")
    parser.add_argument("--parent", type=int, metavar="PID")
    parser.add_argument("--runner-port", type=int, metavar="PORT")
    parser.add_argument("--host", metavar="ADDRESS")
    parser.add_argument("--store", metavar="URL")
    parser.add_argument("--toxiproxy", action="store_true", help="start an embedded one")
    parser.add_argument("--seed", type=int, default=0, help="of the embedded Toxiproxy")
    parser.add_argument("--inside", action="store_true", help="the store is in this process")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    in_pod = given.runner_port is not None and given.host is not None
    if not in_pod and (given.socket is None or given.parent is None):
        parser.error("give --socket and --parent, or --runner-port and --host")
    try:
        if in_pod:
            return asyncio.run(_run_in_pod(given.runner_port, given.store, given.host))
        connection = socket.socket(fileno=given.socket)
        seed = given.seed if given.toxiproxy else None
        running = _run(
            connection, given.store, given.parent, toxiproxy_seed=seed, inside=given.inside
        )
        return asyncio.run(running)
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
