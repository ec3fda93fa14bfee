"""The values of a node's Google metadata server."""

from __future__ import annotations

import json

import pytest

from chaosml.services.gcp import PREEMPTED, ROOT, Query, find_value, parse_query


def value(path, *, preempted=False, **query):
    return find_value(path, "n1", preempted=preempted, query=parse_query(query))


def test_preempted_is_false_and_then_true_with_another_tag():
    before, after = value(PREEMPTED), value(PREEMPTED, preempted=True)
    assert (before.body, after.body) == ("FALSE", "TRUE")
    assert before.content_type == "application/text"
    assert before.etag != after.etag
    assert before.etag == value(PREEMPTED).etag
    assert len(before.etag) == 16


def test_a_preemption_is_no_maintenance_event():
    assert value(f"{ROOT}/instance/maintenance-event", preempted=True).body == "NONE"


def test_as_json_a_value_is_a_json_value():
    found = value(PREEMPTED, alt="json")
    assert (found.body, found.content_type) == ('"FALSE"', "application/json")
    assert isinstance(json.loads(value(f"{ROOT}/instance/id", alt="json").body), int)


def test_a_directory_lists_its_children_with_a_slash_behind_those_that_have_some():
    listed = value(f"{ROOT}/instance/").body.splitlines()
    assert "preempted" in listed
    assert "scheduling/" in listed
    assert value("computeMetadata/v1").body == "instance/\nproject/\n"
    assert value("").body == "computeMetadata/\n"


def test_a_recursive_directory_is_one_document_with_names_as_google_writes_them():
    found = json.loads(value(f"{ROOT}/instance", recursive="true").body)
    assert found["preempted"] == "FALSE"
    assert found["scheduling"]["onHostMaintenance"] == "TERMINATE"
    assert found["maintenanceEvent"] == "NONE"


@pytest.mark.parametrize("path", [f"{ROOT}/instance/nothing", "computeMetadata/v2", f"{ROOT}/inst"])
def test_what_is_not_there_is_none(path):
    assert value(path) is None


def test_nodes_are_told_apart():
    other = find_value(f"{ROOT}/instance/id", "n2", preempted=False, query=Query())
    assert other.body != value(f"{ROOT}/instance/id").body


def test_a_query_says_how_long_to_wait_for_what():
    query = parse_query({"wait_for_change": "true", "timeout_sec": "60", "last_etag": "NONE"})
    assert query == Query(wait_for_change=True, last_etag="NONE", timeout_s=60.0)
    assert not parse_query({"wait_for_change": "false"}).wait_for_change


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"timeout_sec": "soon"}, "whole number of seconds, not 'soon'"),
        ({"timeout_sec": "-1"}, "whole number of seconds, not '-1'"),
        ({"alt": "xml"}, "json or text, not 'xml'"),
    ],
)
def test_a_query_that_means_nothing_is_refused(query, words):
    with pytest.raises(ValueError, match=words):
        parse_query(query)
