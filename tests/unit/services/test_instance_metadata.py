"""The pages of a node's AWS instance metadata service."""

import datetime
import json

import pytest

from chaosml.services.imds import NOT_FOUND, NOTICE_PATHS, Notice, find_page

DEADLINE = datetime.datetime(2026, 11, 25, 12, 30, 59, 999999, tzinfo=datetime.UTC)
NOTICE = Notice("notice-1", "terminate", DEADLINE)


@pytest.mark.parametrize("path", NOTICE_PATHS)
def test_before_a_notice_its_pages_are_not_there(path):
    page = find_page(path, "n1", None)
    assert page == NOT_FOUND
    assert page.status == 404
    assert "<h1>404 - Not Found</h1>" in page.body


def test_a_notice_says_what_happens_and_when_in_whole_seconds_that_are_not_too_late():
    page = find_page("latest/meta-data/spot/instance-action", "n1", NOTICE)
    assert json.loads(page.body) == {"action": "terminate", "time": "2026-11-25T12:30:59Z"}
    assert page.content_type == "application/json"
    page = find_page("latest/meta-data/spot/termination-time", "n1", NOTICE)
    assert page.body == "2026-11-25T12:30:59Z"


def test_only_a_termination_has_a_termination_time():
    notice = Notice("notice-1", "stop", DEADLINE)
    assert find_page("latest/meta-data/spot/termination-time", "n1", notice) == NOT_FOUND
    assert find_page("latest/meta-data/spot/instance-action", "n1", notice).status == 200


def test_a_rebalance_recommendation_is_never_there():
    path = "latest/meta-data/events/recommendations/rebalance"
    assert find_page(path, "n1", NOTICE) == NOT_FOUND


@pytest.mark.parametrize("notice", [None, NOTICE])
def test_a_directory_lists_its_children(notice):
    assert find_page("", "n1", notice).body == "latest/"
    assert find_page("latest/", "n1", notice).body == "dynamic/\nmeta-data/"
    listed = find_page("latest/meta-data", "n1", notice).body.split("\n")
    assert ("spot/" in listed) == (notice is not None)
    assert {"instance-id", "placement/", "instance-life-cycle"} <= set(listed)


def test_a_slash_behind_a_page_is_tolerated():
    with_slash = find_page("latest/meta-data/instance-id/", "n1", None)
    assert with_slash == find_page("latest/meta-data/instance-id", "n1", None)
    assert with_slash.body.startswith("i-")


def test_a_node_keeps_its_identity_and_shares_it_with_none():
    path = "latest/meta-data/instance-id"
    assert find_page(path, "n1", None) == find_page(path, "n1", NOTICE)
    assert find_page(path, "n1", None) != find_page(path, "n2", None)
    document = json.loads(find_page("latest/dynamic/instance-identity/document", "n1", None).body)
    assert document["instanceId"] == find_page(path, "n1", None).body


def test_the_life_cycle_is_that_of_a_spot_instance():
    assert find_page("latest/meta-data/instance-life-cycle", "n1", None).body == "spot"
