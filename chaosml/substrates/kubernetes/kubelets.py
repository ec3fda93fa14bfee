"""The kubelets of kind's workers, made to do what they do when their machine is in trouble.

    shutdown   the kubelet is configured for graceful shutdown, and told of one
    pressure   a soft threshold just below what is free, then a file that takes more than that
    silence    the kubelet is stopped; its containers run on

The kubelet and its words are real. Its configuration is a copy in `/run` that a drop-in of systemd
names: the machine's own is never touched, and a machine that starts anew knows nothing of ours.
A mark beside it, with the namespace of the run, is made first and removed last: by it the
next run, or `chaosml recover`, knows what a dead one left.
"""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from chaosml import clock
from chaosml.errors import FaultRefused, SubstrateError
from chaosml.substrates.kubernetes.api import Objects, path_of
from chaosml.substrates.kubernetes.machines import Machines
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["MARK", "Kubelets"]

MARK = "/run/chaosml/by"
"""File on a node with the namespace of the run that has changed its kubelet."""
_LOGIN_MANAGER = pathlib.Path(__file__).with_name("login_manager.pl")
_CRITICAL_S = 5
"""What is left for critical pods: nobody waits for them, the machine goes with the others."""
_BACK_S = 30.0
"""How long a kubelet may take to start and to know its pods again."""
_POLL_S = 0.2
_ADMITTED_S = 0.5
"""From the moment that a kubelet names its pods until it has admitted each of them."""
_MARGIN = {"memory": 256 << 20, "ephemeral-storage": 256 << 20, "inodes": 2000}
"""How far below what is free a threshold is: what others take meanwhile must not reach it."""
_READ = "cat /var/lib/kubelet/config.yaml"
_MARK = f'mkdir -p /run/chaosml && echo "$1" > {MARK}'
_CONFIGURE = """
set -e
cat > /run/chaosml/kubelet.yaml
mkdir -p /run/systemd/system/kubelet.service.d
cat > /run/systemd/system/kubelet.service.d/90-chaosml.conf <<'END'
[Service]
Environment=DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/chaosml/bus
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS \
$KUBELET_EXTRA_ARGS --config=/run/chaosml/kubelet.yaml
END
systemctl daemon-reload
"""
_LISTEN = """
cat > /run/chaosml/login-manager.pl
cd /run/chaosml
command -v perl >/dev/null || { echo "no perl"; exit 0; }
mkfifo tell
setsid perl login-manager.pl bus <> tell > said 2>&1 &
echo $! > pid
i=0
while [ $i -lt 50 ] && ! grep -q listening said; do i=$((i + 1)); sleep 0.1; done
cat said
"""
_WATCHED = """
i=0
while [ $i -lt 200 ] && ! grep -q watching /run/chaosml/said; do i=$((i + 1)); sleep 0.1; done
cat /run/chaosml/said
"""
_TELL = "echo > /run/chaosml/tell"
_RESTART = "systemctl restart kubelet"
_STOP = "systemctl stop kubelet"
_FILL = {
    "memory": 'fallocate -l "$1" /run/chaosml/fill',
    "ephemeral-storage": 'fallocate -l "$1" /var/lib/kubelet/chaosml-fill',
    "inodes": (
        "mkdir -p /var/lib/kubelet/chaosml-fill && cd /var/lib/kubelet/chaosml-fill && "
        'seq "$1" | xargs touch'
    ),
}
_RELIEVE = "rm -rf /run/chaosml/fill /var/lib/kubelet/chaosml-fill"
_RESTORE = f"""
{_RELIEVE}
rm -f /run/systemd/system/kubelet.service.d/90-chaosml.conf
rmdir /run/systemd/system/kubelet.service.d 2>/dev/null
systemctl daemon-reload
systemctl restart kubelet || exit 1
if [ -s /run/chaosml/pid ]; then kill "$(cat /run/chaosml/pid)"; fi
rm -rf /run/chaosml
"""


