"""The whole judgement: broken checkers, determinism, what is missing."""

import msgspec

from chaosml.checkers.judge import CHECKERS, judge, summary
from chaosml.timeline import build
from chaosml.verdict import Status, exit_code
from tests.quality import histories
from tests.unit.checkers.running import judged, verdict


class Broken:
    name = "broken"

    def check(self, evidence):
        raise ZeroDivisionError("by a planted defect")


def test_a_checker_that_raises_decides_nothing_and_hides_nothing():
    judgement = judged(histories.resumed(), checkers=(Broken(), *CHECKERS))
    found = verdict(judgement, "broken", None)
    assert (found.status, found.cause) == (Status.UNKNOWN, "checker-raised")
    assert "ZeroDivisionError: by a planted defect" in found.details
    assert verdict(judgement, "resume").status is Status.PASS
    assert judgement.status is Status.UNKNOWN


def test_the_same_histories_give_the_same_bytes():
    trials = [histories.half_trained(1), histories.resumed(2, diverge=True)]
    first, second = (
        msgspec.json.encode(judged(*trials, policies={"train": "Always"})) for _ in range(2)
    )
    assert first == second


def test_a_verdict_document_can_be_read_back():
    judgement = judged(histories.half_trained())
    document = msgspec.json.encode(judgement)
    assert msgspec.json.decode(document, type=type(judgement)) == judgement


def test_a_run_without_executions_is_unknown():
    scenario = histories.scenario()
    judgement = judge(
        scenario, histories.plan(), [], [], run="r", pipeline="p", versions={}, replay=""
    )
    assert judgement.status is Status.UNKNOWN
    assert exit_code(judgement) == 3


def test_without_a_control_there_is_nothing_to_compare_with():
    judgement = judged(histories.resumed(), controls=0)
    assert verdict(judgement, "resume").cause == "no-control"
    assert judgement.status is Status.UNKNOWN


def test_whether_it_was_interrupted_is_the_callers_to_say_and_else_the_histories():
    events = histories.resumed()
    assert not judged(events).interrupted
    assert judged(events, interrupted=True).interrupted


def test_a_summary_needs_only_the_execution_itself():
    scenario = histories.scenario()
    found = summary(build(histories.resumed(), scenario), scenario)
    assert found.valid
    assert found.phase == "Succeeded"
    assert found.measures["steps"] == histories.STEPS
    assert found.receipts[0].observed_view == "gone"
    assert found.wall_s > 0
    control = build(histories.control(), scenario)
    compared = summary(build(histories.resumed(), scenario), scenario, [control])
    assert compared.measures["waste"] > 0


def test_fingerprint_and_substrate_come_from_the_histories():
    judgement = judged(histories.resumed())
    assert (judgement.substrate, judgement.fingerprint) == ("embedded", {"cpu": "x"})


def test_every_verdict_has_a_sentence_and_every_failure_a_cause_and_evidence():
    for trial in (
        histories.half_trained(),
        histories.restarted_from_zero(),
        histories.not_retried(),
        histories.torn(),
    ):
        for one in judged(trial).verdicts:
            assert one.message
            if one.status is not Status.PASS:
                assert one.cause
            if one.status is Status.FAIL and one.execution is not None:
                assert one.evidence or one.expectation == "compute-waste"
