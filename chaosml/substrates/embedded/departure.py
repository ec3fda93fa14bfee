"""The end of a forked Python program: what an interpreter does at its end, and no more.

An interpreter takes itself apart when it ends, module by module. In a fork that means to
copy every page of what the parent has loaded, for nothing: 50 to 90 ms for numpy and
boto3. Here only what the program itself has brought goes, in the same order: threads that
are no daemons, `atexit`, the globals of `__main__` and of its modules with everything that
hangs on them (files are closed, `__del__` runs), standard output. Then the process ends.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
import types
import weakref
from collections.abc import Iterable
from typing import NoReturn

__all__ = ["depart"]

_FLUSH_FAILED = 120
"""Exit code of an interpreter that could not write what was left of its output."""
_AT_ONCE_S = 1000.0


def depart(status: object, loaded_before: Iterable[str]) -> NoReturn:
    """End this process as an interpreter that leaves with `SystemExit(status)` does.

    Args:
        status: None, a number, or something to be shown on standard error.
        loaded_before: Names of the modules that the parent had loaded.
    """
    code = _code_of(status)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    # Daemons that wake up now find no globals; an interpreter would not let them run at all.
    sys.setswitchinterval(_AT_ONCE_S)
    threading.excepthook = _say_nothing
    own = {*set(sys.modules).difference(loaded_before), "__main__"}
    left = [weakref.ref(sys.modules.pop(name)) for name in own]
    gc.collect()
    _clear(module for reference in left if (module := reference()) is not None)
    gc.collect()
    if not all([_flush(stream) for stream in (sys.stdout, sys.stderr)]):
        code = _FLUSH_FAILED
    os._exit(code)


def _code_of(status: object) -> int:
    if status is None:
        return 0
    if isinstance(status, int):
        return status & 0xFF
    _flush(sys.stdout)
    try:
        sys.stderr.write(f"{status}\n")
    except (OSError, ValueError, AttributeError):
        return 1
    return 1


def _say_nothing(arguments: object) -> None:
    """Take an exception of a thread that has lost its globals."""


def _clear(modules: Iterable[types.ModuleType]) -> None:
    """Drop what modules hold: first the private names, as an interpreter does it."""
    for module in modules:
        names = vars(module)
        for private in (True, False):
            for name in list(names):
                if name != "__builtins__" and name.startswith("_") is private:
                    names[name] = None


def _flush(stream: object) -> bool:
    """Write what is buffered; a stream that was closed or taken away has nothing."""
    if stream is None or getattr(stream, "closed", False):
        return True
    try:
        stream.flush()  # type: ignore[attr-defined]
    except (OSError, ValueError) as error:
        if stream is sys.stderr:
            return True
        # The words of the interpreter, which it gives nobody to say.
        sys.stderr.write(f"Exception ignored in: {stream!r}\n{type(error).__name__}: {error}\n")
        return False
    return True
