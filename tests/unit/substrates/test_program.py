"""Which programs a fork of the kubelet may run."""

import os
import sys

import pytest

from chaosml.substrates.embedded.program import recognise

OWN = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train_here.py").write_text("print(1)")
    (tmp_path / "packed.py").write_bytes(b"PK\x03\x04")
    return tmp_path


def found(folder, *arguments, environment=OWN, interpreter=sys.executable):
    return recognise((interpreter, *arguments), environment, str(folder), own_environment=OWN)


def test_a_module_and_a_file_run_in_a_fork(folder, monkeypatch):
    # What is loaded already cannot be run as fresh; other tests may have loaded it.
    monkeypatch.delitem(sys.modules, "timeit", raising=False)
    assert found(folder, "-m", "timeit", "-n1").module == "timeit"
    assert found(folder, "train_here.py", "--steps", "3").file == "train_here.py"
    other_name = os.path.join(os.path.dirname(sys.executable), "python3")
    assert found(folder, "train_here.py", interpreter=other_name) is not None


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-c", "print(1)"),
        ("-u", "train_here.py"),
        ("-mtimeit",),
        ("-m",),
        ("-m", "json"),
        ("missing.py",),
        ("packed.py",),
        (".",),
        ("-",),
    ],
)
def test_on_any_doubt_a_fresh_interpreter_runs(folder, arguments):
    import json  # noqa: F401 - a module that is loaded already cannot be run as fresh

    assert found(folder, *arguments) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"PYTHONUNBUFFERED": "1"},
        {"OMP_NUM_THREADS": "2"},
        {"LD_PRELOAD": "x.so"},
        {"OPENBLAS_CORETYPE": "HASWELL"},
        {"MALLOC_ARENA_MAX": "2"},
        {"LC_ALL": "C"},
    ],
)
def test_a_variable_that_is_read_at_the_start_prevents_a_fork(folder, changed):
    assert found(folder, "train_here.py", environment={**OWN, **changed}) is None
    assert found(folder, "train_here.py", environment={}) is None
    assert found(folder, "train_here.py", environment={**OWN, "AWS_REGION": "x"}) is not None


def test_another_interpreter_is_not_forked(folder):
    assert found(folder, "train_here.py", interpreter="/usr/bin/env") is None


def test_a_folder_with_a_module_of_a_loaded_name_prevents_a_fork(folder):
    (folder / "json.py").write_text("")
    assert found(folder, "train_here.py") is None
    assert found(folder, "-m", "timeit") is None
