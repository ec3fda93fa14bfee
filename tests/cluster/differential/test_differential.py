"""Every workflow comes to the same on real Argo and on the embedded substrate."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from chaosml.errors import ScenarioError
from differential.argo_side import ArgoPass, argo_pass
from differential.cases import DEATHS, DOCUMENTS, WRONG, Case
from differential.embedded_side import EmbeddedSide
from differential.outcome import Difference, Outcome, differences, table

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

EXPECTED = yaml.safe_load((pathlib.Path(__file__).parent / "expected.yaml").read_text())
LIMIT_S = 600.0


@pytest.fixture(scope="module")
def argo(request: pytest.FixtureRequest) -> Iterator[ArgoPass]:
    """The pass over the cluster, of the cases that are selected."""
    from chaosml.cluster.life import borrowed
    from chaosml.cluster.options import ClusterOptions

    chosen: list[Any] = [
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
        if hasattr(item, "callspec")
    ]
    with borrowed(ClusterOptions()) as place, argo_pass(place.context, chosen) as running:
        yield running


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSide]:
    side = EmbeddedSide(tmp_path_factory.mktemp("embedded"))
    yield side
    side.close()


def by_name(case: Case) -> str:
    return case.name


def is_expected(case: Case, found: Difference) -> bool:
    """Tell whether a difference is one that the documentation names."""
    return any(
        case.name in entry["documents"]
        and found.vertex in entry.get("vertices", [found.vertex])
        and entry["differences"].get(found.key) == [found.argo, found.embedded]
        for entry in EXPECTED
    )


def assert_same(case: Case, name: str, real: Outcome, emulated: Outcome) -> None:
    found = differences(name, real, emulated)
    unexpected = [one for one in found if not is_expected(case, one)]
    assert not unexpected, f"{case.name} differs:\n{table(unexpected)}"
    entries = [entry for entry in EXPECTED if case.name in entry["documents"]]
    if any(not entry.get("race", False) for entry in entries):
        assert found, f"{case.name} does not differ any more: expected.yaml"


@pytest.mark.parametrize("case", DOCUMENTS, ids=by_name)
def test_a_workflow_comes_to_the_same_on_both_sides(
    argo: ArgoPass, embedded: EmbeddedSide, case: Case
) -> None:
    name = argo.name_of(case)
    emulated = embedded.run(case, name)
    assert_same(case, name, argo.outcome(case, LIMIT_S), emulated)


@pytest.mark.parametrize("case", DEATHS, ids=by_name)
def test_a_death_comes_to_the_same_under_the_view_that_argo_showed(
    argo: ArgoPass, embedded: EmbeddedSide, case: Case
) -> None:
    real = argo.outcome(case, LIMIT_S)
    assert real.view is not None, f"{case.name} ended on Argo before it was struck"
    name = argo.name_of(case)
    assert_same(case, name, real, embedded.run(case, name, real.view))


@pytest.mark.parametrize("case", WRONG, ids=by_name)
def test_a_wrong_workflow_is_refused_by_both_sides(
    argo: ArgoPass, embedded: EmbeddedSide, case: Case
) -> None:
    with pytest.raises(ScenarioError):
        embedded.run(case, argo.name_of(case))
    real = argo.outcome(case, LIMIT_S)
    assert real.phase in ("Failed", "Error"), real
    # Argo finds some of it only when it comes to the task.
    found_late = real.message.startswith("error in entry template execution: ")
    assert found_late or real.message.startswith("invalid spec: "), real
    assert found_late or real.vertices == {}
