"""What every kind of fault says of itself, and the permissions that it takes."""

from __future__ import annotations

import pytest

from chaosml.cluster import permissions
from chaosml.explain.kinds import facts
from chaosml.faults.catalogue import CATALOGUE, FaultKind


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
def test_every_fault_says_what_it_does_what_proves_it_and_what_undoes_it(kind: FaultKind) -> None:
    shown = facts(kind)
    assert shown.summary
    assert shown.mechanism
    assert shown.receipt
    assert shown.heal
    assert "yes" in shown.substrates.values()


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
def test_every_option_of_a_fault_says_what_it_is_for(kind: FaultKind) -> None:
    assert [option.name for option in facts(kind).options if not option.text] == []


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
def test_the_examples_of_a_fault_are_sound(kind: FaultKind) -> None:
    described = kind.options.model_json_schema(by_alias=True)
    for example in described.get("examples", [{}]):
        kind.options.model_validate(example)


def test_the_permissions_of_every_fault_are_known() -> None:
    assert set(permissions.FAULTS) == set(CATALOGUE)
