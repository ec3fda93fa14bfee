"""What the processes of a session know of each other's runs."""

import fcntl

import pytest

from chaosml.errors import HarnessError
from chaosml.pytest_plugin.exchange import Exchange, Record

SPOT = "scenarios/spot.yaml"


def record(**changes):
    return Record(**({"scenario": SPOT, "directory": "reports/spot/1"} | changes))


def never():
    raise AssertionError("it was run twice")


@pytest.fixture
def exchange(tmp_path):
    return Exchange(tmp_path)


def test_who_comes_later_reads_what_came_of_the_first_run(exchange):
    assert exchange.once(SPOT, 1.0, record) == record()
    assert Exchange(exchange.folder).once(SPOT, 1.0, never) == record()


def test_scenarios_do_not_share_runs(exchange):
    exchange.once(SPOT, 1.0, record)
    other = record(scenario="other/spot.yaml")
    assert exchange.once("other/spot.yaml", 1.0, lambda: other) == other


def test_a_run_that_broke_off_is_not_begun_again_but_told(exchange):
    def dies():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exchange.once(SPOT, 1.0, dies)
    found = exchange.once(SPOT, 1.0, never)
    assert found.directory is None
    assert "broke off" in found.error


def test_the_wait_for_another_worker_names_what_it_waited_for(exchange):
    exchange.once(SPOT, 1.0, record)
    (lock,) = exchange.folder.glob("*.lock")
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(HarnessError, match=f"the run of {SPOT} in another worker did not end"):
            exchange.once(SPOT, 0.01, never)


def test_runs_on_one_cluster_take_turns_and_on_two_they_do_not(exchange):
    other = Exchange(exchange.folder)
    with exchange.turn("kind-one"):
        with other.turn("kind-two"):
            pass
        words = "the runs of other workers on kind-one did not end within 0.01 s"
        with pytest.raises(HarnessError, match=words), other.turn("kind-one", 0.01):
            never()
    with other.turn("kind-one", 0.01):
        pass


def test_a_worker_on_another_machine_is_told_why_it_cannot_share(tmp_path):
    with pytest.raises(HarnessError, match="all must run on one machine"):
        Exchange(tmp_path / "elsewhere").once(SPOT, 1.0, never)


def test_records_come_in_the_order_of_scenarios_whoever_wrote_them(exchange):
    exchange.add(record(scenario="z.yaml"))
    exchange.refuse("a.yaml", "is broken")
    exchange.once(SPOT, 1.0, record)
    exchange.add(record(scenario="z.yaml", directory="reports/z/2"))
    found = [(one.scenario, one.directory) for one in exchange.records()]
    assert found == [
        ("a.yaml", None),
        (SPOT, "reports/spot/1"),
        ("z.yaml", "reports/spot/1"),
        ("z.yaml", "reports/z/2"),
    ]
