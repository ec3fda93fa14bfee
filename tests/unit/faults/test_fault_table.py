"""The table of faults in the docs and the permissions, against catalogue and substrates."""

from __future__ import annotations

import pathlib
import re

import pytest

from chaosml.cluster import permissions
from chaosml.faults.catalogue import CATALOGUE
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate
from chaosml.substrates.kubernetes.kind import KindSubstrate
from chaosml.substrates.kubernetes.substrate import KubernetesSubstrate

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "faults.md"
SUBSTRATES: dict[str, type] = {
    "embedded": EmbeddedSubstrate,
    "kind": KindSubstrate,
    "cluster": KubernetesSubstrate,
}
ROW = re.compile(r"^\| `([a-z.-]+)` \| (yes|no) \| (yes|no) \| (yes|no) \|$", re.MULTILINE)


def documented() -> dict[str, dict[str, bool]]:
    head = next(line for line in DOCS.read_text().splitlines() if line.startswith("| fault |"))
    names = [cell.strip() for cell in head.strip("|").split("|")][1:]
    return {
        fault: {name: said == "yes" for name, said in zip(names, cells, strict=True)}
        for fault, *cells in ROW.findall(DOCS.read_text())
    }


def test_every_fault_has_a_row_and_every_row_a_fault() -> None:
    assert set(documented()) == set(CATALOGUE)


@pytest.mark.parametrize("fault", sorted(CATALOGUE))
def test_the_table_says_which_substrate_can_do_it(fault: str) -> None:
    has = {
        name: all(issubclass(substrate, one) for one in CATALOGUE[fault].capabilities)
        for name, substrate in SUBSTRATES.items()
    }
    assert documented()[fault] == has


@pytest.mark.parametrize("fault", sorted(CATALOGUE))
def test_every_fault_is_described_with_each_of_its_options(fault: str) -> None:
    text = DOCS.read_text()
    assert f"## `{fault}`" in text
    section = text.partition(f"## `{fault}`")[2].partition("\n## ")[0]
    for name, field in CATALOGUE[fault].options.model_fields.items():
        assert f"`{field.alias or name}`" in section, name


def test_the_permissions_of_every_fault_are_known() -> None:
    assert set(permissions.FAULTS) == set(CATALOGUE)
