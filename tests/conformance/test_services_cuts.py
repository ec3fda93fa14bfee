"""Ways that let nothing through: what canaries and S3 clients feel, by either Toxiproxy."""

from __future__ import annotations

import contextlib
import json
import pathlib

import pytest
import toxiproxy_under_test as servers
from botocore.exceptions import BotoCoreError
from services_under_test import World, request

from chaosml.errors import ServiceError
from chaosml.event import CanaryMeasured
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE
from chaosml.services.messages import Measure
from chaosml.services.proxies import Proxies
from chaosml.substrates.protocol import PodView

pytestmark = pytest.mark.slow

PROXY = "store.train"
KINDS = {
    "storage.down": ("refused",),
    "storage.stall": ("silent",),
    "network.partition": ("silent",),
    "network.reset": ("reset", "cut"),
}
STREAMS = ("upstream", "downstream")


class Scene:
    injection = "t1.cut"
    target = PodView("u1", "train", "train", 0, "n1", running=True)

    def pods_on(self, node):
        return [self.target]


@pytest.fixture(scope="module", params=["embedded", "real"])
def driver(request):
    with {"embedded": servers.embedded, "real": servers.real}[request.param]() as server:
        yield Proxies(f"http://127.0.0.1:{server.port}")


@pytest.fixture
def way(running, driver):
    """Return a world, and the address of a fresh proxy in front of its gate."""
    world = running.begin()
    gate = world.endpoints.gate_url.removeprefix("http://")
    with contextlib.suppress(ServiceError):
        driver._ask("remove the old proxy", lambda: driver._find(PROXY).destroy())
    return world, driver.create(PROXY, upstream=gate, host="127.0.0.1")


def toxics(kind, **options):
    """Return what the script of a fault adds."""
    given = {
        "for": "3s",
        **({"service": "store"} if kind.startswith("network.") else {}),
        **options,
    }
    fault = CATALOGUE[kind]
    script = fault.script(fault.options.model_validate(given), None, Scene())
    return [step for step in script if isinstance(step, steps.AddToxic)]


def add(driver, added):
    for toxic in added:
        driver.add(PROXY, toxic.name, toxic.type, toxic.stream, toxic.attributes)


def remove(driver, added):
    for toxic in reversed(added):
        driver.remove(PROXY, toxic.name)


def canary(world, address, number, limit_s=1.0):
    world.call(
        Measure(
            injection="t1.cut",
            proxy=PROXY,
            when="during",
            address=address,
            http=True,
            upload_bytes=0,
            download_bytes=1,
            samples=1,
            limit_s=limit_s,
        )
    )
    return world.wait_for(CanaryMeasured, number)


@pytest.mark.parametrize(("kind", "failures"), KINDS.items())
def test_a_canary_fails_as_the_fault_has_it_and_is_answered_before_and_after(
    way, driver, kind, failures
):
    world, address = way
    added = toxics(kind)
    assert canary(world, address, 1).failure is None
    add(driver, added)
    assert canary(world, address, 2).failure in failures
    remove(driver, added)
    after = canary(world, address, 3)
    assert (after.failure, after.problem) == (None, None)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_reset_fails_canaries_in_either_direction(way, driver, stream):
    world, address = way
    add(driver, toxics("network.reset", stream=stream))
    assert canary(world, address, 1).failure in ("reset", "cut")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_into_a_cut_is_not_stored_and_can_be_sent_again(way, driver, kind):
    world, address = way
    s3 = world.s3(url=f"http://{address}", read_timeout=1, connect_timeout=1)
    added = toxics(kind)
    add(driver, added)
    with pytest.raises(BotoCoreError):
        s3.put_object(Bucket=world.bucket, Key="k", Body=b"x", IfNoneMatch="*")
    assert world.stored("k") == []
    remove(driver, added)
    s3.put_object(Bucket=world.bucket, Key="k", Body=b"x", IfNoneMatch="*")
    assert world.stored("k") == [b"x"]


def test_a_reset_of_answers_leaves_what_was_sent_in_the_store(way, driver):
    world, address = way
    s3 = world.s3(url=f"http://{address}")
    add(driver, toxics("network.reset", stream="downstream"))
    # Else the interim answer that a PUT of boto3's waits for brings the reset.
    s3.meta.events.register("before-send.s3", _expect_nothing)
    with pytest.raises(BotoCoreError):
        s3.put_object(Bucket=world.bucket, Key="k", Body=b"x")
    assert world.stored("k") == [b"x"]


def _expect_nothing(request, **_):
    request.headers.pop("Expect", None)


def test_a_proxy_that_cannot_be_disabled_is_an_error(driver):
    with pytest.raises(ServiceError, match="could not disable 'nowhere'"):
        driver.add("nowhere", "down", "down", "both", {})


def _spared(directory: pathlib.Path, seed: int) -> list[bool]:
    """Return which of some connections a toxic of half of them spares."""
    world = World(directory, toxiproxy=True, seed=seed)
    try:
        world.begin()
        driver = Proxies(world.endpoints.toxiproxy_url)
        gate = world.endpoints.gate_url.removeprefix("http://")
        address = driver.create(PROXY, upstream=gate, host="127.0.0.1")
        toxic = {"type": "limit_data", "toxicity": 0.5, "attributes": {"bytes": 0}}
        body = json.dumps({**toxic, "stream": "downstream"}).encode()
        url = world.endpoints.toxiproxy_url
        status, *_ = request(url, "POST", f"/proxies/{PROXY}/toxics", {}, body)
        assert status == 200
        found = [canary(world, address, number, 5.0) for number in range(1, 13)]
        return [one.failure is None for one in found]
    finally:
        world.close()


def test_the_embedded_server_draws_from_the_seed_of_the_scenario(tmp_path: pathlib.Path):
    names = ("first", "again", "other")
    for name in names:
        (tmp_path / name).mkdir()
    seeds = {"first": 7, "again": 7, "other": -5}
    drawn = {name: _spared(tmp_path / name, seeds[name]) for name in names}
    assert drawn["first"] == drawn["again"]
    assert drawn["first"] != drawn["other"]
