"""Retries: which deaths are retried, when, and with what message it ends.

The tables follow argo-workflows operator_test.go TestProcessNodeRetries* and
test/e2e/retry_test.go (Apache-2.0).
"""

import pytest
from argo_run import SECOND, Run

from chaosml.workflow.retry import is_transient, parse_duration_ns
from chaosml.workflow.state import ControllerError


def retrying(strategy: str, extra: str = "") -> Run:
    return Run(
        f"""
        entrypoint: main
        {extra}
        templates:
        - name: main
          retryStrategy: {strategy}
          container: {{image: i, command: [c, "{{{{retries}}}}"]}}
        """
    )


def end(run: Run, vertex: str, death: str, after: float = 1) -> None:
    if death == "pod deleted":
        run.running(vertex, after=0)
        run.vanish(vertex, after=after)
    else:
        run.complete(vertex, int(death), after=after)


def test_limit_zero_makes_a_retry_vertex_with_one_attempt():
    run = retrying("{limit: 0}")
    run.complete("wf(0)", 1)
    assert run.finished == ("Failed", "No more retries left")
    assert (run.vertex("wf").type, run.vertex("wf").retried) == ("Retry", False)
    assert run.vertex("wf").children == ("wf(0)",)
    child = run.vertex("wf(0)")
    assert (child.type, child.phase, child.retried, child.attempt) == ("Pod", "Failed", True, 0)
    assert child.message == "main: Error (exit code 1)"


@pytest.mark.parametrize("limit", ["1", "'1'", "'{{workflow.parameters.limit}}'"])
def test_the_limit_counts_retries_whatever_it_is_written_as(limit):
    run = retrying(f"{{limit: {limit}}}", "arguments: {parameters: [{name: limit, value: '1'}]}")
    run.complete("wf(0)", 1)
    run.complete("wf(1)", 1)
    assert run.finished == ("Failed", "No more retries left")
    assert len(run.state.vertices) == 3


def test_without_a_limit_retries_go_on():
    run = retrying("{}")
    for attempt in range(30):
        run.complete(f"wf({attempt})", 1)
    run.complete("wf(30)")
    assert run.finished == ("Succeeded", "")


@pytest.mark.parametrize(
    ("strategy", "death", "retried"),
    [
        ("{limit: 2}", "143", True),
        ("{limit: 2}", "pod deleted", False),
        ("{limit: 2, retryPolicy: OnFailure}", "1", True),
        ("{limit: 2, retryPolicy: OnFailure}", "pod deleted", False),
        ("{limit: 2, retryPolicy: OnError}", "137", False),
        ("{limit: 2, retryPolicy: OnError}", "pod deleted", True),
        ("{limit: 2, retryPolicy: Always}", "143", True),
        ("{limit: 2, retryPolicy: Always}", "pod deleted", True),
        ("{limit: 2, retryPolicy: OnTransientError}", "143", False),
        ("{limit: 2, retryPolicy: OnTransientError}", "pod deleted", False),
        ("{limit: 2, expression: 'true'}", "pod deleted", True),
        ("{limit: 2, expression: 'true'}", "143", True),
        ("{limit: 2, retryPolicy: OnFailure, expression: 'true'}", "pod deleted", False),
    ],
)
def test_the_policy_decides_which_death_is_retried(strategy, death, retried):
    run = retrying(strategy)
    end(run, "wf(0)", death)
    assert run.has("wf(1)") is retried
    if not retried:
        assert run.finished == (run.phase("wf(0)"), run.vertex("wf(0)").message)
        assert run.vertex("wf").message == run.vertex("wf(0)").message


def test_a_transient_message_is_retried_under_on_transient_error():
    run = retrying("{limit: 2, retryPolicy: OnTransientError}")
    run.complete("wf(0)", 1, message="read tcp: connection reset by peer")
    assert run.has("wf(1)")
    assert not is_transient("pod deleted")
    assert is_transient("dial: i/o timeout")


def test_the_error_of_a_missing_output_follows_the_policy_too():
    for policy, retried in (("OnFailure", False), ("OnError", True)):
        run = Run(
            f"""
            entrypoint: main
            templates:
            - name: main
              retryStrategy: {{limit: 1, retryPolicy: {policy}}}
              outputs: {{parameters: [{{name: o, valueFrom: {{path: /o}}}}]}}
              container: {{image: i, command: [c]}}
            """
        )
        run.complete("wf(0)", 0)
        assert run.has("wf(1)") is retried


