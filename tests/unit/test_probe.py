"""The probe: its wire format, its chain, its manners on the control channel."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from chaosml import probe

STEPS = """
from chaosml import probe
probe.ready()
probe.restore(0)
probe.step(1, batch=[4, 2], loss=0.5)
probe.step(2, batch=b"xy", state="abc")
probe.checkpoint(2, key="k", digest="d")
probe.done(2)
"""


def run(program: str, **environment: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        check=True,
        timeout=20,
    )
    lines = done.stderr.decode().splitlines()
    assert all(line.startswith("@chaosml ") for line in lines)
    return [json.loads(line.removeprefix("@chaosml ")) for line in lines]


def test_every_line_carries_version_number_clock_and_process():
    lines = run(STEPS)
    assert [line["event"] for line in lines] == [
        "ready",
        "restore",
        "step",
        "step",
        "checkpoint",
        "done",
    ]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert {line["v"] for line in lines} == {1}
    assert len({(line["pid"], line["boot"], line["rank"]) for line in lines}) == 1
    stamps = [line["mono_ns"] for line in lines]
    assert stamps == sorted(stamps)


def test_a_loss_is_written_exactly():
    assert float.fromhex(run(STEPS)[2]["loss"]) == 0.5


def test_a_commit_carries_the_chain_of_steps_since_the_restore():
    commit = run(STEPS)[4]
    assert (commit["phase"], commit["chain_from"], commit["chain_length"]) == ("commit", 0, 2)
    skipped = run(STEPS.replace("probe.step(1, batch=[4, 2], loss=0.5)\n", ""))[3]
    assert skipped["chain"] != commit["chain"]


def test_a_line_is_never_longer_than_a_pipe_takes_at_once():
    done = subprocess.run(
        [sys.executable, "-c", "from chaosml import probe; probe.point('x' * 10000)"],
        stderr=subprocess.PIPE,
        check=True,
        timeout=20,
    )
    assert len(done.stderr) == 4096
    assert done.stderr.endswith(b"\n")


def test_a_closed_standard_error_does_not_end_the_training():
    program = "import os; os.close(2)\n" + STEPS + "\nprint('alive')"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, timeout=20
    )
    assert done.stdout == b"alive\n"


class Harness(threading.Thread):
    """A control channel that arms one rule and releases whoever waits there."""

    def __init__(self, armed: list[dict], release: bool = True) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.armed, self.release = armed, release
        self.heard: list[dict] = []
        self.start()

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection, self.listener, connection.makefile("rw") as lines:
            self.heard.append(json.loads(lines.readline()))
            print(json.dumps({"armed": self.armed}), file=lines, flush=True)
            for line in lines:
                self.heard.append(json.loads(line))
                if self.release and "hold" in self.heard[-1]:
                    rule = self.heard[-1]["hold"]
                    print(json.dumps({"release": rule}), file=lines, flush=True)


def test_the_probe_waits_at_an_armed_step_and_only_there():
    harness = Harness([{"rule": "t1.x", "event": "step", "fields": {"step": 2}, "hold_s": 5}])
    run(STEPS, CHAOSML_CONTROL=harness.address, CHAOSML_POD="pod-7")
    harness.join(timeout=10)
    hello, clock, *holds = harness.heard
    assert hello["hello"] == "pod-7"
    assert set(clock) == {"mono_ns", "boot"}
    assert [(hold["hold"], hold["event"]["step"]) for hold in holds] == [("t1.x", 2)]


def test_a_hold_that_nobody_ends_lets_the_program_go_on():
    harness = Harness([{"rule": "r", "event": "done", "hold_s": -0.8}], release=False)
    assert run(STEPS, CHAOSML_CONTROL=harness.address)[-1]["event"] == "done"


def test_an_unreachable_control_channel_changes_nothing():
    assert len(run(STEPS, CHAOSML_CONTROL="127.0.0.1:1")) == 6


def test_a_digest_depends_on_names_types_shapes_and_values_alone():
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    reference = probe.digest({"model/w": array, "model/b": np.zeros(3)})
    assert probe.digest({"model/b": np.zeros(3), "model/w": array.copy()}) == reference
    assert probe.digest({"model/w": array.astype(">f4"), "model/b": np.zeros(3)}) == reference
    for other in (array.astype("f8"), array.reshape(3, 2), array + 1):
        assert probe.digest({"model/w": other, "model/b": np.zeros(3)}) != reference


def test_a_digest_of_a_scalar_differs_from_that_of_an_array_of_one():
    assert probe.digest({"step": np.int64(3)}) != probe.digest({"step": np.array([3])})


@pytest.mark.parametrize("module", ["socket", "json", "hashlib", "dataclasses", "typing"])
def test_importing_the_probe_brings_no_module_that_costs(module: str):
    program = f"import sys, chaosml.probe; sys.exit({module!r} in sys.modules)"
    source = pathlib.Path(probe.__file__).parents[1]
    subprocess.run(
        [sys.executable, "-S", "-c", program],
        check=True,
        timeout=20,
        env={"PYTHONPATH": str(source), "PATH": os.environ["PATH"]},
    )
