"""Which metadata services a pod is told of."""

from __future__ import annotations

import pathlib

import pytest

from chaosml.runner import foresight, life, overlay
from chaosml.runner.options import RunOptions

SCENARIOS = pathlib.Path(__file__).resolve().parents[3] / "scenarios"
GOOGLE = "GCE_METADATA_HOST"


def test_googles_server_is_named_as_its_libraries_read_it() -> None:
    variables = {one.name: one.value for one in overlay.build(foresight.ENDPOINTS, google=True)}
    path = "/nodes/$(NODE_NAME)/pods/$(CHAOSML_POD)"
    assert variables[GOOGLE] == f"services.invalid:3{path}"
    assert variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == f"http://services.invalid:3{path}"


@pytest.mark.parametrize(("scenario", "told"), [("spot.yaml", False), ("node-faults.yaml", True)])
def test_only_a_scenario_with_a_notice_of_googles_shows_its_server(
    scenario: str, told: bool, tmp_path: pathlib.Path
) -> None:
    loaded, planned = life.plan(SCENARIOS / scenario, RunOptions(set_values={"controls": "1"}))
    composer = foresight.compose(loaded, "embedded")
    # The controls have it too, so that they are told nothing else than the trials.
    for setup in foresight.setups(composer, planned, tmp_path):
        names = {one.name for one in setup.submission.overlay}
        assert (GOOGLE in names) is told
