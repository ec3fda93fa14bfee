"""The metadata service over HTTP: a notice's life and who read it first."""

from __future__ import annotations

import datetime
import json
import urllib.error
import urllib.request

import pytest

from chaosml import clock
from chaosml.event import NoticeRead, NoticeVisible, NoticeWithdrawn
from chaosml.services.messages import AddPod, Notify, Withdraw

pytestmark = pytest.mark.slow

ACTION = "latest/meta-data/spot/instance-action"


def fetch(world, path, *, reader=None, node="n1", method="GET", **headers):
    """Return status, headers and text of a page as a node or a pod gets it."""
    prefix = f"nodes/{node}" + (f"/pods/{reader}" if reader else "")
    asked = urllib.request.Request(
        f"{world.endpoints.metadata_url}/{prefix}/{path}",
        method=method,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def notify(world, seconds=120, node="n1", notice="notice-1"):
    deadline_ns = clock.monotonic_ns() + seconds * 1_000_000_000
    world.call(Notify(node=node, notice=notice, action="terminate", deadline_ns=deadline_ns))
    return deadline_ns


def test_a_notice_comes_and_goes(world):
    status, headers, body = fetch(world, ACTION)
    assert (status, headers.get_content_type()) == (404, "text/html")
    assert "404 - Not Found" in body
    deadline_ns = notify(world)
    status, headers, body = fetch(world, ACTION)
    assert (status, headers.get_content_type()) == (200, "application/json")
    assert json.loads(body)["action"] == "terminate"
    world.call(Withdraw(node="n1"))
    assert fetch(world, ACTION)[0] == 404
    world.end()
    assert world.facts(NoticeVisible) == [
        NoticeVisible(node="n1", notice="notice-1", action="terminate", deadline_ns=deadline_ns)
    ]
    assert world.facts(NoticeWithdrawn) == [NoticeWithdrawn(node="n1", notice="notice-1")]


def test_the_time_in_a_notice_is_its_deadline_and_does_not_slide(world):
    before = clock.utc_now()
    notify(world, seconds=120)
    first, second = (json.loads(fetch(world, ACTION)[2])["time"] for _ in range(2))
    assert first == second
    told = datetime.datetime.fromisoformat(first)
    slack = datetime.timedelta(seconds=10)
    assert before + datetime.timedelta(seconds=119) <= told <= clock.utc_now() + 12 * slack
    assert fetch(world, "latest/meta-data/spot/termination-time")[2] == first


def test_the_first_read_of_each_reader_is_told_and_the_first_of_all_is_marked(world):
    world.call(AddPod(uid="u3", task="train", attempt=1, node="n1"))
    fetch(world, ACTION, reader="u1")
    notify(world)
    for reader in ("u3", "u1", "u3", None, "u1"):
        assert fetch(world, ACTION, reader=reader)[0] == 200
    world.end()
    assert [(each.uid, each.first) for each in world.facts(NoticeRead)] == [
        ("u3", True),
        ("u1", False),
        (None, False),
    ]
    read = next(each for each in world.said if isinstance(each.data, NoticeRead))
    assert (read.source, read.subject) == ("metadata", "pod/u3")
    assert read.earliest_ns < read.latest_ns


def test_a_look_at_other_pages_reads_no_notice(world):
    notify(world)
    fetch(world, "latest/meta-data/", reader="u1")
    fetch(world, ACTION, reader="u1", method="HEAD")
    world.end()
    assert world.facts(NoticeRead) == []


def test_a_notice_concerns_its_node_only(world):
    notify(world, node="n1")
    assert fetch(world, ACTION, node="n2")[0] == 404
    own, other = (fetch(world, "latest/meta-data/instance-id", node=n)[2] for n in ("n1", "n2"))
    assert own != other


def test_a_new_execution_knows_no_notice_of_the_one_before(world):
    notify(world)
    world.begin()
    assert fetch(world, ACTION)[0] == 404


def test_a_session_token_opens_its_own_node_only(world):
    path = "latest/api/token"
    ttl = "X-aws-ec2-metadata-token-ttl-seconds"
    status, headers, token = fetch(world, path, method="PUT", **{ttl: "60"})
    assert (status, headers[ttl]) == (200, "60")
    page = "latest/meta-data/instance-id"
    status, headers, _ = fetch(world, page, X_aws_ec2_metadata_token=token)
    assert (status, 0 < int(headers[ttl]) <= 60) == (200, True)
    assert fetch(world, page, node="n2", X_aws_ec2_metadata_token=token)[0] == 401
    assert fetch(world, page, X_aws_ec2_metadata_token="forged")[0] == 401


@pytest.mark.parametrize("ttl", ["0", "21601", "x", ""])
def test_a_token_with_an_impossible_life_is_refused(world, ttl):
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": ttl}
    assert fetch(world, "latest/api/token", method="PUT", **headers)[0] == 400


@pytest.mark.parametrize("path", ["latest/nothing", "../../etc/passwd", "%2e%2e/x"])
def test_what_is_not_there_is_not_found(world, path):
    assert fetch(world, path)[0] == 404


def test_what_is_no_node_is_not_found(world):
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{world.endpoints.metadata_url}/latest/meta-data/", timeout=10)
    error.value.close()
    assert error.value.code == 404
