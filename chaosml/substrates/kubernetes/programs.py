"""The user's program inside of a pod, reached by exec into its main container.

Argo's executor is process 1 there; the program is its child and leads a process group.
A signal that can be handled goes to the executor, which passes it on to the group: that is
how Argo itself does it, with its own `argoexec kill`, and needs nothing of the image. It
cannot pass on SIGKILL and SIGSTOP, so a shell in the container sends those; nothing but its
built-in commands and `/proc` is used.

Sources: argo-workflows workflow/signal/signal.go, cmd/argoexec/commands/{kill,emissary}.go.
"""

from __future__ import annotations

import signal as signals

from chaosml.errors import FaultRefused, SubstrateError
from chaosml.substrates.kubernetes.api import Api
from chaosml.substrates.kubernetes.pods import MAIN, Pod
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["Programs"]

_ARGOEXEC = "/var/run/argo/argoexec"
_BY_SHELL = frozenset({"SIGKILL", "SIGSTOP"})
_NOT_FOUND = 404
_FORBIDDEN = 403
_NO_SHELL = "executable file not found", "no such file or directory"
_GONE = "container not found", "not running", "is not created or running", "not found in pod"

# Called with the number of the signal; the last line says what became of it. After a SIGKILL
# that is the word before it: the shell ends with the container. Who is just starting another
# program (vfork) cannot be stopped while its child, stopped, does not get to its exec: both go
# on, for as long as it takes to look around once, and are stopped again.
_SHELL = """
n=$1
main=
for d in /proc/[0-9]*; do
  { read -r line < "$d/stat"; } 2>/dev/null || continue
  p=${d#/proc/}
  set -- ${line##*) }
  [ "$2" = 1 ] && [ "$3" = "$p" ] && [ "$1" != Z ] || continue
  if [ -z "$main" ] || [ "$p" -lt "$main" ]; then main=$p; fi
done
[ -n "$main" ] || { echo none; exit 0; }
echo sent
kill "-$n" "-$main" || { echo refused; exit 1; }
[ "$n" = 19 ] || exit 0
i=0
while [ $i -lt 1000 ]; do
  i=$((i + 1)); all=0; still=0
  if [ $((i % 50)) = 0 ]; then
    kill -18 "-$main"
    for d in /proc/[0-9]*; do { read -r line < "$d/stat"; } 2>/dev/null; done
    kill "-$n" "-$main"
  fi
  for d in /proc/[0-9]*; do
    { read -r line < "$d/stat"; } 2>/dev/null || continue
    set -- ${line##*) }
    [ "$3" = "$main" ] && [ "$1" != Z ] || continue
    all=$((all + 1))
    case $1 in T|t) still=$((still + 1));; esac
  done
  if [ $all -gt 0 ] && [ $all = $still ]; then echo "stopped $still"; exit 0; fi
done
echo moving
"""


class Programs:
    """Sends signals to the programs in the pods of one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def send(self, pod: Pod, signal: str) -> bool:
        """Send a signal to a program; return False where none runs.

        Raises:
            FaultRefused: the signal needs a shell, and the image has none.
            SubstrateError: the API refused the call, or the command failed.
        """
        number = str(int(signals.Signals[signal]))
        if signal in _BY_SHELL:
            return self._run_shell(pod, number, signal) != "none"
        return self._run(pod, (_ARGOEXEC, "kill", number, "1")) is not None

    def stop(self, pod: Pod) -> int:
        """Stop a program where it is; return how many processes stand still, 0 where none runs.

        Raises:
            FaultRefused: the image has no shell, or the processes would not stand still.
            SubstrateError: the API refused the call, or the command failed.
        """
        word, _, count = self._run_shell(pod, "19", "SIGSTOP").partition(" ")
        if word == "moving":
            raise FaultRefused(
                "not-stopped", f"processes of pod {pod.name} went on running after SIGSTOP"
            )
        return int(count) if word == "stopped" else 0

    def _run_shell(self, pod: Pod, number: str, signal: str) -> str:
        said = self._run(pod, ("sh", "-c", _SHELL, "sh", number), needs_shell=signal)
        return "none" if said is None else _last_line(said)

    def _run(self, pod: Pod, command: tuple[str, ...], *, needs_shell: str = "") -> str | None:
        """Return what a command in the main container printed; None where that has ended."""
        try:
            ran = self._api.run(self._namespace, pod.name, MAIN, command)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            if error.status == _FORBIDDEN:
                raise SubstrateError(
                    f"no permission to run a command in pod {pod.name}; "
                    "`chaosml doctor` prints the Role"
                ) from error
            raise
        if ran.code == 0 or _last_line(ran.output) == "sent":
            return ran.output
        said = (ran.message or ran.output).strip()
        if any(words in said for words in _GONE):
            return None
        if needs_shell and any(words in said for words in _NO_SHELL):
            raise FaultRefused(
                "no-shell",
                f"{needs_shell} is sent by a shell in the container, and the image of pod "
                f"{pod.name} has none; a signal that a program can handle, such as SIGTERM, goes "
                "through Argo's executor and needs none",
            )
        if ran.code is not None and "process already finished" in said:
            return None
        raise SubstrateError(f"the command {command[0]} failed in pod {pod.name}: {said}")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.split("\n")) if line), "none")
