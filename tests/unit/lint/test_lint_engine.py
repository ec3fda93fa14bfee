"""From texts to findings: places, shared strategies, defaults, kinds, suppressions."""

import pathlib

import pytest

from chaosml.lint.engine import examine
from chaosml.lint.rules import rules

PATH = pathlib.Path("pipeline.yaml")
PACKAGE = pathlib.Path(__file__).parent / "packages" / "training.yaml"

HEAD = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: t-}\nspec:\n"


def examined(text):
    found = examine(text, PATH, rules())
    assert not found.problems, found.problems
    return found


def of(name, text):
    return [finding for finding in examined(text).open if finding.rule.name == name]


def step(name, more="", image="t@sha256:0f"):
    container = f"{{image: '{image}', command: [python, a.py]}}"
    return f"    - name: {name}\n{more}      container: {container}\n"


def workflow(*templates, spec=""):
    return f"{HEAD}  entrypoint: train\n{spec}  templates:\n{''.join(templates)}"


def test_a_strategy_shared_by_an_alias_is_one_finding_that_names_all_who_share_it():
    text = workflow(
        step("train", "      retryStrategy: &r {limit: 3}\n"),
        step("evaluate", "      retryStrategy: *r\n"),
    )
    (finding,) = of("retry-misses-error", text)
    assert finding.subjects == ("train", "evaluate")
    assert (finding.line, finding.column) == (8, 22)
    assert '"train", "evaluate"' in finding.sentence


def test_equal_defects_in_two_places_are_two_findings():
    text = workflow(
        step("train", "      retryStrategy: {limit: 3}\n"),
        step("evaluate", "      retryStrategy: {limit: 3}\n"),
    )
    assert [finding.line for finding in of("retry-misses-error", text)] == [8, 11]


def test_defaults_complete_the_strategy_of_a_template():
    defaults = "  templateDefaults: {retryStrategy: {retryPolicy: Always}}\n"
    text = workflow(step("train", "      retryStrategy: {limit: 3}\n"), spec=defaults)
    assert not of("retry-misses-error", text)
    assert not of("retry-without-limit", text)


def test_the_strategy_of_the_spec_is_for_templates_without_one_and_is_not_merged():
    shared = "  retryStrategy: {limit: 3, retryPolicy: Always}\n"
    assert not of("retry-missing", workflow(step("train"), spec=shared))
    own = workflow(step("train", "      retryStrategy: {limit: 3}\n"), spec=shared)
    assert [finding.subjects for finding in of("retry-misses-error", own)] == [("train",)]


def test_a_grace_period_of_a_template_wins_over_that_of_the_spec():
    spec = "  podSpecPatch: '{\"terminationGracePeriodSeconds\": 100}'\n"
    own = "      podSpecPatch: 'terminationGracePeriodSeconds: 3'\n"
    text = workflow(step("train", own), step("evaluate"), spec=spec)
    assert [finding.subjects for finding in of("grace-short", text)] == [("train",)]


def test_a_grace_period_given_by_a_parameter_is_one():
    spec = "  podSpecPatch: 'terminationGracePeriodSeconds: {{workflow.parameters.grace}}'\n"
    text = workflow(step("train"), spec=spec)
    assert not of("grace-missing", text)
    assert not of("grace-short", text)


def test_an_inline_template_is_a_template():
    text = (
        f"{HEAD}  entrypoint: p\n  templates:\n    - name: p\n      dag:\n        tasks:\n"
        "          - name: train\n            inline:\n              container: {image: a:1}\n"
    )
    assert [finding.subjects for finding in of("image-tag", text)] == [("train",)]


def test_every_document_of_a_file_is_looked_at_and_told_by_its_line_in_the_file():
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
    text = f"{workflow(step('train'))}---\n{service}---\n{workflow(step('train'))}"
    found = examined(text)
    assert found.looked_at == 2
    assert found.others == ('kind "Service"',)
    assert [finding.line for finding in of("retry-missing", text)] == [7, 20]


def test_the_spec_of_a_cron_workflow_is_inside_it():
    text = (
        "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {name: n}\nspec:\n"
        "  schedule: '0 2 * * *'\n  workflowSpec:\n    entrypoint: trian\n    templates:\n"
        "      - {name: train, container: {image: a:1}}\n"
    )
    names = {finding.rule.name for finding in examined(text).open}
    assert {"cron-overlap", "entrypoint-missing", "grace-missing", "retry-missing"} <= names


