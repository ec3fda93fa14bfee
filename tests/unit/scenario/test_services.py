"""`services` of a scenario: what does not fit is refused where it stands."""

from __future__ import annotations

import pathlib

import pytest

from chaosml.errors import ScenarioError
from chaosml.faults.catalogue import option_models
from chaosml.scenario.load import load
from chaosml.scenario.model import Service

WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: wf}
spec:
  entrypoint: main
  arguments:
    parameters: [{name: bucket}, {name: tracking}]
  templates:
    - {name: main, container: {image: x, command: [train]}}
"""
SCENARIO = """\
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: net}
pipeline:
  workflow: wf.yaml
  isolate: {bucket: bucket}
services:
  tracking: {upstream: 'mlflow:5000', parameter: tracking, value: 'http://{address}'}
faults:
  - name: late
    inject: network.latency
    target: {task: main}
    when: {pod: running}
    with: {service: tracking, latency: 300ms, for: 3s}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("wf.yaml").write_text(WORKFLOW)


def problems(text: str) -> list[tuple[int, str]]:
    pathlib.Path("s.yaml").write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load(pathlib.Path("s.yaml"), catalogue=option_models())
    return [(one.line, one.message) for one in caught.value.problems]


def test_a_service_gives_its_parameter_a_value():
    pathlib.Path("s.yaml").write_text(SCENARIO)
    loaded = load(pathlib.Path("s.yaml"), catalogue=option_models())
    assert loaded.scenario.services["tracking"].upstream == "mlflow:5000"


def test_an_address_is_rendered_as_the_pods_need_it():
    service = Service(upstream="h:1", environment="URI", value="tcp://{host}/{port}?{address}")
    assert service.render("10.0.0.7:4711") == "tcp://10.0.0.7/4711?10.0.0.7:4711"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("service: tracking,", "service: trackng,", 14, 'did you mean "tracking"?'),
        ("parameter: tracking", "parameter: trackin", 8, 'no parameter "trackin"'),
        ("parameter: tracking, ", "", 8, "exactly one of environment, parameter"),
        ("'mlflow:5000'", "mlflow", 8, "upstream"),
        ("'http://{address}'", "'http://x'", 8, "value says no address"),
        ("  tracking: {", "  store: {", 8, "is the object store and always there"),
    ],
)
def test_what_does_not_fit_is_refused_in_its_line(old, new, line, says):
    assert SCENARIO.count(old) == 1
    found = problems(SCENARIO.replace(old, new))
    assert any(at == line and says in message for at, message in found), found


def test_a_parameter_is_given_once():
    text = SCENARIO.replace("  isolate:", "  parameters: {tracking: x}\n  isolate:")
    assert any("is set in pipeline already" in message for _, message in problems(text))
