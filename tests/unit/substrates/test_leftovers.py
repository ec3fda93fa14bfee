"""Whose processes recovery may touch."""

import os

from chaosml.substrates.embedded import leftovers, procfs


def recognise(environment, pid=None):
    process = procfs.read_process(pid or os.getpid())
    return leftovers._recognise(process, environment)


def test_a_process_without_our_marks_is_never_recognised():
    assert recognise({}) is None
    assert recognise({"CHAOSML_RUN": "r"}) is None
    assert recognise({"CHAOSML_RUN": "r", "CHAOSML_OWNER_PID": "x"}) is None


def test_what_a_live_runner_owns_is_not_left_over():
    assert recognise(leftovers.marks("r")) is None
    assert recognise({"CHAOSML_RUN": "r", "CHAOSML_OWNER_PID": str(os.getppid())}) is None


def test_an_owner_whose_process_id_another_process_has_now_is_dead():
    marks = {**leftovers.marks("r"), "CHAOSML_OWNER_START": "1"}
    assert recognise(marks) == leftovers.Leftover(os.getpid(), "r", os.getpid())


def test_processes_of_other_users_are_never_touched(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert recognise({**leftovers.marks("r"), "CHAOSML_OWNER_START": "1"}) is None