def test_the_last_attempts_outputs_become_those_of_the_retry_vertex():
    run = Run(
        """
        entrypoint: main
        templates:
        - name: main
          retryStrategy: {limit: 2}
          outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}
          container: {image: i, command: [c]}
        """
    )
    run.complete("wf(0)", 1, outputs={"o": "old"})
    run.complete("wf(1)", 0, outputs={"o": "new"}, result="r")
    retry = run.vertex("wf")
    assert (dict(retry.outputs), retry.result, retry.exit_code) == ({"o": "new"}, "r", "0")
    assert run.finished == ("Succeeded", "")


@pytest.mark.parametrize(
    ("expression", "death", "retried"),
    [
        ("lastRetry.exitCode != '2'", "1", True),
        ("lastRetry.exitCode != '2'", "2", False),
        ("lastRetry.exitCode == '-1'", "pod deleted", True),
        ("asInt(lastRetry.exitCode) in [143, 137]", "143", True),
        ("lastRetry.status == 'Error'", "143", False),
        ("lastRetry.message matches 'imminent node shutdown|pod deleted'", "pod deleted", True),
        ("lastRetry.message matches 'imminent node shutdown|pod deleted'", "143", False),
        ("asInt(lastRetry.duration) >= 5", "1", True),
        ("asInt(retries) < 1", "1", True),
        ("retries == '0'", "1", True),
    ],
)
def test_a_retry_expression_sees_the_last_attempt(expression, death, retried):
    run = retrying(f'{{limit: 9, expression: "{expression}"}}')
    end(run, "wf(0)", death, after=5)
    assert run.has("wf(1)") is retried
    if not retried:
        assert run.vertex("wf").message == "retryStrategy.expression evaluated to false"


def test_the_expression_is_asked_after_every_attempt():
    run = retrying("{limit: 9, expression: 'asInt(retries) < 2'}")
    for attempt in range(3):
        run.complete(f"wf({attempt})", 1)
    assert run.finished == ("Failed", "retryStrategy.expression evaluated to false")
    assert not run.has("wf(3)")


def test_the_limit_is_looked_at_before_the_expression():
    run = retrying("{limit: 0, expression: 'false'}")
    run.complete("wf(0)", 1)
    assert run.finished == ("Failed", "No more retries left")


def test_the_policy_is_looked_at_before_the_limit():
    run = retrying("{limit: 0, retryPolicy: OnError}")
    run.complete("wf(0)", 1)
    assert run.finished == ("Failed", "main: Error (exit code 1)")


def test_an_expression_that_fails_is_an_error_of_the_vertex():
    run = retrying("{limit: 1, expression: 'nothing.there'}")
    run.complete("wf(0)", 1)
    assert run.phase("wf") == "Error"
    assert run.finished is not None
    assert "unknown name nothing" in run.finished[1]


def test_backoff_waits_its_duration_then_multiplies_it():
    run = retrying("{limit: 9, backoff: {duration: 10s, factor: 2}}")
    run.complete("wf(0)", 1)
    assert run.vertex("wf").message == "Backoff for 10 seconds"
    assert run.phase("wf") == "Running"
    assert run.alarms == [11]
    run.tick(9.9)
    assert not run.has("wf(1)")
    run.tick(0.1)
    assert run.has("wf(1)")
    assert run.vertex("wf").message == ""
    run.complete("wf(1)", 1)
    assert run.vertex("wf").message == "Backoff for 20 seconds"
    run.tick(20)
    run.complete("wf(2)", 1)
    assert run.vertex("wf").message == "Backoff for 40 seconds"


@pytest.mark.parametrize(
    ("backoff", "message"),
    [
        ("{duration: '1'}", "Backoff for 1 second"),
        ("{duration: '90'}", "Backoff for 1 minute 30 seconds"),
        ("{duration: 4m}", "Backoff for 4 minutes 0 seconds"),
        ("{duration: 2h}", "Backoff for 2 hours 0 minutes"),
        ("{duration: 36h}", "Backoff for 1 day 12 hours"),
        ("{duration: 193h}", "Backoff for 1 week 1 hours"),
        ("{duration: 500ms}", "Backoff for 0 seconds"),
        ("{duration: 10s, factor: 0}", "Backoff for 10 seconds"),
        ("{duration: 10s, factor: 3, cap: 15s}", "Backoff for 10 seconds"),
        ("{duration: 20s, cap: 15s}", "Backoff for 15 seconds"),
    ],
)
def test_the_wait_is_told_in_argos_words(backoff, message):
    run = retrying(f"{{limit: 1, backoff: {backoff}}}")
    run.complete("wf(0)", 1)
    assert run.vertex("wf").message == message


