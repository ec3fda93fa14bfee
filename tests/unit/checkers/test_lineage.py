"""Identifiers in every place, and the chain from the registry to the ledger."""

import msgspec
import pytest

from chaosml import event as facts
from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers.running import judged, verdict


def lineage(change, events=None):
    changed = [
        msgspec.structs.replace(event, data=change(event.data))
        for event in events or histories.resumed()
    ]
    return verdict(judged(changed), "lineage")


def test_every_identifier_in_every_place_makes_a_complete_lineage():
    found = verdict(judged(histories.resumed()), "lineage")
    assert found.status is Status.PASS
    assert found.measures["cells"] == found.measures["cells_held"] > 10


def _without(kind, name):
    def change(fact):
        if isinstance(fact, kind) and name in getattr(fact, "fields", {}):
            fields = {key: value for key, value in fact.fields.items() if key != name}
            return msgspec.structs.replace(fact, fields=fields)
        return fact

    return change


@pytest.mark.parametrize(
    ("kind", "name", "cell"),
    [
        (facts.RegistryObserved, "git_commit", "git-commit in registry"),
        (facts.ArtifactObserved, "dataset_sha256", "dataset in manifest"),
        (facts.ArtifactObserved, "labels.run_id", "run-id in metrics"),
    ],
)
def test_an_identifier_that_is_missing_somewhere_is_named(kind, name, cell):
    found = lineage(_without(kind, name))
    assert (found.status, found.cause) == (Status.FAIL, "lineage-broken")
    assert f"{cell}: missing in" in found.message
    assert found.evidence


def test_a_variable_that_a_pod_lacks_is_named():
    def change(fact):
        if isinstance(fact, facts.PodCreated) and fact.task == "evaluate":
            return msgspec.structs.replace(fact, environment={})
        return fact

    assert "run-id in env: missing in trial-1-evaluate-0-1" in lineage(change).message


def test_presence_is_not_enough_values_must_be_equal():
    def change(fact):
        if isinstance(fact, facts.RegistryObserved):
            fields = {**fact.fields, "dataset_sha256": "e" * 64}
            return msgspec.structs.replace(fact, fields=fields)
        return fact

    assert "dataset everywhere: places differ" in lineage(change).message


def test_the_image_that_ran_counts_where_the_documents_name_one_of_its_scheme():
    def change(fact):
        if isinstance(fact, facts.PodCreated):
            return msgspec.structs.replace(fact, image_id="interpreter:other")
        return fact

    assert "image everywhere" in lineage(change).message

    def other_scheme(fact):
        if isinstance(fact, facts.PodCreated):
            return msgspec.structs.replace(fact, image_id="sha256:other")
        return fact

    assert lineage(other_scheme).status is Status.PASS


def test_an_entry_without_a_digest_breaks_the_chain():
    def change(fact):
        if isinstance(fact, facts.RegistryObserved):
            return msgspec.structs.replace(fact, digest=None)
        return fact

    assert "names no digest" in lineage(change).message


def test_a_model_that_no_checkpoint_holds_breaks_the_chain():
    def change(fact):
        if isinstance(fact, facts.ArtifactObserved) and fact.role == "checkpoint":
            return msgspec.structs.replace(fact, digests={**fact.digests, "model": "0" * 64})
        return fact

    assert "no final checkpoint holds these weights" in lineage(change).message


def test_a_workflow_that_failed_owes_no_lineage():
    found = lineage(lambda fact: fact, histories.not_retried())
    assert (found.status, found.cause) == (Status.UNKNOWN, "no-final-state")
