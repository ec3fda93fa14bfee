"""Proxied ways: which there are, who goes them, and that what is done to them is undone."""

from __future__ import annotations

import pathlib
import types

import pytest

from chaosml.errors import ServiceError
from chaosml.event import (
    CanaryMeasured,
    Event,
    HealDone,
    HoldStarted,
    InjectionApplied,
    InjectionArmed,
    InjectionIntended,
    ToxicAdded,
    ToxicRemoved,
)
from chaosml.faults.catalogue import CATALOGUE, option_models
from chaosml.plan.model import Place, PlannedInjection
from chaosml.runner.injections import Injections
from chaosml.runner.ways import Way, Ways, is_proxied, open_ways
from chaosml.scenario.load import load
from chaosml.services import proxies
from chaosml.services.client import Endpoints
from chaosml.services.messages import Answer, Measure, Release
from chaosml.substrates.protocol import PodView
from tests.unit.events import event

WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: wf}
spec:
  entrypoint: main
  arguments: {parameters: [{name: bucket}, {name: registry, value: x}]}
  templates:
    - name: main
      dag:
        tasks:
          - {name: prepare, template: prepare}
          - {name: train, template: train}
          - {name: tune, template: train}
    - {name: prepare, container: {image: x, command: [prepare]}}
    - {name: train, container: {image: x, command: [train]}}
"""
SCENARIO = """\
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: net}
pipeline: {workflow: wf.yaml, isolate: {bucket: bucket}}
services:
  tracking: {upstream: 'mlflow:5000', environment: TRACKING_URI, value: 'http://{address}'}
  registry: {upstream: 'registry:443', parameter: registry}
faults:
"""
FAULT = """\
  - name: f{number}
    inject: {inject}
    target: {{task: {task}}}
    when: {{pod: running}}
    with: {options}
