"""Which armed rule a request or a probe's stop fires."""

import pytest

from chaosml.errors import ServiceError
from chaosml.services.messages import AddPod, Rule
from chaosml.services.operation import Operation
from chaosml.services.rules import ArmedRules

POD = AddPod(uid="u1", task="train", attempt=0, node="n1")
PUT = Operation("PutObject", bucket="bucket", key="models/digits/model.npz")


def rule(**fields):
    return Rule(**{"rule": "r", "task": "train", "attempt": None, "place": "there"} | fields)


def gate_rule(**fields):
    return rule(**{"operation": "PutObject", "key": r"^models/"} | fields)


def step_rule(**fields):
    return rule(**{"event": "step", "fields": {"step": 3}} | fields)


def armed(*rules):
    found = ArmedRules()
    for each in rules:
        found.arm(each)
    return found


def test_a_rule_fires_once():
    rules = armed(gate_rule())
    assert rules.take_request(PUT, POD, "before") == gate_rule()
    assert rules.take_request(PUT, POD, "before") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "GetObject"},
        {"key": r"^digits/"},
        {"when": "after"},
        {"task": "evaluate"},
        {"attempt": 1},
    ],
)
def test_a_rule_that_speaks_of_something_else_does_not_fire(fields):
    assert armed(gate_rule(**fields)).take_request(PUT, POD, "before") is None


def test_a_key_is_searched_not_matched_from_its_begin():
    assert armed(gate_rule(key=r"model\.npz$")).take_request(PUT, POD, "before") is not None


def test_a_rule_without_a_key_means_every_key():
    assert armed(gate_rule(key=None)).take_request(PUT, POD, "before") is not None


def test_a_rule_fires_at_its_nth_match():
    rules = armed(gate_rule(nth=3))
    fired = [rules.take_request(PUT, POD, "before") is not None for _ in range(4)]
    assert fired == [False, False, True, False]


def test_two_rules_due_at_one_request_fire_one_after_the_other():
    rules = armed(gate_rule(rule="a"), gate_rule(rule="b"))
    fired = [rules.take_request(PUT, POD, "before") for _ in range(3)]
    assert [each and each.rule for each in fired] == ["a", "b", None]


def test_a_probe_gets_the_rules_of_its_own_pod_only():
    rules = armed(
        step_rule(rule="mine"),
        step_rule(rule="other-task", task="evaluate"),
        step_rule(rule="other-attempt", attempt=1),
        gate_rule(rule="gate"),
    )
    assert [each.rule.rule for each in rules.for_probe(POD)] == ["mine"]


def test_a_stop_in_front_of_the_nth_match_gets_another_token_each_time():
    """A probe does not wait again for a token that was released before."""
    rules = armed(step_rule(nth=3))
    tokens = []
    while rules.for_probe(POD):
        tokens.append(rules.for_probe(POD)[0].token)
        fired = rules.take_stop(tokens[-1], POD)
    assert len(set(tokens)) == len(tokens) == 3
    assert fired == step_rule(nth=3)


@pytest.mark.parametrize("token", ["unknown#0", "", "#", "gate#0"])
def test_a_stop_at_nothing_armed_fires_nothing(token):
    assert armed(gate_rule(rule="gate")).take_stop(token, POD) is None


def test_a_stop_of_another_tasks_pod_fires_nothing():
    rules = armed(step_rule())
    other = AddPod(uid="u2", task="evaluate", attempt=0, node="n1")
    assert rules.take_stop(rules.for_probe(POD)[0].token, other) is None


def test_a_disarmed_rule_does_not_fire_and_may_be_disarmed_again():
    rules = armed(gate_rule(), step_rule(rule="s"))
    for name in ("r", "s", "s"):
        rules.disarm(name)
    assert rules.take_request(PUT, POD, "before") is None
    assert rules.for_probe(POD) == []


def test_a_rule_that_was_never_armed_cannot_be_disarmed():
    with pytest.raises(ServiceError, match="'r' was never armed"):
        ArmedRules().disarm("r")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either an event or an operation"),
        ({"event": "step", "operation": "PutObject"}, "either an event or an operation"),
        ({"operation": "PutObject", "key": "("}, "not a regular expression"),
        ({"operation": "PutObject", "nth": 0}, "at least 1"),
        ({"operation": "PutObject", "when": "during"}, "'before' or 'after'"),
    ],
)
def test_a_rule_that_cannot_be_armed_is_refused_by_name(fields, message):
    with pytest.raises(ServiceError, match=message):
        ArmedRules().arm(rule(**fields))


def test_a_rule_is_armed_only_once():
    rules = armed(gate_rule())
    rules.take_request(PUT, POD, "before")
    with pytest.raises(ServiceError, match="armed before"):
        rules.arm(gate_rule())