def test_what_a_library_leaves_to_its_callers_is_a_note_or_silent():
    text = workflow(step("train")).replace("kind: Workflow", "kind: WorkflowTemplate")
    library = text.replace("  entrypoint: train\n", "")
    assert not of("grace-missing", library)
    assert [finding.severity.value for finding in of("retry-missing", library)] == ["note"]
    assert [finding.severity.value for finding in of("retry-missing", text)] == ["error"]


def test_a_workflow_that_refers_to_a_template_elsewhere_is_not_blamed_for_what_is_there():
    text = f"{HEAD}  entrypoint: main\n  workflowTemplateRef: {{name: elsewhere}}\n"
    assert examined(text).open == ()


def test_objects_of_other_groups_with_the_same_kind_are_none_of_ours():
    text = "apiVersion: example.com/v1\nkind: Workflow\nspec: {templates: []}\n"
    assert examined(text).looked_at == 0


def test_a_package_that_the_compiler_wrote_is_read_with_its_inner_dags_and_its_platform():
    found = examine(PACKAGE.read_text(), PACKAGE, rules())
    seen = {(finding.rule.name, finding.subjects) for finding in found.open}
    assert seen >= {
        ("backoff-factor-not-whole", ("train",)),
        ("kfp-cache-external-input", ("preprocess",)),
        ("kfp-cache-side-effect", ("register",)),
        ("kfp-retry-misses-error", ("train",)),
        ("kfp-retry-missing", ("preprocess",)),
        ("kfp-retry-missing", ("register",)),
        ("max-duration-kills-retries", ("train",)),
    }
    assert ("kfp-retry-missing", ("train",)) not in seen


def test_a_package_inside_a_pipeline_job_is_one():
    wrapped = "pipelineSpec:\n" + "".join(
        f"  {line}\n" for line in PACKAGE.read_text().split("---\n")[0].splitlines()
    )
    assert of("kfp-cache-side-effect", wrapped)


def test_a_file_that_is_no_yaml_has_problems_and_no_findings():
    found = examine("spec: [\n", PATH, rules())
    assert (found.findings, found.looked_at) == ((), 0)
    assert "this is not YAML" in found.problems[0].message


TAGGED = step("train", image="a:1")


@pytest.mark.parametrize(
    "text",
    [
        workflow(step("train", image="a:1").replace("\n", "  # chaosml: ignore[image-tag] ours\n")),
        workflow(
            "    - name: train\n      container:\n        # chaosml: ignore[image-tag] ours\n\n"
            "        # another comment\n        image: a:1\n"
        ),
        workflow(TAGGED) + "# chaosml: ignore-file[retry-missing, image-tag] ours\n",
    ],
)
def test_a_comment_with_a_reason_suppresses_beside_above_and_for_the_file(text):
    found = examined(text)
    (finding,) = [one for one in found.findings if one.rule.name == "image-tag"]
    assert finding.suppressed == "ours"
    assert finding not in found.open


def test_a_comment_is_for_its_rule_and_its_line_alone():
    text = workflow(
        step("train", image="a:1").rstrip("\n") + "  # chaosml: ignore[image-tag] ours\n",
        step("evaluate", image="a:1"),
    )
    assert [finding.subjects for finding in of("image-tag", text)] == [("evaluate",)]
    assert of("retry-missing", text)


def test_what_looks_like_a_comment_inside_a_text_is_none():
    text = workflow(TAGGED) + (
        "  arguments:\n    parameters:\n      - name: a\n        value: |\n"
        "          # chaosml: ignore-file[image-tag] not a comment\n"
        "      - {name: b, value: '# chaosml: ignore-file[image-tag] neither'}\n"
    )
    assert of("image-tag", text)
    assert not of("suppression-unused", text)


@pytest.mark.parametrize(
    ("comment", "rule", "message"),
    [
        ("ignore[image-tag]", "suppression-without-reason", "gives no reason"),
        ("ignore because I say so", "suppression-without-reason", "names no rule"),
        ("ignore[image-tga] ours", "suppression-unused", 'there is no rule "image-tga"'),
        ("ignore[cron-overlap] ours", "suppression-unused", "cron-overlap finds nothing here"),
    ],
)
def test_a_comment_that_does_nothing_is_told(comment, rule, message):
    text = workflow(TAGGED.rstrip("\n") + f"  # chaosml: {comment}\n")
    (finding,) = of(rule, text)
    assert finding.message.startswith(message)
    assert of("image-tag", text)


def test_whether_a_comment_is_idle_is_not_told_for_rules_that_were_not_asked():
    text = workflow(step("train").rstrip("\n") + "  # chaosml: ignore[image-tag] ours\n")
    asked = {name: rule for name, rule in rules().items() if name != "image-tag"}
    found = examine(text, PATH, asked).open
    assert "suppression-unused" not in {finding.rule.name for finding in found}
