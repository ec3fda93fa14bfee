"""Which requests a disturbance at the gate meets: by task, operation, key, order and draw."""

from __future__ import annotations

import pytest

from chaosml.errors import ServiceError
from chaosml.services.disturbances import Disturbances
from chaosml.services.messages import AddPod, Disturbance
from chaosml.services.operation import Operation

TRAIN = AddPod(uid="u1", task="train", attempt=0, node="n1")
OTHER = AddPod(uid="u2", task="evaluate", attempt=0, node="n1")
PUT = Operation("PutObject", "b", "checkpoints/1")


def throttling(seed: str = "7/trial/1", **fields: object) -> Disturbances:
    found = Disturbances(seed)
    given = {"injection": "t1.slow", "how": "throttle", "task": "train", **fields}
    found.add(Disturbance(**given))  # type: ignore[arg-type]
    return found


def met(found: Disturbances, *operations: Operation, pod: AddPod = TRAIN) -> list[bool]:
    return [found.take(one, pod, stored=False) is not None for one in operations]


def test_requests_of_the_task_are_met_and_of_another_are_not():
    found = throttling()
    assert met(found, PUT) == [True]
    assert met(found, PUT, pod=OTHER) == [False]


def test_only_the_operations_and_keys_that_were_named_are_met():
    found = throttling(operations=("PutObject", "UploadPart"), key="^checkpoints/")
    others = [Operation("GetObject", "b", "checkpoints/1"), Operation("PutObject", "b", "models/1")]
    assert met(found, PUT, Operation("UploadPart", "b", "checkpoints/1"), *others) == [
        True,
        True,
        False,
        False,
    ]


def test_the_nth_one_and_no_more_than_were_asked_for_are_met():
    assert met(throttling(nth=3, most=1), *[PUT] * 5) == [False, False, True, False, False]
    assert met(throttling(most=2), *[PUT] * 4) == [True, True, False, False]


def test_a_share_is_drawn_from_the_seed_and_the_injection():
    first, again, other = (
        met(throttling(seed, share=0.5), *[PUT] * 200)
        for seed in ("7/trial/1", "7/trial/1", "8/trial/1")
    )
    assert first == again
    assert first != other
    assert 70 < sum(first) < 130


def test_what_is_taken_back_meets_nobody_and_may_be_taken_back_again():
    found = throttling()
    found.remove("t1.slow")
    found.remove("t1.slow")
    assert met(found, PUT) == [False]


def test_answers_are_lost_only_of_what_the_store_has_carried_out():
    found = throttling(how="lose-answer")
    assert found.take(PUT, TRAIN, stored=False) is None
    assert found.take(PUT, TRAIN, stored=True) is not None


def test_a_request_meets_one_disturbance_and_the_next_request_the_other():
    found = throttling(most=1)
    found.add(Disturbance(injection="t1.other", how="reset", task="train", most=1))
    taken = [found.take(PUT, TRAIN, stored=False) for _ in range(3)]
    assert [None if one is None else one.injection for one in taken] == [
        "t1.slow",
        "t1.other",
        None,
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"how": "explode"}, "is none of throttle"),
        ({"share": 0.0}, "share=0.0 must be above 0"),
        ({"nth": 0}, "nth=0 at least 1"),
        ({"key": "("}, "is not a regular expression"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(fields, says):
    with pytest.raises(ServiceError, match=says):
        throttling(**fields)


def test_an_injection_disturbs_once():
    found = throttling()
    with pytest.raises(ServiceError, match="give each its own name"):
        found.add(Disturbance(injection="t1.slow", how="reset", task="train"))
