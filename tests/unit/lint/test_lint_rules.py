"""Every rule on its own examples, and all rules on the reference pipelines."""

import pathlib
import re

import pytest

from chaosml.lint import fixing
from chaosml.lint.engine import examine
from chaosml.lint.rules import rules

ROOT = pathlib.Path(__file__).resolve().parents[3]
PIPELINES = ROOT / "scenarios" / "pipelines"
MARK = re.compile(r"\s*# found$", re.MULTILINE)
PATH = pathlib.Path("example.yaml")
NAMES = sorted(rules())


def without_marks(text):
    return MARK.sub("", text)


def marked_lines(text):
    lines = text.splitlines()
    return {number for number, line in enumerate(lines, start=1) if MARK.search(line)}


def found_by(name, text):
    examined = examine(text, PATH, rules())
    assert not examined.problems, examined.problems
    return [finding for finding in examined.open if finding.rule.name == name]


def found_in(name):
    path = PIPELINES / name
    return examine(path.read_text(), path, rules()).open


def test_there_are_many_rules_and_each_module_is_named_like_its_rule():
    modules = {
        path.stem.replace("_", "-") for path in (ROOT / "chaosml/lint/rules").glob("[a-z]*.py")
    }
    assert modules == set(NAMES)
    assert len(NAMES) >= 25


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_finds_its_bad_example_on_the_marked_lines_and_nowhere_else(name):
    bad = rules()[name].bad
    assert marked_lines(bad)
    assert {finding.line for finding in found_by(name, without_marks(bad))} == marked_lines(bad)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_is_silent_on_its_good_example(name):
    assert not found_by(name, rules()[name].good)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_rule_says_it_can_mend_is_mended_and_nothing_else_is_touched(name):
    rule = rules()[name]
    text = without_marks(rule.bad)
    chosen = {name: rule}
    examined = examine(text, PATH, chosen)
    mended = fixing.fix(text, PATH, examined)
    assert bool(mended.mended) == rule.fixable
    if rule.fixable:
        again = examine(mended.text, PATH, chosen)
        assert not again.problems
        assert len(again.open) == len(examined.open) - len(mended.mended)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_says_why_what_to_do_and_where_it_can_be_checked(name):
    rule = rules()[name]
    assert not rule.summary.endswith(".")
    assert not rule.fix.endswith(".")
    assert len(rule.why.split()) >= 15
    assert rule.sources
    assert bool(rule.argo or rule.kubeflow) != name.startswith("suppression-")


def test_the_resilient_reference_is_found_to_be_so():
    assert found_in("resilient.yaml") == ()


def test_the_ad_hoc_pipeline_lights_up():
    assert {finding.rule.name for finding in found_in("adhoc.yaml")} >= {
        "grace-missing",
        "image-tag",
        "register-not-idempotent",
        "retry-missing",
        "retry-transient",
        "run-id-static",
    }


@pytest.mark.parametrize(
    ("pipeline", "rule"),
    [
        ("resilient-default-policy.yaml", "retry-misses-error"),
        ("resilient-reads-retries.yaml", "retries-decides-restore"),
    ],
)
def test_a_variant_with_one_defect_in_its_file_is_found_for_that(pipeline, rule):
    names = {finding.rule.name for finding in found_in(pipeline)}
    assert names - {"image-tag"} == {rule}


@pytest.mark.parametrize(
    "pipeline",
    ["hot-retry.yaml", "impatient.yaml", "no-rng.yaml", "resilient-exit-zero.yaml"],
)
def test_defects_of_programs_are_not_guessed_from_files(pipeline):
    assert {finding.rule.name for finding in found_in(pipeline)} <= {"image-tag"}
