"""Holds at the gate: in front of the store, behind it, and how each of them ends."""

from __future__ import annotations

import concurrent.futures
import contextlib

import pytest
from services_under_test import start_program

from chaosml import clock
from chaosml.errors import ServiceError
from chaosml.event import HoldEnded, HoldStarted, Request
from chaosml.services.messages import Disarm, EndHolds, Release

pytestmark = pytest.mark.slow

PUT_PROGRAM = """
import boto3, os
from botocore.config import Config
s3 = boto3.client(
    "s3", endpoint_url=os.environ["URL"], aws_access_key_id="u1", aws_secret_access_key="any",
    region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}),
)
s3.put_object(Bucket=os.environ["BUCKET"], Key="model", Body=b"x" * int(os.environ["SIZE"]))
print("put", flush=True)
"""


@contextlib.contextmanager
def putting(world, size=5):
    """Put the object `model` from a process of its own."""
    variables = {"URL": world.endpoints.gate_url, "BUCKET": world.bucket, "SIZE": str(size)}
    with start_program(PUT_PROGRAM, **variables) as process:
        try:
            yield process
        finally:
            process.kill()


def put(world, key="model", uid="u1"):
    return world.s3(uid).put_object(Bucket=world.bucket, Key=key, Body=b"x")


@pytest.mark.parametrize("size", [5, 3 << 20], ids=["small", "large"])
def test_a_write_held_in_front_of_the_store_is_stored_once_it_is_released(world, size):
    world.arm(operation="PutObject", key="^model$", place="before PutObject model")
    with putting(world, size) as process:
        held = world.wait_for_hold()
        assert held == HoldStarted(
            hold=held.hold,
            rule="rule-1",
            uid="u1",
            place="before PutObject model",
            key="model",
        )
        assert world.stored("model") == []
        world.call(Release(hold=held.hold, why="receipt"))
        assert process.stdout.readline() == "put\n"
    assert world.stored("model") == [b"x" * size]
    assert [type(each.data) for each in world.end()] == [HoldStarted, HoldEnded, Request]
    assert world.facts(HoldEnded)[0].why == "receipt"


@pytest.mark.parametrize("told", [True, False], ids=["death", "abandoned"])
@pytest.mark.parametrize("size", [5, 3 << 20], ids=["small", "large"])
def test_a_write_whose_pod_dies_in_front_of_the_store_never_reaches_it(world, size, told):
    world.arm(operation="PutObject", key="^model$", hold_s=3.0)
    with putting(world, size) as process:
        world.wait_for_hold()
        process.kill()
        if told:
            world.call(EndHolds(uid="u1", why="death"))
        ended = world.wait_for_hold_end()
    assert ended.why == ("death" if told else "abandoned")
    gone = world.wait_for(Request)
    assert (gone.outcome, gone.status, gone.stored) == ("client-gone", None, False)
    world.end()
    assert world.stored("model") == []


def test_a_write_held_behind_the_store_is_stored_although_its_pod_dies(world):
    world.arm(operation="PutObject", key="^model$", when="after", place="after PutObject model")
    with putting(world) as process:
        assert world.wait_for_hold().place == "after PutObject model"
        assert world.stored("model") == [b"xxxxx"]
        process.kill()
        world.call(EndHolds(uid="u1", why="death"))
    assert world.wait_for_hold_end().why == "death"
    gone = world.wait_for(Request)
    assert (gone.outcome, gone.status, gone.stored) == ("client-gone", None, True)
    listing = world.store().list_object_versions(Bucket=world.bucket)["Versions"]
    assert gone.version == listing[0]["VersionId"]


def test_a_death_known_before_the_connection_breaks_ends_the_request_too(world):
    world.arm(operation="PutObject", key="^model$")
    with putting(world) as process:
        world.wait_for_hold()
        world.call(EndHolds(uid="u1", why="death"))
        assert world.wait_for(Request).outcome == "client-gone"
        assert process.stdout.readline() == ""
    assert world.stored("model") == []


def test_a_pod_that_terminates_gets_on_with_its_write(world):
    world.arm(operation="PutObject", key="^model$")
    with putting(world) as process:
        world.wait_for_hold()
        world.call(EndHolds(uid="u1", why="terminating"))
        assert process.stdout.readline() == "put\n"
    assert world.wait_for_hold_end().why == "terminating"
    assert world.stored("model") == [b"xxxxx"]


def test_a_hold_ends_by_itself_and_the_write_goes_on(world):
    world.arm(operation="PutObject", key="^model$", hold_s=0.2)
    begun = clock.monotonic_ns()
    put(world)
    assert clock.monotonic_ns() - begun >= 200_000_000
    assert world.wait_for_hold_end().why == "expired"
    assert world.wait_for(Request).stored


def test_disarming_ends_the_hold(world):
    world.arm(operation="PutObject", key="^model$")
    with putting(world) as process:
        world.wait_for_hold()
        world.call(Disarm(rule="rule-1"))
        assert process.stdout.readline() == "put\n"
    assert world.wait_for_hold_end().why == "disarmed"


def test_the_end_of_the_execution_ends_every_hold(world):
    world.arm(operation="PutObject", key="^model$")
    with putting(world):
        world.wait_for_hold()
        world.end()
    assert world.facts(HoldEnded)[0].why == "death"
    assert world.facts(Request)[0].outcome == "client-gone"
    assert world.stored("model") == []


def test_only_the_nth_match_of_the_armed_task_is_held(world):
    world.arm(operation="PutObject", key="^model", nth=2, hold_s=0.1)
    for key, uid in (("model", "u2"), ("other", "u1"), ("model", "u1"), ("model-2", "u1")):
        put(world, key, uid)
    put(world, "model-3")
    world.end()
    assert [each.key for each in world.facts(HoldStarted)] == ["model-2"]


def test_a_write_that_the_store_refused_is_not_held_behind_it(world):
    put(world)
    world.arm(operation="PutObject", key="^model$", when="after", hold_s=0.1)
    s3 = world.s3()
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=world.bucket, Key="model", Body=b"y", IfNoneMatch="*")
    world.end()
    assert world.facts(HoldStarted) == []


def test_a_release_that_comes_too_late_changes_nothing(world):
    world.arm(operation="PutObject", key="^model$", hold_s=0.05)
    put(world)
    world.wait_for_hold_end()
    world.call(Release(hold=world.facts(HoldStarted)[0].hold, why="receipt"))
    world.end()
    assert [each.why for each in world.facts(HoldEnded)] == ["expired"]


def test_a_hold_that_never_was_cannot_be_released(world):
    with pytest.raises(ServiceError, match="refused Release: no hold 'hold-9'"):
        world.call(Release(hold="hold-9", why="receipt"))


def test_others_pass_while_one_is_held(world):
    world.arm(operation="PutObject", key="^model$")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        held = pool.submit(put, world)
        hold = world.wait_for_hold().hold
        put(world, "other")
        assert not held.done()
        world.call(Release(hold=hold, why="receipt"))
        held.result(timeout=10)
    assert [each.key for each in world.requests()] == ["other", "model"]
