"""Scenarios divided among jobs, and what a job leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.errors import HistoryError, UsageError
from chaosml.store.shards import Shard, ShardRecord, divide, find, parse, write

COSTS = st.dictionaries(st.text(max_size=8), st.integers(0, 40), max_size=12)


@given(COSTS, st.integers(1, 6))
def test_every_scenario_is_of_exactly_one_shard_whatever_the_order(costs, of):
    division = divide(costs, of)
    assert division.keys() == costs.keys()
    assert set(division.values()) <= set(range(1, of + 1))
    assert divide(dict(reversed(list(costs.items()))), of) == division


@given(COSTS, st.integers(1, 6))
def test_no_shard_has_more_than_one_scenario_above_another(costs, of):
    division = divide(costs, of)
    loads = [sum(costs[one] for one in costs if division[one] == i) for i in range(1, of + 1)]
    assert max(loads) - min(loads) <= max(costs.values(), default=0)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_a_shard_that_does_not_exist_is_refused(text):
    with pytest.raises(UsageError, match="is no shard; write I/N"):
        parse(text)


def test_a_record_is_found_below_the_folder_of_all_jobs(tmp_path):
    record = ShardRecord(shard=Shard(2, 3), scenarios={"a.yaml": 2}, runs={"a.yaml": "a/1"})
    path = write(tmp_path / "job" / "reports", record)
    assert path.name == "shard-2-of-3.json"
    assert find(tmp_path) == {path: record}


@pytest.mark.parametrize("content", [b"", b"{}", b'{"shard": [1]}', b"\xff"])
def test_a_record_that_is_none_is_named(tmp_path, content):
    path = tmp_path / "shard-1-of-2.json"
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=r"shard-1-of-2\.json: is not what this version writes"):
        find(tmp_path)


def test_a_folder_without_records_is_told_what_makes_them(tmp_path):
    with pytest.raises(HistoryError, match="pytest --chaosml-shard I/N"):
        find(tmp_path)
