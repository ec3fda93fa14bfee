"""Faults that break requests off, at the gate and on the way, driven with a list."""

import pytest
from pydantic import ValidationError
from scenes import Scene

from chaosml.event import CanaryMeasured, Request
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE
from chaosml.faults.degradation import Degradation
from chaosml.services.messages import Disturbance
from tests.unit.events import event

AT_THE_GATE = {
    "storage.throttle": {"for": "2s"},
    "storage.reset": {"for": "2s"},
    "storage.lose-answer": {},
    "storage.late-error": {},
}
CUTTING = {
    "storage.down": {"for": "3s"},
    "storage.stall": {"for": "3s"},
    "network.reset": {"service": "tracking", "for": "3s"},
    "network.partition": {"service": "tracking", "for": "3s"},
}


def options(kind, **given):
    return CATALOGUE[kind].options.model_validate(given)


def run(kind, **given):
    return list(CATALOGUE[kind].script(options(kind, **given), None, Scene()))


def of(told, kind):
    return [step for step in told if isinstance(step, kind)]


@pytest.mark.parametrize(("kind", "given"), {**AT_THE_GATE, **CUTTING}.items())
def test_nobody_is_killed_and_the_way_is_named(kind, given):
    fault, chosen = CATALOGUE[kind], options(kind, **given)
    assert isinstance(fault, Degradation)
    assert not fault.lethal(chosen)
    assert list(fault.views(chosen, has_outputs=True)) == [None]
    assert fault.service(chosen) == given.get("service", "store")
    assert fault.proxied is (kind in CUTTING)


@pytest.mark.parametrize(("kind", "given"), AT_THE_GATE.items())
def test_the_gate_is_disturbed_before_the_target_goes_on_and_calmed_in_the_end(kind, given):
    told = run(kind, **given)
    assert isinstance(told[0], steps.Disturb)
    assert isinstance(told[1], steps.Release)
    assert isinstance(told[2], steps.Pause | steps.Until)
    assert told[3:] == [steps.Calm("t1.late", "train")]


def test_a_throttle_says_what_is_refused_and_how():
    (disturb,) = of(
        run(
            "storage.throttle",
            **{
                "operations": ["PutObject", "UploadPart"],
                "key": "^checkpoints/",
                "share": "50%",
                "first": 3,
                "status": 429,
                "retry-after": "2s",
                "for": "10s",
            },
        ),
        steps.Disturb,
    )
    assert disturb.disturbance == Disturbance(
        injection="t1.late",
        how="throttle",
        task="train",
        operations=("PutObject", "UploadPart"),
        key="^checkpoints/",
        share=0.5,
        most=3,
        status=429,
        retry_after_s=2,
    )


def test_a_throttle_lasts_as_long_as_asked_or_until_so_many_were_refused():
    assert of(run("storage.throttle", **{"for": "2s"}), steps.Pause) == [steps.Pause(2.0)]
    (until,) = of(run("storage.throttle", **{"for": "9s", "first": 2}), steps.Until)

    def refused(injection):
        return event(Request(operation="PutObject", bucket="b", injection=injection))

    assert until.limit_s == 9.0
    heard = [until.matches(refused(one)) for one in ("t1.late", "t2.late", None, "t1.late")]
    assert heard == [False, False, False, True]


def test_an_upload_is_reset_after_so_much_of_it():
    (disturb,) = of(run("storage.reset", after="64KiB", first=1, **{"for": "9s"}), steps.Disturb)
    wanted = disturb.disturbance
    assert (wanted.how, wanted.after_bytes, wanted.most) == ("reset", 65536, 1)
    assert wanted.operations == ("PutObject", "UploadPart")


@pytest.mark.parametrize(
    ("kind", "how", "operation"),
    [
        ("storage.lose-answer", "lose-answer", "PutObject"),
        ("storage.late-error", "late-error", "CompleteMultipartUpload"),
    ],
)
def test_one_request_is_chosen_and_waited_for(kind, how, operation):
    told = run(kind, key="state-", nth=2, within="30s")
    (disturb,), (until,) = of(told, steps.Disturb), of(told, steps.Until)
    wanted = disturb.disturbance
    assert (wanted.how, wanted.operations) == (how, (operation,))
    assert (wanted.key, wanted.nth, wanted.most) == ("state-", 2, 1)
    assert until.limit_s == 30.0