"""
LATE = "{latency: 300ms, for: 3s}"


class Server:
    """Stands for Toxiproxy."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.created: list[tuple[str, str]] = []
        self.done: list[tuple] = []

    def wait(self, check):
        check()
        assert self.url == "http://127.0.0.1:8474"

    def create(self, name, *, upstream, host):
        self.created.append((name, upstream))
        return f"{host}:{9000 + len(self.created)}"

    def add(self, proxy, name, type_, stream, attributes):
        self.done.append(("add", proxy, name))

    def remove(self, proxy, name):
        self.done.append(("remove", proxy, name))


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Return a function that opens the ways for faults, and the server that it asks."""
    servers = []

    def make(url):
        servers.append(Server(url))
        return servers[-1]

    monkeypatch.setattr(proxies, "Proxies", make)
    services = types.SimpleNamespace(
        endpoints=Endpoints(
            "http://10.0.0.7:80", "10.0.0.7:1", "http://m", "http://s", "http://127.0.0.1:8474"
        ),
        check=lambda: None,
        call=lambda order: Answer(id=1, address=f"10.0.0.7:relay-of-{order.upstream}"),
    )

    def open_for(*faults):
        (tmp_path / "wf.yaml").write_text(WORKFLOW)
        told = [
            FAULT.format(number=number, inject=inject, task=task, options=options)
            for number, (inject, task, options) in enumerate(faults)
        ]
        (tmp_path / "s.yaml").write_text(SCENARIO + "".join(told))
        loaded = load(pathlib.Path(tmp_path / "s.yaml"), catalogue=option_models())
        return open_ways(loaded, services), servers[-1] if servers else None, is_proxied(loaded)

    return open_for


def shown(ways):
    return {
        template: {one.name: one.value for one in variables}
        for template, variables in ways.overlays.items()
    }


@pytest.mark.parametrize(
    ("inject", "options"), [("pod.delete", "{}"), ("storage.throttle", "{for: 2s}")]
)
def test_without_such_a_fault_nothing_stands_in_the_way(opened, inject, options):
    ways, server, proxied = opened((inject, "train", options))
    assert not proxied
    assert server is None
    assert not ways.overlays
    assert ways.parameters == {"registry": "registry:443"}


def test_the_targets_template_alone_goes_to_the_store_through_the_proxy(opened):
    ways, server, proxied = opened(("storage.latency", "prepare", LATE))
    assert proxied
    assert server.created == [("store.prepare", "10.0.0.7:80")]
    assert shown(ways) == {"prepare": {"AWS_ENDPOINT_URL_S3": "http://10.0.0.7:9001"}}


def test_tasks_of_one_template_share_the_way(opened):
    ways, server, _ = opened(("storage.latency", "train", LATE), ("storage.latency", "tune", LATE))
    assert [name for name, _ in server.created] == ["store.train"]
    assert ways.by_task["store", "tune"] == ways.by_task["store", "train"]


def test_another_service_has_a_relay_behind_the_proxy_and_its_own_variable(opened):
    late = "{service: tracking, latency: 300ms, for: 3s}"
    ways, server, _ = opened(("network.latency", "train", late))
    assert server.created == [("tracking.train", "10.0.0.7:relay-of-mlflow:5000")]
    assert shown(ways) == {"train": {"TRACKING_URI": "http://10.0.0.7:9001"}}


def test_an_address_in_a_parameter_is_everybodys(opened):
    late = "{service: registry, latency: 300ms, for: 3s}"
    ways, server, _ = opened(("network.latency", "train", late), ("network.latency", "tune", late))
    assert [name for name, _ in server.created] == ["registry"]
    assert ways.parameters == {"registry": "10.0.0.7:9001"}
    assert not ways.overlays


def test_a_way_that_is_not_proxied_is_refused_by_name():
    with pytest.raises(ServiceError, match="no proxy stands between 'train' and the service"):
        Ways(driver=Server()).canary("i", _measure("before"))


def _measure(when):
    from chaosml.faults import script as steps

    return steps.Measure("store", "train", when, 0, 1, 3, 3.0)


class World:
    """Records everything in one list; pods and their places are not asked for."""

    def __init__(self) -> None:
        self.log: list = []
        self.server = Server()
        way = Way("store", "store.train", "127.0.0.1:9001")
        self.ways = Ways(driver=self.server, by_task={("store", "train"): way})
        self.substrate = types.SimpleNamespace(
            pods=lambda: [PodView("uid-1", "train", "train", 0, "node-1", running=True)]
        )

    def call(self, order):
        self.log.append(order)
        return Answer(id=1)

    def say(self, subject, fact):
        self.log.append(fact)

    def record(self, entries):
        assert not entries


def measured(when) -> Event:
    fact = CanaryMeasured(
        injection="t1.late", proxy="store.train", when=when, upload_bytes=0, download_bytes=1
    )
    return event(fact)


@pytest.fixture
def struck():
    """Return a world and its injections, the target held at its step."""
    world, fault = World(), CATALOGUE["storage.latency"]
    planned = PlannedInjection(
        injection="t1.late",
        fault="late",
        inject=fault.kind,
        task="train",
        attempt=0,
        place=Place(kind="step", step=61),
        view=None,
    )
    options = fault.options.model_validate({"latency": "300ms", "for": "3s"})
    injections = Injections(world, [(planned, fault, options)])
    injections.arm()
    held = HoldStarted(hold="h1", rule="t1.late", uid="uid-1", place="step 61", step=61)
    injections.take(event(held))
    return world, injections


def kinds(log):
    return [type(entry) for entry in log]


def test_the_service_is_said_when_the_injection_is_armed(struck):
    world, _ = struck
    armed = next(one for one in world.log if isinstance(one, InjectionArmed))
    assert (armed.service, armed.lethal) == ("store", False)


def test_nothing_is_done_before_the_canary_has_come(struck):
    world, injections = struck
    assert isinstance(world.log[-1], Measure)
    assert world.log[-1].when == "before"
    assert world.log[-1].http
    assert world.server.done == []
    injections.take(measured("before"))
    assert world.server.done == [("add", "store.train", "latency-downstream")]


def test_the_journal_comes_before_the_toxic_and_the_target_is_released_after_it(struck):
    world, injections = struck
    del world.log[:]
    injections.take(measured("before"))
    assert kinds(world.log) == [InjectionIntended, ToxicAdded, InjectionApplied, Release, Measure]
    assert world.log[1].attributes == {"latency": 300, "jitter": 0}
    assert world.log[-1].when == "during"


def test_an_execution_that_ends_early_is_healed_and_its_canary_measured_after_it(struck):
    world, injections = struck
    injections.take(measured("before"))
    del world.log[:]
    injections.finish()
    assert world.server.done[-1] == ("remove", "store.train", "latency-downstream")
    facts = [one for one in world.log if isinstance(one, ToxicRemoved | Measure)]
    assert kinds(facts) == [ToxicRemoved, Measure]
    assert facts[-1].when == "after"
    assert isinstance(world.log[-1], HealDone)


def test_what_the_script_removed_is_not_removed_again(struck):
    world, injections = struck
    injections.take(measured("before"))
    injections.tick(injections.due_ns)
    assert world.server.done[-1] == ("remove", "store.train", "latency-downstream")
    injections.take(measured("after"))
    del world.log[:], world.server.done[:]
    injections.finish()
    assert world.log == []
    assert world.server.done == []
