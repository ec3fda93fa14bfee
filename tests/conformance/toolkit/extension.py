"""An extension of the Chaos Toolkit whose functions do what no function should."""

import os
import signal
import sys
import threading


def well(what="done", secrets=None):
    sys.stdout.write("an extension may print\n")
    return {"what": what, "token": (secrets or {}).get("token")}


def value(of):
    return of


def raises():
    raise RuntimeError("the cloud said no")


def leaves():
    sys.exit(0)


def vanishes():
    os._exit(0)


def hangs():
    threading.Event().wait()


def nonsense():
    return object()


def endless():
    found = []
    found.append(found)
    return found


def kills(pid):
    os.kill(int(pid), signal.SIGKILL)