@pytest.mark.parametrize(
    ("kind", "toxics"),
    [
        ("storage.down", [("down", "down", "both", {})]),
        ("storage.stall", [("timeout-upstream", "timeout", "upstream", {"timeout": 0})]),
        ("network.reset", [("reset_peer-upstream", "reset_peer", "upstream", {"timeout": 0})]),
        (
            "network.partition",
            [
                ("timeout-upstream", "timeout", "upstream", {"timeout": 0}),
                ("timeout-downstream", "timeout", "downstream", {"timeout": 0}),
            ],
        ),
    ],
)
def test_a_way_is_cut_by_toxics_that_are_removed_in_reverse(kind, toxics):
    told = run(kind, **CUTTING[kind])
    added = of(told, steps.AddToxic)
    assert [(one.name, one.type, one.stream, one.attributes) for one in added] == toxics
    removed = [one.name for one in of(told, steps.RemoveToxic)]
    assert removed == [name for name, *_ in reversed(toxics)]
    assert {one.service for one in added} == {CUTTING[kind].get("service", "store")}


@pytest.mark.parametrize("kind", CUTTING)
def test_the_canary_of_a_cut_is_not_waited_for_and_fits_into_it(kind):
    told = run(kind, **CUTTING[kind])
    during = next(one for one in of(told, steps.Measure) if one.when == "during")
    (pause,) = of(told, steps.Pause)
    assert during.samples * during.limit_s < pause.seconds
    (before,) = [one for one in of(told, steps.Until) if "before" in one.what]
    fact = CanaryMeasured(
        injection="t1.late", proxy="p", when="before", upload_bytes=0, download_bytes=1
    )
    assert before.matches(event(fact))


def test_bandwidth_of_a_service_is_limited_as_that_of_the_store():
    given = {"rate": "64KB/s", "stream": "upstream", "for": "3s"}
    store, tracking = (
        run("storage.bandwidth", **given),
        run("network.bandwidth", service="tracking", **given),
    )
    assert [type(one) for one in tracking] == [type(one) for one in store]
    assert {one.service for one in of(tracking, steps.AddToxic)} == {"tracking"}
    assert of(tracking, steps.AddToxic)[0].attributes == {"rate": 64}


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("storage.throttle", {}, "for"),
        ("storage.throttle", {"for": "2s", "operations": ["Put"]}, "PutObject"),
        ("storage.throttle", {"for": "2s", "operations": []}, "at least 1"),
        ("storage.throttle", {"for": "2s", "key": "("}, "no regular expression"),
        ("storage.throttle", {"for": "2s", "share": 0.5}, "needs its unit"),
        ("storage.throttle", {"for": "2s", "share": "0%"}, "more than 0%"),
        ("storage.throttle", {"for": "2s", "share": "120%"}, "at most 100%"),
        ("storage.throttle", {"for": "2s", "status": 500}, "503"),
        ("storage.throttle", {"for": "2s", "first": 0}, "first"),
        ("storage.throttle", {"for": "2s", "retry-after": "500ms"}, "whole seconds"),
        ("storage.reset", {"for": "2s", "after": 64}, "needs a unit"),
        ("storage.reset", {"for": "2s", "after": "some"}, "is no size"),
        ("storage.down", {"for": "1s"}, "at least 2s"),
        ("storage.stall", {"for": 5}, "needs a unit"),
        ("storage.lose-answer", {"operation": "GetObject"}, "PutObject"),
        ("storage.lose-answer", {"nth": 0}, "nth"),
        ("storage.late-error", {"operation": "PutObject"}, "CompleteMultipartUpload"),
        ("network.partition", {"for": "3s"}, "service"),
        ("network.reset", {"service": "store", "for": "3s", "stream": "both"}, "stream"),
        ("network.bandwidth", {"rate": "1MB/s", "for": "3s"}, "service"),
    ],
)
def test_options_that_make_no_sense_are_refused(kind, given, says):
    with pytest.raises(ValidationError, match=says):
        options(kind, **given)


def test_operations_stand_in_a_plan_as_one_text():
    chosen = options("storage.throttle", operations=["PutObject", "GetObject"], **{"for": "2s"})
    assert chosen.model_dump(mode="json", by_alias=True) == {
        "operations": "PutObject, GetObject",
        "key": None,
        "share": 1.0,
        "first": None,
        "status": 503,
        "retry-after": None,
        "for": 2.0,
    }
