"""Lines that seem to name the step of a training."""

import re

import pytest

from chaosml.scaffold.printed import expression_for, lines_of
from chaosml.scenario.patterns import why_costly


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("step={} loss=0.5", "step"),
        ("Step {}/40 | loss 0.5", "step"),
        ("INFO epoch: {}, lr 3", "epoch"),
        ("[iter {}] loss", "iter"),
        ("{{'loss': 0.5, 'global_step': {}}}", "global_step"),
    ],
)
def test_a_number_that_rises_after_a_word_for_steps_is_one(line, found):
    lines = [line.format(number) for number in (1, 2, 2, 12)]
    expression = expression_for(["loading", *lines, "done"])
    assert rf"\b{found}\W" in expression
    assert re.search(expression, lines[-1])["step"] == "12"
    assert why_costly(expression) == ""


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["step=1", "step=2"],
        ["step=1", "step=2", "step=3", "step=1", "step=2"],
        ["stepsize 1", "stepsize 2", "stepsize 3"],
        ["loss 1", "loss 2", "loss 3"],
    ],
)
def test_what_does_not_rise_or_comes_too_seldom_is_none(lines):
    assert expression_for(lines) is None


def test_the_epoch_is_the_step_where_the_steps_begin_again_in_each():
    lines = [f"epoch {epoch} step {step}" for epoch in (1, 2, 3) for step in (1, 2, 3)]
    assert r"\bepoch\W" in expression_for(lines)


def test_the_probes_lines_are_left_out_and_a_log_may_be_missing(tmp_path):
    log = tmp_path / "u.log"
    log.write_bytes(b'@chaosml {"step":1}\n\xffstep 2\n' + b"x" * 9999)
    assert [len(line) for line in lines_of(log)] == [8, 512]
    assert list(lines_of(tmp_path / "none.log")) == []
