"""Where a real kill is armed for a point, and what it is compared by."""

from chaosml.sweep.kills import place_of


def test_every_write_and_what_the_probe_names_can_be_armed(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 20)
    recorder.point("train", "saved", 30)
    recorder.point("train", "saved", 31)
    effects, crashes = recorder.effects(contract), recorder.crashes(contract)
    places = {point.name: place_of(point, effects) for point in crashes.points}
    before = places["before PutObject c/1"]
    assert (before.kind, before.when, before.operation, before.key) == (
        "object",
        "before",
        "PutObject",
        "^c/1$",
    )
    assert places["after PutObject c/1"].when == "after"
    again = places["train says point saved (time 2)"]
    assert (again.event, again.name, again.nth) == ("point", "saved", 2)
    assert places["start of train"] is None