class Kubelets:
    """The kubelets that one run has changed. Not for two threads and one node at once."""

    def __init__(self, api: Objects, machines: Machines, namespace: str) -> None:
        self._api = api
        self._machines = machines
        self._namespace = namespace
        self._changed: set[str] = set()
        self._restored: set[str] = set()

    def __contains__(self, node: str) -> bool:
        return node in self._changed

    @property
    def changed(self) -> tuple[str, ...]:
        """The nodes whose kubelets are not as they were."""
        return tuple(sorted(self._changed))

    def forget(self, node: str) -> None:
        """Know that a machine died: it starts without what we changed."""
        self._changed.discard(node)
        self._restored.discard(node)

    # --- shutdown ---

    def prepare_shutdown(self, node: str, grace_s: float) -> None:
        """Configure a kubelet for a shutdown; it does not know that yet.

        Args:
            node: Its node.
            grace_s: What ordinary pods get.

        Raises:
            FaultRefused: the node has no means to tell its kubelet.
        """
        whole_s = max(1, round(grace_s))
        self._configure(
            node,
            {
                "shutdownGracePeriod": f"{whole_s + _CRITICAL_S}s",
                "shutdownGracePeriodCriticalPods": f"{_CRITICAL_S}s",
            },
        )
        said = self._machines.run(node, _LISTEN, data=_LOGIN_MANAGER.read_text(encoding="utf-8"))
        if "listening" not in said:
            self.restore(node)
            raise FaultRefused(
                "no-login-manager",
                f"the kubelet of {node} hears of a shutdown by D-Bus, for which perl is needed on "
                f"the node: {said.strip() or 'it did not start'}",
            )

    def shut_down(self, node: str, uids: Collection[str]) -> int:
        """Tell a prepared kubelet that its machine shuts down; return when that was.

        Args:
            node: Its node.
            uids: Pods that it must know again before that: whom it does not know yet it would
                turn away instead of ending it.

        Raises:
            SubstrateError: the kubelet did not come back, or does not listen.
        """
        self._restart(node, uids)
        said = self._machines.run(node, _WATCHED)
        if "watching" not in said:
            raise SubstrateError(f"the kubelet of {node} does not watch for a shutdown")
        at_ns = clock.monotonic_ns()
        self._machines.run(node, _TELL)
        return at_ns

    # --- pressure ---

    def prepare_pressure(self, node: str, resource: str, grace_s: float) -> int:
        """Configure a threshold just below what is free; return how much takes that away.

        A soft threshold in any case: a hard one would make the node smaller than its pods ask.

        Raises:
            FaultRefused: there is no way to make this resource scarce here.
        """
        if resource not in _FILL:
            raise FaultRefused(
                "resource-not-on-kind",
                f"{resource} cannot be made scarce on a node of kind; memory, ephemeral-storage "
                "and inodes can",
            )
        signal, free = self._free(node, resource)
        margin = _MARGIN[resource]
        if free < 4 * margin:
            raise FaultRefused("nothing-to-take", f"node {node} has only {free} of {resource} left")
        threshold = free - margin
        self._configure(
            node,
            {
                "evictionSoft": {signal: str(threshold)},
                # Without any delay of its own a kubelet treats it as a hard one.
                "evictionSoftGracePeriod": {signal: "1s" if grace_s > 0 else "0s"},
                "evictionMaxPodGracePeriod": max(1, round(grace_s)),
            },
        )
        return 3 * margin

    def press(self, node: str, resource: str, amount: int, uids: Collection[str]) -> int:
        """Let a prepared node run short; return when that began.

        Raises:
            SubstrateError: the kubelet did not come back.
        """
        self._restart(node, uids)
        at_ns = clock.monotonic_ns()
        self._machines.run(node, _FILL[resource], str(amount))
        return at_ns

    def evicts(self, uid: str) -> bool:
        """Whether a kubelet has said that it evicts a pod."""
        chosen = f"involvedObject.uid={uid},reason=Evicted"
        path = path_of("events", namespace=self._namespace)
        return bool(self._api.get(path, fieldSelector=chosen).get("items"))

    def relieve(self, node: str) -> None:
        """Give back what was taken away; the kubelet keeps its thresholds."""
        self._machines.run(node, _RELIEVE)

    def _free(self, node: str, resource: str) -> tuple[str, int]:
        """Return the kubelet's name of what is free, and how much that is."""
        said = self._api.get(f"{path_of('nodes', name=node)}/proxy/stats/summary")["node"]
        match resource:
            case "memory":
                return "memory.available", int(said["memory"]["availableBytes"])
            case "inodes":
                return "nodefs.inodesFree", int(said["fs"].get("inodesFree") or 0)
            case _:
                return "nodefs.available", int(said["fs"]["availableBytes"])

    # --- silence ---

    def silence(self, node: str) -> None:
        """Stop a kubelet: the containers of its node run on, and nobody hears of them."""
        self._mark(node)
        self._machines.run(node, _STOP)

    def restore(self, node: str) -> None:
        """Let a kubelet run as it did before; twice does no harm."""
        self._machines.run(node, _RESTORE)
        self._changed.discard(node)
        self._restored.add(node)

    def take_restored(self) -> tuple[str, ...]:
        """Return the nodes whose kubelets were restored since this was asked."""
        restored = tuple(sorted(self._restored))
        self._restored.clear()
        return restored

    # --- steps ---

    def _mark(self, node: str) -> None:
        self._changed.add(node)
        self._machines.run(node, _MARK, self._namespace)

    def _configure(self, node: str, settings: Mapping[str, Any]) -> None:
        self._mark(node)
        config = yaml.safe_load(self._machines.look(node, _READ) or "{}") or {}
        self._machines.run(node, _CONFIGURE, data=yaml.safe_dump({**config, **settings}))

    def _restart(self, node: str, uids: Collection[str]) -> None:
        self._machines.run(node, _RESTART)
        deadline = clock.Deadline(f"the kubelet of {node} to know its pods again", _BACK_S)
        if not clock.wait_until(lambda: self._knows(node, uids), deadline, _POLL_S):
            raise SubstrateError(
                f"the kubelet of {node} did not know its pods again within {_BACK_S:.0f} s of its "
                f"restart; `docker exec {node} journalctl -u kubelet` says why"
            )
        clock.pause(_ADMITTED_S)

    def _knows(self, node: str, uids: Collection[str]) -> bool:
        try:
            said = self._api.get(f"{path_of('nodes', name=node)}/proxy/pods")
        except (ApiError, SubstrateError):
            return False
        return set(uids) <= {str(one["metadata"]["uid"]) for one in said.get("items") or ()}