def test_backoff_without_a_limit_does_not_wait():
    run = retrying("{backoff: {duration: 1h}}")
    run.complete("wf(0)", 1)
    assert run.has("wf(1)")


def test_after_a_death_that_nobody_could_report_there_is_no_wait():
    run = retrying("{limit: 9, backoff: {duration: 45s, factor: 2, maxDuration: 10m}}")
    run.tick(5)
    run.complete("wf(0)", 255, unreported=True)
    assert run.has("wf(1)")
    run.complete("wf(1)", 255)
    assert run.vertex("wf").message == "Backoff for 1 minute 30 seconds"


def test_how_long_an_attempt_took_that_nobody_could_report_counts_as_nothing():
    run = retrying("{limit: 9, expression: 'asInt(lastRetry.duration) == 0'}")
    run.tick(5)
    run.complete("wf(0)", 255, unreported=True)
    assert run.has("wf(1)")
    run.tick(5)
    run.complete("wf(1)", 255)
    assert not run.has("wf(2)")


def test_a_failure_that_is_not_retried_waits_all_the_same():
    run = retrying("{limit: 1, retryPolicy: OnError, backoff: {duration: 10s}}")
    run.complete("wf(0)", 1)
    assert run.vertex("wf").message == "Backoff for 10 seconds"
    run.tick(10)
    assert run.finished == ("Failed", "main: Error (exit code 1)")


def test_after_the_last_attempt_there_is_no_wait():
    run = retrying("{limit: 0, backoff: {duration: 10s}}")
    run.complete("wf(0)", 1)
    assert run.finished == ("Failed", "No more retries left")


def test_a_backoff_without_duration_is_an_error():
    run = retrying("{limit: 1, backoff: {factor: 2}}")
    run.complete("wf(0)", 1)
    assert run.finished is not None
    assert run.finished[1].endswith("no base duration specified for retryStrategy")


def test_a_wait_that_would_pass_the_longest_duration_ends_at_once():
    run = retrying("{limit: 9, backoff: {duration: 10s, factor: 2, maxDuration: 25s}}")
    run.complete("wf(0)", 1)
    run.tick(10)
    run.complete("wf(1)", 1)
    assert run.finished == ("Failed", "Backoff would exceed max duration limit")


def test_the_longest_duration_counts_from_the_first_attempts_start_and_includes_its_run():
    run = retrying("{limit: 9, backoff: {duration: 1s, maxDuration: 25s}}")
    run.complete("wf(0)", 1, after=26)
    assert run.finished == ("Failed", "Max duration limit exceeded")


def test_the_longest_duration_ends_a_later_attempt_but_not_the_first():
    run = retrying("{limit: 9, backoff: {duration: 5s, maxDuration: 60s}}")
    run.running("wf(0)")
    run.tick(30)
    assert run.stopped == []
    run.complete("wf(0)", 1)
    run.tick(5)
    deadline = {v.name: v.value for v in run.specs["wf(1)"].environment}["ARGO_DEADLINE"]
    assert deadline == "1970-01-01T00:01:00Z"
    assert 60 in run.alarms
    run.running("wf(1)")
    run.tick(23)
    assert run.stopped == [run.pod("wf(1)")]
    run.tick(1)
    assert len(run.stopped) == 1
    run.complete("wf(1)", 143)
    assert run.finished == ("Failed", "Max duration limit exceeded")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("1m30s", 90), ("1.5h", 5400), ("250ms", 0.25), (".5s", 0.5), ("0", 0)],
)
def test_durations_are_bare_seconds_or_gos(text, seconds):
    assert parse_duration_ns(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "soon", "1 m", "-5s", "5d", "1m2"])
def test_other_durations_are_refused(text):
    with pytest.raises(ControllerError, match="unable to parse"):
        parse_duration_ns(text)


def test_a_strategy_of_the_workflow_holds_for_every_template_without_its_own():
    run = Run(
        """
        entrypoint: main
        retryStrategy: {limit: 1}
        templates:
        - name: main
          dag: {tasks: [{name: a, template: plain}, {name: b, template: own}]}
        - {name: plain, container: {image: i, command: [c]}}
        - name: own
          retryStrategy: {limit: 0}
          container: {image: i, command: [c]}
        """
    )
    assert run.vertex("wf").type == "Retry"
    assert run.vertex("wf(0)").type == "DAG"
    run.complete("wf(0).b(0)", 1)
    assert run.vertex("wf(0).b").message == "No more retries left"
    run.complete("wf(0).a(0)", 1)
    assert run.has("wf(0).a(1)")


