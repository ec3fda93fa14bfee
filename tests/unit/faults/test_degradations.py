"""Faults on the way to a service, driven with a list; and what their options refuse."""

import pytest
from pydantic import ValidationError
from scenes import Scene

from chaosml.event import CanaryMeasured, Event
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE
from chaosml.faults.degradation import Degradation
from tests.unit.events import event

KINDS = ("storage.latency", "storage.bandwidth", "network.latency")
LATENCY = {"latency": "300ms", "jitter": "50ms", "for": "3s"}


def run(kind: str, **options: object) -> list[steps.Step]:
    fault = CATALOGUE[kind]
    return list(fault.script(fault.options.model_validate(options), None, Scene()))


def of(told: list[steps.Step], kind: type) -> list:
    return [step for step in told if isinstance(step, kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_degradation_kills_nobody_and_says_on_which_way_it_acts(kind):
    fault = CATALOGUE[kind]
    options = fault.options.model_validate(
        {"storage.bandwidth": {"rate": "1MB/s", "for": "3s"}}.get(
            kind, LATENCY | ({"service": "tracking"} if kind == "network.latency" else {})
        )
    )
    assert isinstance(fault, Degradation)
    assert not fault.lethal(options)
    assert list(fault.views(options, has_outputs=True)) == [None]
    assert fault.service(options) == ("tracking" if kind == "network.latency" else "store")


def test_kinds_that_strike_pods_act_on_no_way():
    assert not isinstance(CATALOGUE["pod.delete"], Degradation)


def test_a_latency_is_measured_before_during_and_after_and_lasts_as_long_as_asked():
    told = run("storage.latency", **LATENCY)
    assert [type(step).__name__ for step in told] == [
        "Measure",
        "Until",
        "AddToxic",
        "Release",
        "Measure",
        "Pause",
        "RemoveToxic",
        "Measure",
        "Until",
    ]
    assert [step.when for step in of(told, steps.Measure)] == ["before", "during", "after"]
    assert of(told, steps.AddToxic) == [
        steps.AddToxic(
            service="store",
            task="train",
            name="latency-downstream",
            type="latency",
            stream="downstream",
            attributes={"latency": 300, "jitter": 50},
        )
    ]
    assert of(told, steps.Pause) == [steps.Pause(3.0)]


def test_a_rate_for_both_streams_is_two_toxics_removed_in_reverse():
    told = run("storage.bandwidth", rate="500KB/s", **{"for": "4s"})
    added = of(told, steps.AddToxic)
    assert [(one.stream, one.attributes) for one in added] == [
        ("upstream", {"rate": 500}),
        ("downstream", {"rate": 500}),
    ]
    removed = [one.name for one in of(told, steps.RemoveToxic)]
    assert removed == ["bandwidth-downstream", "bandwidth-upstream"]
    canary = of(told, steps.Measure)[0]
    assert (canary.upload_bytes, canary.download_bytes) == (250_000, 250_000)


def test_a_rate_for_one_stream_sends_its_canary_that_way_only():
    canary = of(
        run("storage.bandwidth", rate="64KB/s", stream="upstream", **{"for": "3s"}), steps.Measure
    )[0]
    assert (canary.upload_bytes, canary.download_bytes) == (32_000, 1)


def test_the_script_waits_for_the_canary_of_its_own_injection():
    until = of(run("storage.latency", **LATENCY), steps.Until)[0]

    def measured(injection: str, when: str) -> Event:
        fact = CanaryMeasured(
            injection=injection, proxy="p", when=when, upload_bytes=0, download_bytes=1
        )
        return event(fact)

    assert until.matches(measured("t1.late", "before"))
    assert not until.matches(measured("t2.late", "before"))
    assert not until.matches(measured("t1.late", "after"))


@pytest.mark.parametrize(
    ("text", "bytes_s"),
    [
        ("500KB/s", 500e3),
        ("1MiB/s", 1024.0**2),
        ("8Mbit/s", 1e6),
        ("1.5 MB/s", 1.5e6),
        ("2000B/s", 2000.0),
    ],
)
def test_rates_carry_their_unit(text, bytes_s):
    options = CATALOGUE["storage.bandwidth"].options.model_validate({"rate": text, "for": "3s"})
    assert options.rate == bytes_s


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("storage.latency", {"latency": 300, "for": "3s"}, "needs a unit"),
        ("storage.latency", {"latency": "5ms", "for": "3s"}, "at least 20ms"),
        ("storage.latency", {"latency": "1s", "jitter": "900ms", "for": "9s"}, "at most half"),
        ("storage.latency", {"latency": "1s", "for": "2s"}, "for must be at least 4s"),
        ("storage.latency", {"latency": "1s"}, "for"),
        ("storage.bandwidth", {"rate": 500, "for": "3s"}, "needs a unit"),
        ("storage.bandwidth", {"rate": "fast", "for": "3s"}, "is no rate"),
        ("storage.bandwidth", {"rate": "10B/s", "for": "3s"}, "at least 1KB/s"),
        ("storage.bandwidth", {"rate": "1MB/s", "for": "1s"}, "at least 3s"),
        ("storage.bandwidth", {"rate": "1MB/s", "for": "3s", "stream": "up"}, "stream"),
        ("network.latency", {"latency": "300ms", "for": "3s"}, "service"),
    ],
)
def test_options_that_no_canary_could_show_are_refused(kind, options, says):
    with pytest.raises(ValidationError, match=says):
        CATALOGUE[kind].options.model_validate(options)
