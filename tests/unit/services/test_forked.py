"""A process that is forked and has the manners of one that was started."""

import os
import signal
import subprocess

import pytest

from chaosml.services.forked import ForkedProcess

# The processes that run the tests have threads, which the forked ones do not use.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture
def pipes():
    """Two pipes: one that the processes write into, and one that they read from to wait."""
    opened = [*os.pipe(), *os.pipe()]
    yield opened
    for descriptor in opened:
        os.close(descriptor)


def test_it_ends_with_what_the_function_returns_and_says_where_it_was_told_to(pipes):
    said, output, *_ = pipes
    process = ForkedProcess(lambda: os.write(1, b"hello"), output=output, keep=())
    assert process.wait(10) == process.wait(10) == process.poll() == 5
    assert os.read(said, 100) == b"hello"


def test_it_has_what_it_keeps_and_nothing_else(pipes):
    said, output, kept, lost = pipes

    def find():
        found = sorted(int(name) for name in os.listdir("/proc/self/fd"))
        os.write(1, repr([one for one in found if one in (kept, lost)]).encode())
        return 0

    ForkedProcess(find, output=output, keep=(kept,)).wait(10)
    assert os.read(said, 100) == repr([kept]).encode()


def test_one_that_does_not_end_is_waited_for_no_longer_than_was_said(pipes):
    _, output, waited_for, _ = pipes
    process = ForkedProcess(lambda: len(os.read(waited_for, 1)), output=output, keep=(waited_for,))
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM


def test_what_it_raises_is_printed(pipes):
    said, output, *_ = pipes
    process = ForkedProcess(lambda: 1 // 0, output=output, keep=())
    assert process.wait(10) == 70
    assert b"ZeroDivisionError" in os.read(said, 10_000)