def test_template_defaults_are_merged_into_the_template_field_by_field():
    run = Run(
        """
        entrypoint: main
        templateDefaults: {retryStrategy: {limit: 5, retryPolicy: Always}}
        templates:
        - name: main
          retryStrategy: {limit: 1}
          container: {image: i, command: [c]}
        """
    )
    run.delete("wf(0)")
    run.delete("wf(1)")
    assert run.finished == ("Error", "No more retries left")


def test_each_attempt_sees_its_number_and_the_one_before():
    body = "{{retries}} {{lastRetry.exitCode}} {{lastRetry.status}} {{lastRetry.duration}}"
    run = Run(
        f"""
        entrypoint: main
        templates:
        - name: main
          retryStrategy: {{limit: 5, retryPolicy: Always}}
          container:
            image: i
            command: [c]
            args: ["{body}", "{{{{=asInt(retries) * 2}}}}", "{{{{pod.name}}}}"]
        """
    )
    assert run.specs["wf(0)"].args[:2] == ("0 0  0", "0")
    run.complete("wf(0)", 143, after=7)
    assert run.specs["wf(1)"].args[:2] == ("1 143 Failed 7", "2")
    assert run.specs["wf(1)"].args[2] == run.pod("wf(1)") != run.pod("wf(0)")
    run.delete("wf(1)")
    assert run.specs["wf(2)"].args[:2] == ("2 0 Error 2", "4")
    assert [run.specs[f"wf({n})"].attempt for n in range(3)] == [0, 1, 2]


def test_a_retried_dag_runs_again_from_its_start():
    run = Run(
        """
        entrypoint: main
        templates:
        - name: main
          retryStrategy: {limit: 1}
          dag: {tasks: [{name: a, template: pod}, {name: b, template: pod, depends: a}]}
        - {name: pod, container: {image: i, command: [c]}}
        """
    )
    run.complete("wf(0).a")
    run.complete("wf(0).b", 1)
    assert run.phase("wf(0)") == "Failed"
    run.complete("wf(1).a")
    run.complete("wf(1).b")
    assert run.finished == ("Succeeded", "")
    assert run.specs["wf(1).b"].task == "b"


@pytest.mark.parametrize(
    ("inner", "pod"),
    [
        ("dag: {tasks: [{name: a, template: pod}]}", "wf.retried(1).a"),
        ("steps: [[{name: a, template: pod}]]", "wf.retried(1)[0].a"),
    ],
)
def test_what_follows_a_retried_dag_or_steps_hangs_below_the_last_attempt_itself(inner, pod):
    run = Run(
        f"""
        entrypoint: main
        templates:
        - name: main
          dag:
            tasks:
            - {{name: retried, template: inner}}
            - {{name: next, template: pod, depends: retried}}
        - name: inner
          retryStrategy: {{limit: 1}}
          {inner}
        - {{name: pod, container: {{image: i, command: [c]}}}}
        """
    )
    run.complete(pod.replace("(1)", "(0)"), 1)
    run.complete(pod)
    assert run.vertex("wf.retried(1)").children[-1] == "wf.next"
    assert run.vertex(pod).children == ()


def test_a_dag_in_error_is_not_retried_under_the_default_policy():
    run = Run(
        """
        entrypoint: main
        templates:
        - name: main
          retryStrategy: {limit: 3}
          dag: {tasks: [{name: a, template: pod}]}
        - {name: pod, container: {image: i, command: [c]}}
        """
    )
    run.delete("wf(0).a")
    assert run.finished == ("Error", "")
    assert run.vertex("wf").children == ("wf(0)",)


def test_retries_around_something_that_always_fails_at_once_come_to_an_end():
    run = Run(
        """
        entrypoint: main
        templates:
        - name: main
          retryStrategy: {}
          steps: [[{name: a, template: pod, when: "bad syntax here"}]]
        - {name: pod, container: {image: i, command: [c]}}
        """
    )
    assert run.finished is not None
    assert run.finished[0] == "Error"
    assert "attempts in a row ended at once" in run.finished[1]


def test_a_pod_that_cannot_be_made_is_retried_only_by_policies_for_errors():
    pod = "container: {image: '{{=nothing}}', command: [c]}"
    for policy, attempts in (("OnFailure", 1), ("Always", 3), ("OnError", 3)):
        run = Run(
            f"""
            entrypoint: main
            templates:
            - name: main
              retryStrategy: {{limit: 2, retryPolicy: {policy}}}
              {pod}
            """
        )
        assert run.finished is not None
        assert run.finished[0] == "Error"
        assert len(run.vertex("wf").children) == attempts
