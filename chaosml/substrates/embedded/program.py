"""A pod's Python program inside a forked interpreter that has its libraries loaded.

Starting Python, numpy and boto3 costs more than most steps of a small pipeline. A
fork of the kubelet has them loaded. It is used only where the program cannot tell
it from a fresh interpreter by what it does:

- only `python -m MODULE …` and `python FILE …`, with the kubelet's own interpreter;
- not where the environment sets what an interpreter or a library reads once, at its
  start, to something else than the kubelet's own;
- not where a module of the program's folder has the name of a loaded one.

Known differences that remain: `/proc/PID/cmdline` and `/proc/PID/environ` show the
kubelet's, more modules are in `sys.modules`, and the pods of one execution share
the seed of `hash()` and the layout of their memory. Every execution has a kubelet of
its own, so that an effect of either shows between executions.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.machinery
import os
import runpy
import signal
import site
import sys
import tempfile
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Become", "PythonProgram", "enter", "preload", "recognise"]

_AT_START = (
    "PYTHON",
    "LD_",
    "LC_",
    "LANG",
    "OMP_",
    "GOMP_",
    "KMP_",
    "OPENBLAS",
    "GOTO",
    "BLIS_",
    "MKL",
    "NPY_",
    "NUMPY_",
    "MALLOC",
    "GLIBC_",
    "OPENSSL_",
    "SSL_",
)
"""Beginnings of the variables that are read when an interpreter or a library starts."""
_OWN_FRAMES = 2
"""Of `PythonProgram.run` and what it calls; a traceback does not show them."""


@dataclass(frozen=True, slots=True)
class PythonProgram:
    """What a forked interpreter shall run: a module or a file, with its arguments."""

    module: str | None
    file: str | None
    argv: tuple[str, ...]
    """The whole command line, the interpreter first."""

    def run(self) -> None:
        """Run as `__main__`, ending as the interpreter ends: by SystemExit or a signal.

        Raises:
            SystemExit: as the program wishes, or 1 after an exception that it did not catch.
        """
        main = types.ModuleType("__main__")
        main.__dict__["__builtins__"] = builtins
        if hasattr(sys.modules["__main__"], "__annotations__"):
            main.__annotations__ = {}
        sys.modules["__main__"] = main
        sys.orig_argv = list(self.argv)
        sys.executable = self.argv[0]
        try:
            if self.module is not None:
                sys.argv = ["-m", *self.argv[3:]]
                sys.path[0] = os.getcwd()
                _run_module(self.module)
            elif self.file is not None:
                sys.argv = list(self.argv[1:])
                sys.path[0] = os.path.dirname(os.path.realpath(self.file))
                _run_file(self.file, main)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - what the program raises is its output
            trace = error.__traceback__
            for _ in range(_OWN_FRAMES):
                trace = None if trace is None else trace.tb_next
            sys.excepthook(type(error), error.with_traceback(trace), trace)
            raise SystemExit(1) from None


class Become(BaseException):
    """Unwinds a forked child to the bottom of its stack, where the program then runs."""

    def __init__(self, program: PythonProgram) -> None:
        self.program = program


def _run_module(module: str) -> None:
    # The very function that `python -m` calls; the public ones leave `__main__` another way.
    runpy._run_module_as_main(module)  # type: ignore[attr-defined]


def _run_file(file: str, main: types.ModuleType) -> None:
    loader = importlib.machinery.SourceFileLoader("__main__", file)
    main.__dict__.update(__file__=file, __cached__=None, __loader__=loader)
    with open(file, "rb") as source:
        code = compile(source.read(), file, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def preload() -> tuple[str, ...]:
    """Load what training programs load; return the names of what is there."""
    import argparse  # noqa: F401 - for the forks

    loaded = []
    for name, warm in (("numpy", _warm_numpy), ("boto3", _warm_boto3)):
        try:
            importlib.import_module(name)
            warm()
        except ImportError:
            continue
        loaded.append(name)
    return tuple(loaded)


def _warm_numpy() -> None:
    """Load what annotations of arrays need."""
    importlib.import_module("numpy.typing")


def _warm_boto3() -> None:
    """Make a client once: botocore imports most of itself only then. Nothing is sent."""
    import boto3.session

    _keep_models()
    _keep_services()
    boto3.session.Session().client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )


def _keep_models() -> None:
    """Let botocore read each file of its own models once: every session reads them anew.

    Half of the time of making a client goes into that, and the files do not change. Models
    that a program brings itself are read as ever.
    """
    import botocore.hooks
    import botocore.loaders

    loader = botocore.loaders.JSONFileLoader
    own = os.path.join(botocore.loaders.Loader.BUILTIN_DATA_PATH, "")

    def keep(read: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
        kept: dict[str, Any] = {}

        def read_once(self: Any, file_path: str) -> Any:
            if not file_path.startswith(own):
                return read(self, file_path)
            if file_path not in kept:
                kept[file_path] = read(self, file_path)
            return kept[file_path]

        return read_once

    own_reader: Any = loader  # its methods are replaced, which no type allows
    own_reader.load_file = keep(loader.load_file)
    own_reader.exists = keep(loader.exists)
    botocore.hooks.accepts_kwargs = functools.cache(botocore.hooks.accepts_kwargs)


def _keep_services() -> None:
    """Let botocore list once which services it and boto3 bring: every client lists them anew.

    Where a pod has models of its own, they are looked for as ever.
    """
    import boto3
    import botocore.loaders

    loader: Any = botocore.loaders.Loader
    look = loader.list_available_services
    brought = {loader.BUILTIN_DATA_PATH, os.path.join(os.path.dirname(boto3.__file__), "data")}
    kept: dict[tuple[str, frozenset[str]], list[str]] = {}

    def list_once(self: Any, type_name: str) -> list[str]:
        places = frozenset(path for path in self.search_paths if os.path.isdir(path))
        if not places <= brought:
            return list(look(self, type_name))
        if (type_name, places) not in kept:
            kept[type_name, places] = look(self, type_name)
        return list(kept[type_name, places])

    loader.list_available_services = list_once


def recognise(
    argv: tuple[str, ...],
    environment: Mapping[str, str],
    folder: str,
    *,
    own_environment: Mapping[str, str],
) -> PythonProgram | None:
    """Return the program if a fork of this interpreter may run it, else None.

    Args:
        argv: The command line; its first element is a path.
        environment: All of the pod's variables.
        folder: The pod's working directory.
        own_environment: What this interpreter was started with.
    """
    if len(argv) < 2 or not _is_this_interpreter(argv[0]):
        return None
    if _differs_at_start(environment, own_environment):
        return None
    if argv[1] == "-m":
        if len(argv) < 3 or argv[2].startswith("-") or argv[2] in sys.modules:
            return None
        return None if _shadows(folder) else PythonProgram(argv[2], None, argv)
    file = os.path.join(folder, argv[1])
    if argv[1].startswith("-") or not os.path.isfile(file) or _is_archive(file):
        return None
    if _shadows(os.path.dirname(os.path.realpath(file))):
        return None
    return PythonProgram(None, argv[1], argv)


def enter(environment: Mapping[str, str]) -> None:
    """Make this forked interpreter look freshly started, with this environment."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    # As the interpreter does when it starts; everything else has its default again.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    importlib.invalidate_caches()
    site.USER_BASE = site.USER_SITE = None
    site.getusersitepackages()
    tempfile.tempdir = None
    if "numpy" in sys.modules:
        # The standard library's generator seeds itself anew after a fork, numpy's does not.
        sys.modules["numpy"].random.seed()


def _is_this_interpreter(path: str) -> bool:
    """Whether the path is ours under one of its names (python, python3, …)."""
    return os.path.dirname(path) == os.path.dirname(sys.executable) and os.path.realpath(
        path
    ) == os.path.realpath(sys.executable)


def _differs_at_start(environment: Mapping[str, str], own: Mapping[str, str]) -> bool:
    names = {name for name in (*environment, *own) if name.startswith(_AT_START)}
    return any(environment.get(name) != own.get(name) for name in names)


def _is_archive(file: str) -> bool:
    """Whether the interpreter would look for `__main__` inside; unreadable counts as such."""
    try:
        with open(file, "rb") as source:
            head = source.read(4)
    except OSError:
        return True
    return head[:2] == b"PK" or file.endswith(".pyc") or b"\0" in head


def _shadows(folder: str) -> bool:
    """Whether the folder has a module of the name of a loaded one."""
    try:
        names = {name.partition(".")[0] for name in os.listdir(folder)}
    except OSError:
        return True
    return not names.isdisjoint(sys.modules)
