"""States handed to workers that answer, die or are told to stop."""

import contextlib
import socket
import threading

import msgspec
import pytest

from chaosml.errors import HarnessError
from chaosml.sweep.nursery import log_of
from chaosml.sweep.pool import Pool
from chaosml.sweep.result import StateResult
from chaosml.sweep.worker import Assignment, Task
from chaosml.verdict import Status


class Workers:
    """A nursery whose workers are threads: each dies of the states that it is told to die of."""

    def __init__(self, *deadly: tuple[int, ...]) -> None:
        pairs = [socket.socketpair() for _ in deadly]
        self.connections = [ours for ours, _ in pairs]
        self.assignment: Assignment | None = None
        self.terminated = False
        self.threads = [
            threading.Thread(target=self._work, args=(theirs, states))
            for (_, theirs), states in zip(pairs, deadly, strict=True)
        ]

    def _work(self, connection: socket.socket, deadly: tuple[int, ...]) -> None:
        # Who is terminated may be in the middle of an answer.
        with (
            contextlib.suppress(BrokenPipeError),
            connection,
            connection.makefile("rwb") as lines,
        ):
            while line := lines.readline():
                task = msgspec.json.decode(line, type=Task)
                if task.state in deadly:
                    return
                result = StateResult(state=task.state, view=task.view, status=Status.PASS)
                lines.write(msgspec.json.encode(result) + b"\n")
                lines.flush()

    def begin(self, assignment: Assignment) -> None:
        self.assignment = assignment
        for thread in self.threads:
            thread.start()

    def terminate(self) -> None:
        self.terminated = True
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        for connection in self.connections:
            connection.close()
        for thread in self.threads:
            thread.join(10)


def pool_of(folder, *deadly):
    workers = Workers(*deadly)
    told = Assignment(
        directory=str(folder), scenario="s", workspace="w", mark="m", count=len(deadly)
    )
    return workers, Pool(workers, told)


def tasks(*states):
    return [Task(state=state, view="restarted") for state in states]


def test_every_state_gets_its_result(tmp_path):
    workers, pool = pool_of(tmp_path, (), ())
    results = list(pool.run(tasks(1, 2, 3, 4, 5)))
    assert sorted(one.state for one in results) == [1, 2, 3, 4, 5]
    assert {one.status for one in results} == {Status.PASS}
    assert not workers.terminated, "they end by themselves, so that all that they started ends"


def test_the_state_of_a_worker_that_dies_is_unknown_and_the_others_are_tested(tmp_path):
    log_of(tmp_path, 1).write_text("worker 1 ended with -9\n")
    log_of(tmp_path, 2).write_text("worker 2 ended with -9\n")
    _, pool = pool_of(tmp_path, (2,), (2,))
    results = {one.state: one for one in pool.run(tasks(1, 2, 3))}
    assert {state: one.status for state, one in results.items()} == {
        1: Status.PASS,
        2: Status.UNKNOWN,
        3: Status.PASS,
    }
    assert results[2].problem.startswith("could not be executed: worker ")
    assert results[2].problem.endswith("ended with -9")


def test_without_a_worker_the_rest_is_an_error_of_the_harness(tmp_path):
    _, pool = pool_of(tmp_path, (1,))
    with pytest.raises(HarnessError, match="no worker is left for 1 states: worker 1 ended"):
        list(pool.run(tasks(1, 2)))


def test_who_wants_no_more_results_has_the_workers_terminated(tmp_path):
    workers, pool = pool_of(tmp_path, ())
    results = pool.run(tasks(1, 2, 3))
    assert next(results).state == 1
    results.close()
    assert workers.terminated


def test_without_states_nobody_is_started(tmp_path):
    workers, pool = pool_of(tmp_path)
    assert list(pool.run([])) == []
    assert workers.assignment is None
