"""Scripts of the faults in which kubelets end pods, of GCP's reclaim, and of several nodes."""

from __future__ import annotations

import pytest

from chaosml.errors import FaultRefused
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE, missing_capabilities
from chaosml.faults.shutting_down import MESSAGE
from chaosml.substrates.kubernetes.kind import KindSubstrate
from chaosml.substrates.kubernetes.substrate import KubernetesSubstrate
from chaosml.substrates.protocol import PodView
from tests.unit.faults.playing import NEIGHBOUR, TARGET, Scene, names, run

ELSEWHERE = PodView("uid-3", "other", "other", 0, "node-3", running=True)


def options(kind: str, **given: object) -> object:
    return CATALOGUE[kind].options.model_validate(given)


def test_a_shutdown_leaves_ordinary_pods_what_critical_ones_do_not_need() -> None:
    told = run("node.shutdown", view="seen", **{"period": "30s", "critical-period": "10s"})
    assert told[0] == steps.Cordon("node-1")
    assert told[1:3] == [
        steps.Terminate("uid-1", "node-shutdown", "seen", MESSAGE, 20.0),
        steps.Terminate("uid-2", "node-shutdown", "seen", MESSAGE, 20.0),
    ]
    assert told[-1] == steps.StopNode("node-1", "seen", returns=True)


def test_a_machine_that_reboots_is_back_after_its_time() -> None:
    told = run("node.shutdown", **{"returns-after": "4s"})
    assert names(told)[-3:] == ["StopNode", "Pause", "ReturnNode"]


def test_ordinary_pods_get_a_part_of_the_period() -> None:
    with pytest.raises(ValueError, match=r"critical-period must be less than period, 10s here"):
        options("node.shutdown", period="10s", **{"critical-period": "10s"})


def test_pressure_ends_the_target_alone_and_closes_its_node_for_a_while() -> None:
    told = run("node.pressure", resource="ephemeral-storage", lasts="7s")
    assert names(told) == ["Cordon", "Terminate", "Until", "Pause", "Uncordon"]
    ended = told[1]
    assert isinstance(ended, steps.Terminate)
    assert (ended.uid, ended.how, ended.view) == ("uid-1", "node-pressure", "seen")
    assert ended.grace_s == 0.0
    assert ended.message.startswith("The node was low on resource: ephemeral-storage. ")
    assert told[3] == steps.Pause(7.0)


def test_a_soft_threshold_leaves_a_grace_period() -> None:
    told = run("node.pressure", **{"grace-period": "8s"})
    assert told[1].grace_s == 8.0  # type: ignore[union-attr]


def test_google_gives_thirty_seconds_of_which_ordinary_pods_have_fifteen() -> None:
    told = run("spot.reclaim", provider="gcp")
    assert told[0] == steps.Notify("node-1", "terminate", 30.0, "gcp")
    grace = {step.grace_s for step in told if isinstance(step, steps.Terminate)}
    assert grace == {15.0}
    # The machine itself ends at the deadline.
    assert [step for step in told if isinstance(step, steps.Pause)] == [steps.Pause(30.0)]
    assert any(isinstance(step, steps.StopNode) for step in told)


def test_what_is_said_goes_before_what_is_usual_with_google() -> None:
    chosen = options("spot.reclaim", provider="gcp", notice="120s", reaction="drain")
    assert (chosen.notice, chosen.reaction) == (120.0, "drain")  # type: ignore[attr-defined]
    usual = options("spot.reclaim")
    assert (usual.notice, usual.reaction) == (120.0, "drain")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reaction": "shutdown"}, "needs `provider: gcp`"),
        ({"provider": "gcp", "false-alarm": True}, "a machine that shuts down ends"),
        ({"provider": "azure"}, "provider"),
        ({"nodes": 0}, "nodes"),
        ({"nodes": True}, "nodes"),
    ],
)
def test_reclaims_that_make_no_sense_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        options("spot.reclaim", **given)


@pytest.mark.parametrize(
    ("kind", "given", "views"),
    [
        ("node.shutdown", {}, ("gone", "seen")),
        ("node.pressure", {}, ("seen",)),
        ("spot.reclaim", {"provider": "gcp"}, ("gone", "seen")),
    ],
)
def test_kubelets_words_are_seen_unless_the_object_is_gone(
    kind: str, given: dict[str, object], views: tuple[str, ...]
) -> None:
    fault, chosen = CATALOGUE[kind], options(kind, **given)
    assert fault.views(chosen, has_outputs=True) == views
    assert fault.lethal(chosen)


def test_a_cluster_of_others_has_googles_notice_and_not_its_shutdown() -> None:
    fault, usual = CATALOGUE["spot.reclaim"], options("spot.reclaim", provider="gcp")
    kind = KindSubstrate.__new__(KindSubstrate)
    assert missing_capabilities(fault, kind, usual) == []
    theirs = KubernetesSubstrate.__new__(KubernetesSubstrate)
    drained = options("spot.reclaim", provider="gcp", reaction="drain", kill=False)
    assert missing_capabilities(fault, theirs, drained) == []
    assert "TerminatesPods" in missing_capabilities(fault, theirs, usual)


def test_several_nodes_are_taken_at_once_those_with_pods_first() -> None:
    scene = Scene(there=[TARGET, NEIGHBOUR, ELSEWHERE])
    told = run("node.stop", scene=scene, nodes=2, **{"returns-after": "1s"})
    assert [step.node for step in told if isinstance(step, steps.StopNode)] == ["node-1", "node-3"]
    assert [step.node for step in told if isinstance(step, steps.ReturnNode)] == [
        "node-1",
        "node-3",
    ]


def test_whoever_is_held_waits_for_the_notice_of_its_own_node() -> None:
    told = run("spot.reclaim", nodes=3, reaction="none", notice="4s")
    notices = [step.node for step in told if isinstance(step, steps.Notify)]
    assert sorted(notices) == ["node-1", "node-2", "node-3"]
    assert names(told).count("Release") == 1
    own = names(told).index("Release")
    assert told[own - 2] == steps.Notify("node-1", "terminate", 4.0, "aws")


def test_more_nodes_than_there_are_cannot_be_struck() -> None:
    with pytest.raises(FaultRefused, match="4 nodes were to be struck at once, and 3 are there"):
        run("node.shutdown", nodes=4)
