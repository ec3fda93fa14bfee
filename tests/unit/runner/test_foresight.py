"""What is shown of a run on a cluster before it runs: the overlay, and every call."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

import pytest
import yaml

from chaosml.errors import UsageError
from chaosml.runner import life, overlay_diff, rehearsal_text
from chaosml.runner.cluster_environment import foreseen
from chaosml.runner.objections import Objections, ask
from chaosml.runner.options import RunOptions
from chaosml.runner.rehearsal import Rehearsal, rehearse
from chaosml.store.owner import Place
from chaosml.substrates.kubernetes.calls import DOCKER, Call
from chaosml.substrates.kubernetes.imagined import ImaginedCluster
from chaosml.substrates.kubernetes.refusals import ApiError

SCENARIOS = pathlib.Path(__file__).resolve().parents[3] / "scenarios"
PLACE = Place(on="cluster", context="staging", namespace="ml")


@functools.cache
def rehearsed(scenario: str, *, on: str = "kind", trials: int = 1, **values: str) -> Rehearsal:
    options = RunOptions(on=on, context="staging", namespace="ml", trials=trials, set_values=values)
    loaded, planned = life.plan(SCENARIOS / scenario, options)
    place = options.place
    assert place is not None
    return rehearse(loaded, planned, options, foreseen(options, place))


def phases(shown: Rehearsal, words: str) -> list[Call]:
    return [call for phase in shown.phases if words in phase.name for call in phase.calls]


def test_the_calls_of_each_phase_are_those_of_a_run_in_their_order() -> None:
    shown = rehearsed("pod-deletion.yaml", controls="1")
    names = [phase.name.partition(": ")[2] or phase.name for phase in shown.phases]
    assert names[0] == "prepare"
    assert names[1:3] == ["submit, watch", "end"]
    assert names[-1] == "close"
    prepared = [str(call).split(" sha256")[0] for call in phases(shown, "prepare")]
    assert "create leases.coordination.k8s.io/chaosml Lease" in prepared
    assert prepared[-1].startswith("create pods/portforward/chaosml-services-")
    (strike,) = [call for call in phases(shown, "(pod.delete)") if call.changes]
    assert (strike.verb, strike.resource) == ("delete", "pods")
    assert str(strike.name).startswith("pod-deletion-t1-")
    closed = [f"{call.verb} {call.resource}" for call in phases(shown, "close") if call.changes]
    assert closed == ["delete pods", "delete pods", "delete leases"]


def test_a_drain_is_shown_with_both_ends_before_the_kill_and_after_it() -> None:
    shown = rehearsed("spot.yaml", trials=6)
    healed = phases(shown, "heal drained")
    assert "patch nodes/node-1" in str(healed[0])
    late = phases(shown, "120 s later if the pipeline still runs")
    assert "kill containers.docker/node-1" in [str(call) for call in late]
    # The capacity that was to return is this machine.
    assert "start containers.docker/node-1" in [str(call) for call in late]


@pytest.mark.parametrize(
    "scenario", ["spot.yaml", "pod-deletion.yaml", "node-faults.yaml", "execution-faults.yaml"]
)
def test_nothing_outside_of_the_namespace_is_changed_but_nodes(scenario: str) -> None:
    shown = rehearsed(scenario, trials=6)
    changing = [call for phase in shown.phases for call in phase.calls if call.changes]
    assert changing
    for call in changing:
        if call.namespace != "ml":
            assert call.resource in ("nodes", "containers")


def test_what_is_changed_is_changed_back() -> None:
    shown = rehearsed("spot.yaml", trials=6)
    calls = [call for phase in shown.phases for call in phase.calls]
    created = {
        (call.resource, call.name)
        for call in calls
        if call.verb == "create" and call.changes and "/" not in call.resource
    }
    deleted = {(call.resource, call.name) for call in calls if call.verb == "delete"}
    assert created <= deleted
    killed = [call.name for call in calls if (call.verb, call.group) == ("kill", DOCKER)]
    started = [call.name for call in calls if (call.verb, call.group) == ("start", DOCKER)]
    assert len(killed) == len(started)


def test_a_machine_that_cannot_be_killed_is_refused_before_anything_is_shown() -> None:
    with pytest.raises(UsageError, match="needs StopsNodes"):
        rehearsed("spot.yaml", on="cluster")


class Server(ImaginedCluster):
    """An imagined cluster that refuses what the test says."""

    def __init__(self, refusals: dict[str, ApiError] | None = None) -> None:
        super().__init__("ml")
        self.refusals = refusals or {}
        self.tried: list[tuple[str, str]] = []

    def try_out(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        kind = str(body["kind"])
        self.tried.append((kind, body["metadata"]["name"]))
        if kind in self.refusals:
            raise self.refusals[kind]
        return body


def asked(server: Server) -> Objections:
    found = Objections()
    shown = rehearsed("pod-deletion.yaml", on="cluster", controls="1")
    ask(server, PLACE, shown, found)  # type: ignore[arg-type]
    return found


def test_a_server_is_asked_about_everything_that_would_be_created_and_keeps_nothing() -> None:
    server = Server()
    found = asked(server)
    assert (found.refused, found.notes) == ([], [])
    kinds = {kind for kind, _ in server.tried}
    assert kinds == {"Lease", "Pod", "Workflow"}
    assert ("Pod", "chaosml-try-train") in server.tried
    assert server.created == []


def test_a_quota_that_would_refuse_pods_is_named_once() -> None:
    refusal = ApiError(403, "Forbidden", "pods is forbidden: exceeded quota: small")
    assert asked(Server({"Pod": refusal})).refused == [str(refusal)]


def test_a_lease_that_is_there_and_a_janitor_that_is_not_are_no_refusals() -> None:
    taken = ApiError(409, "AlreadyExists", "leases exists")
    assert asked(Server({"Lease": taken})).refused == []
    words = 'pods "x" is forbidden: error looking up: serviceaccount "chaosml-janitor" not found'
    found = asked(Server({"Pod": ApiError(403, "Forbidden", words)}))
    assert found.refused == []
    assert "no janitor" in found.notes[0]


def test_the_text_marks_what_changes_something_and_ends_with_what_is_refused() -> None:
    shown, found = rehearsed("pod-deletion.yaml", controls="1"), Objections()
    found.refuse("pods is forbidden: exceeded quota")
    text = rehearsal_text.text_of(PLACE, shown, found, "a note")
    assert "namespace ml of context staging" in text.splitlines()[0]
    assert "  * delete leases.coordination.k8s.io/chaosml  in ml\n" in text
    assert "    list nodes\n" in text
    assert text.endswith("refused: pods is forbidden: exceeded quota\n")


def test_the_difference_of_an_execution_is_the_overlay_and_says_what_is_not_known_yet() -> None:
    options = RunOptions(on="kind", trials=1)
    found = overlay_diff.differences(*life.plan(SCENARIOS / "spot.yaml", options), "kind")
    assert [one.execution for one in found] == ["control/1", "control/2", "trial/1"]
    first = found[0]
    assert "-  generateName: digits-\n" in first.diff
    assert "+  name: spot-c1\n" in first.diff
    assert "+        value: http://services.invalid:1\n" in first.diff
    assert yaml.safe_load(yaml.safe_dump(first.submitted))["metadata"]["name"] == "spot-c1"
    text = overlay_diff.text_of(found)
    assert "# control/2: as control/1, but for\n--- spot-c1\n+++ spot-c2\n" in text
    assert text.endswith("they are known once it runs\n")


def test_colours_are_put_around_lines_and_change_nothing_else() -> None:
    shown = overlay_diff.coloured("--- a\n+++ b\n@@ -1 +1 @@\n same\n-old\n+new\n")
    assert shown.splitlines() == [
        "\x1b[1m--- a\x1b[0m",
        "\x1b[1m+++ b\x1b[0m",
        "\x1b[36m@@ -1 +1 @@\x1b[0m",
        " same",
        "\x1b[31m-old\x1b[0m",
        "\x1b[32m+new\x1b[0m",
    ]


def test_a_strike_at_the_replacement_is_shown_with_calls_of_its_own(tmp_path: pathlib.Path) -> None:
    text = (SCENARIOS / "pod-deletion.yaml").read_text()
    text = text.replace("pipelines/resilient.yaml", f"{SCENARIOS}/pipelines/resilient.yaml")
    head, deleted, rest = text.partition("  - name: deleted\n")
    assert deleted
    again = "    again: [{event: {event: restore}}]\n"
    (tmp_path / "again.yaml").write_text(f"{head}{deleted}{again}{rest}")
    shown = rehearsed(str(tmp_path / "again.yaml"), trials=9)
    strikes = [phase for phase in shown.phases if "deleted (pod.delete) at restore" in phase.name]
    assert strikes
    for phase in strikes:
        assert [call.verb for call in phase.calls if call.changes] == ["delete"]


def test_programs_of_the_users_are_shown_with_their_words_and_not_started(
    tmp_path: pathlib.Path,
) -> None:
    text = (SCENARIOS / "pod-deletion.yaml").read_text()
    text = text.replace("pipelines/resilient.yaml", f"{SCENARIOS}/pipelines/resilient.yaml")
    whole = yaml.safe_load(text)
    done = tmp_path / "done"
    whole["faults"][:] = [
        {
            "name": "outside",
            "inject": "external",
            "target": {"task": "train"},
            "when": {"step": 61},
            "with": {
                "command": ["touch", str(done)],
                "receipt": ["./seen", "{task}"],
                "undo": ["./undo", "{workflow}"],
            },
        }
    ]
    (tmp_path / "outside.yaml").write_text(yaml.safe_dump(whole))
    shown = rehearsed(str(tmp_path / "outside.yaml"))
    calls = [(call.resource, call.detail) for call in phases(shown, "outside (external)")]
    assert [call for call in calls if call[0] in ("command", "receipt")] == [
        ("command", f"touch {done}"),
        ("receipt", "./seen train"),
    ]
    (undo,) = [call for call in phases(shown, "heal outside") if call.resource == "undo"]
    assert str(undo.detail).startswith("./undo pod-deletion")
    assert not done.exists()
