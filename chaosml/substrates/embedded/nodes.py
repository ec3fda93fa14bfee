"""The machines of the embedded cluster: names and capacity, no processes of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["HOSTNAME_LABEL", "Nodes"]

HOSTNAME_LABEL = "kubernetes.io/hostname"


class Nodes:
    """Places pods round robin over the nodes that take new ones."""

    def __init__(self, count: int) -> None:
        self._cordoned: dict[str, bool] = {}
        self._removed: set[str] = set()
        self._made = 0
        self._next = 0
        for _ in range(count):
            self.add()

    def __contains__(self, node: str) -> bool:
        return node in self._cordoned

    @property
    def names(self) -> Sequence[str]:
        """The nodes that are there, oldest first."""
        return tuple(self._cordoned)

    def add(self) -> str:
        """Let a node with a fresh name join, as a cloud's capacity does."""
        self._made += 1
        node = f"node-{self._made}"
        self._cordoned[node] = False
        return node

    def remove(self, node: str) -> None:
        """Take a node out; an unknown one is ignored."""
        if self._cordoned.pop(node, None) is not None:
            self._removed.add(node)

    def put_back(self, node: str) -> bool:
        """Let a node that was taken out join again; return whether it had been."""
        if node not in self._removed:
            return False
        self._removed.remove(node)
        self._cordoned[node] = False
        return True

    def cordon(self, node: str) -> None:
        """Let no new pod onto the node."""
        self._cordoned[node] = True

    def uncordon(self, node: str) -> None:
        """Let pods onto the node again."""
        self._cordoned[node] = False

    def is_cordoned(self, node: str) -> bool:
        """Whether the node is there and takes no new pod."""
        return self._cordoned.get(node, False)

    def place(self, selector: Mapping[str, str], avoid: Sequence[str] = ()) -> str | None:
        """Return the node for the next pod, or None where no node takes it.

        Args:
            selector: The labels that the node must have.
            avoid: Names of nodes that must not get it.
        """
        names = list(self._cordoned)
        for offset in range(len(names)):
            node = names[(self._next + offset) % len(names)]
            if not self._cordoned[node] and _matches(node, selector) and node not in avoid:
                self._next = (self._next + offset + 1) % len(names)
                return node
        return None

    def explain(self, selector: Mapping[str, str], avoid: Sequence[str] = ()) -> str:
        """Say why no node takes a pod, in the scheduler's words."""
        cordoned = sum(self._cordoned.values())
        other = sum(
            not closed and (not _matches(node, selector) or node in avoid)
            for node, closed in self._cordoned.items()
        )
        reasons = [
            f"{count} node(s) {why}"
            for count, why in (
                (cordoned, "were unschedulable"),
                (other, "didn't match Pod's node affinity/selector"),
            )
            if count
        ]
        total = len(self._cordoned)
        return f"0/{total} nodes are available: {', '.join(reasons) or 'no node is there'}."


def _matches(node: str, selector: Mapping[str, str]) -> bool:
    """Only the host name is a label here: a selector of any other matches nowhere."""
    return all(label == HOSTNAME_LABEL and value == node for label, value in selector.items())
