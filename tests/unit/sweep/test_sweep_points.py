"""Which points a recording has, and in which states a crash there leaves the store."""

from chaosml.sweep.points import SUBSETS_MAX


def stores(crashes, name):
    """The stores that a crash at the point of this name may leave."""
    (point,) = [one for one in crashes.points if one.name == name]
    return {crashes.state(number).effects for number in point.states}


def test_writes_one_after_the_other_leave_prefixes(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 20)
    recorder.write("train", "c/2", 30, 40)
    crashes = recorder.crashes(contract)
    assert [point.name for point in crashes.points] == [
        "start of train",
        "before PutObject c/1",
        "after PutObject c/1",
        "before PutObject c/2",
        "after PutObject c/2",
        "end of train, before it is seen",
    ]
    assert [state.effects for state in crashes.states] == [(), (1,), (1, 2)]
    assert stores(crashes, "after PutObject c/1") == {(1,)}
    assert crashes.states[1].at_ns == 30_000_000, "the last moment that leaves the state"


def test_writes_in_flight_together_leave_every_subset(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 30)
    recorder.write("train", "c/2", 20, 40)
    crashes = recorder.crashes(contract)
    assert {state.effects for state in crashes.states} == {(), (1,), (2,), (1, 2)}
    assert stores(crashes, "before PutObject c/1") == {(), (2,)}
    assert stores(crashes, "after PutObject c/2") == {(2,), (1, 2)}


def test_no_subset_has_a_write_without_one_that_was_answered_before_it_began(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/2", 20, 30)
    recorder.write("train", "c/3", 40, 50)
    recorder.write("train", "c/1", 10, 60)
    found = {state.effects for state in recorder.crashes(contract).states}
    # 1 is c/2, 2 is c/3, 3 is c/1, which is in flight all the time.
    assert found == {(), (1,), (3,), (1, 2), (1, 3), (1, 2, 3)}


def test_a_state_lies_where_a_crash_can_leave_it(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 30)
    recorder.write("train", "c/2", 20, 40)
    at = {state.effects: state.at_ns / 1e6 for state in recorder.crashes(contract).states}
    assert 20 <= at[(2,)] <= 30, "c/2 has begun, c/1 is not answered"


def test_a_crash_ends_every_pod_that_runs_and_no_other(recorder, contract):
    recorder.pod("prepare", 0, 10)
    recorder.pod("train", 20, 100)
    recorder.pod("watch", 30, 50)
    recorder.write("train", "c/1", 35, 40)
    recorder.write("train", "c/2", 60, 70)
    crashes = recorder.crashes(contract)
    crashed = {
        point.name: crashes.state(point.states[0]).crashed
        for point in crashes.points
        if point.effect is not None
    }
    assert set(crashed["after PutObject c/1"]) == {"train-1", "watch-1"}
    assert set(crashed["after PutObject c/2"]) == {"train-1"}


def test_what_a_probe_says_is_a_point_and_shares_the_state_around_it(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 20)
    recorder.point("train", "saved", 25)
    recorder.point("train", "saved", 26)
    crashes = recorder.crashes(contract)
    names = [point.name for point in crashes.points if point.kind == "probe"]
    assert names == ["train says point saved", "train says point saved (time 2)"]
    assert len(crashes.states) == 2


def test_reads_and_refused_writes_are_no_effects(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 20, operation="GetObject")
    recorder.write("train", "c/1", 30, 40, stored=False, version=None)
    recorder.write("train", "c/1", 50, 60)
    (effect,) = recorder.effects(contract)
    assert (effect.name, effect.nth) == ("PutObject c/1 (time 2)", 2)
    assert effect.role == "checkpoint"


def test_too_many_writes_together_are_sampled_by_the_seed_and_what_is_left_out_is_counted(
    recorder, contract
):
    recorder.pod("train", 0, 100)
    for number in range(20):
        recorder.write("train", f"c/{number}", 10, 50)
    first, again = recorder.crashes(contract, seed=1), recorder.crashes(contract, seed=1)
    assert first == again
    assert first != recorder.crashes(contract, seed=2)
    (point,) = [one for one in first.points if one.name == "before PutObject c/0"]
    assert len(point.states) == SUBSETS_MAX
    assert point.unreached == 2**19 - SUBSETS_MAX


def test_an_effect_that_cannot_be_rebuilt_says_so(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "", 10, 20, operation="DeleteObjects", version=None)
    (effect,) = recorder.effects(contract)
    assert "DeleteObjects is not rebuilt" in effect.obstacle
