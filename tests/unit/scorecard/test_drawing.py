"""Timelines as lanes: pods with their ends, faults with their holds, recovery in its parts."""

from chaosml.scorecard.drawing import draw
from chaosml.scorecard.picture import picture
from tests.quality import histories

EVERYTHING = frozenset(range(1, 10_000))


def drawn(recording, cited=frozenset()):
    return draw(recording, cited, histories.STEPS)


def lanes(drawing, kind):
    return [lane for lane in drawing.lanes if lane.kind == kind]


def kinds(lane):
    return [bar.kind for bar in lane.bars]


def marks(lane, kind):
    return [mark.says for mark in lane.marks if mark.kind == kind]


def test_a_control_has_pods_with_steps_and_checkpoints_and_no_fault():
    drawing = drawn(histories.control())
    assert lanes(drawing, "fault") == lanes(drawing, "recovery") == []
    (training,) = [lane for lane in drawing.lanes if lane.progress]
    assert [step for _, step in training.progress] == list(range(1, histories.STEPS + 1))
    saved = [f"checkpoint of step {step}" for step in range(histories.EVERY, 25, histories.EVERY)]
    assert [says.split(" at ")[0] for says in marks(training, "checkpoint")] == saved
    assert drawing.step_max == histories.STEPS


def test_a_struck_trial_shows_who_struck_and_where_the_next_pod_went_on():
    drawing = drawn(histories.resumed(step=15))
    first, second = [lane for lane in lanes(drawing, "pod") if lane.progress]
    assert first.progress[-1][1] == 15
    assert second.progress[0][1] == 16
    assert kinds(first)[-1] == "terminating"
    assert any("delete by" in says for says in marks(first, "strike"))
    assert marks(second, "restored")
    (fault,) = lanes(drawing, "fault")
    assert "hold" in kinds(fault)
    (recovery,) = lanes(drawing, "recovery")
    assert "regained in" in recovery.name
    assert kinds(recovery)[0] == "detect"
    assert kinds(recovery)[-1] == "catch-up"


def test_steps_that_a_program_printed_are_drawn_where_it_has_no_probe():
    drawing = drawn(histories.printing(histories.resumed)(step=15))
    first, second = [lane for lane in lanes(drawing, "pod") if lane.progress]
    assert first.progress[-1][1] == 15
    assert second.progress[0][1] == 16
    assert drawing.step_max == histories.STEPS


def test_parts_of_a_recovery_follow_each_other_without_gaps():
    (recovery,) = lanes(drawn(histories.resumed(step=15)), "recovery")
    for before, after in zip(recovery.bars, recovery.bars[1:], strict=False):
        assert before.end_s == after.start_s


def test_a_recovery_that_never_came_is_drawn_to_the_end():
    drawing = drawn(histories.not_retried())
    (recovery,) = lanes(drawing, "recovery")
    assert "not regained" in recovery.name
    assert recovery.bars[-1].kind == "never"
    assert recovery.bars[-1].end_s == drawing.length_s


def test_cited_events_are_told_with_their_time():
    drawing = drawn(histories.control(), frozenset({1, 5}))
    assert sorted(drawing.cited) == [1, 5]
    assert drawing.cited[1].words.startswith("1 harness source-opened")


def test_a_history_that_breaks_off_is_drawn_as_far_as_it_goes():
    events = histories.resumed(step=15)
    for length in range(0, len(events), 7):
        drawing = draw(events[:length], EVERYTHING, histories.STEPS)
        assert len(drawing.cited) == length
        if length:
            picture(drawing)
            for lane in drawing.lanes:
                for bar in lane.bars:
                    assert 0 <= bar.start_s <= bar.end_s <= drawing.length_s + 1e-9


def test_many_steps_are_thinned_and_keep_the_last_one():
    drawing = drawn(histories.control(steps=5000, every=50))
    (training,) = [lane for lane in drawing.lanes if lane.progress]
    assert len(training.progress) <= 121
    assert training.progress[-1][1] == 5000
    assert len(training.marks) == 60
    assert training.more > 0


def test_a_picture_has_round_ticks_and_places_within_its_width():
    drawn_now = picture(drawn(histories.resumed(step=15)))
    assert 2 <= len(drawn_now.ticks) <= 5
    assert all(0 <= float(left) <= 100 for left, _ in drawn_now.ticks)
    for strip in drawn_now.strips:
        assert strip.words
        for one in strip.rectangles:
            assert 0 <= float(one.x) <= 1000
