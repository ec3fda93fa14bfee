"""Loading of a Workflow document, with everything that is wrong with it at once.

read ─► kind ─► model ─────────────────────┐
                  └► outline of sound parts ─► structure, references, pods ─► problems
"""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaosml.document import Document, attempt, nearest, read_all
from chaosml.errors import Problem, ScenarioError
from chaosml.workflow.libraries import resolve
from chaosml.workflow.lint.outline import Outline, outline, vertices_of
from chaosml.workflow.lint.pods import check_pods
from chaosml.workflow.lint.references import check_references
from chaosml.workflow.lint.structure import check_structure
from chaosml.workflow.model import RetryStrategy, Workflow
from chaosml.workflow.names import hook_name, own_name

__all__ = ["Examination", "LoadedWorkflow", "examine", "load", "settle"]


@dataclass(frozen=True, slots=True)
class LoadedWorkflow:
    """A Workflow that is sound, with the file that says it."""

    path: pathlib.Path
    document: Document
    model: Workflow
    """With the given parameters in `spec.arguments`."""

    def retry_policies(self) -> dict[str, str]:
        """Return the retry policy of every task as Argo decides it; `Never` without a strategy."""
        spec = self.model.spec
        defaults = spec.template_defaults
        shared = (defaults.retry_strategy if defaults is not None else None) or spec.retry_strategy
        called = {own_name(hook.template): hook.template for hook in spec.hooks.values()}
        if spec.exit_hook is not None:
            called[own_name(spec.exit_hook.template)] = spec.exit_hook.template
        called[own_name(spec.entrypoint)] = spec.entrypoint
        for template in spec.templates:
            for _, vertex in vertices_of((), template):
                called[vertex.name] = vertex.template
                for name, hook in vertex.hooks.items():
                    called[hook_name(vertex.name, name)] = hook.template
        return {
            name: _effective_policy(self.model.template(template).retry_strategy or shared)
            for name, template in called.items()
        }


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found in a document, sound or not."""

    document: Document
    outline: Outline
    model: Workflow | None
    problems: tuple[Problem, ...]


def load(
    path: pathlib.Path,
    parameters: Mapping[str, str] | None = None,
    *,
    origin: Problem | None = None,
) -> LoadedWorkflow:
    """Load a Workflow that the embedded substrate can run.

    Args:
        path: The file: a Workflow and, after lines `---`, the WorkflowTemplates it refers to.
        parameters: Values for `spec.arguments`, which they override.
        origin: The place that names the file, for the message where it cannot be read.

    Raises:
        ScenarioError: every problem of the file; also parameters that it does not declare.
    """
    given = parameters or {}
    examined = examine(path, given, origin=origin)
    problems = [*examined.problems, *_undeclared(examined, given)]
    if problems:
        raise ScenarioError(problems)
    return settle(examined, given)


def settle(examined: Examination, given: Mapping[str, str]) -> LoadedWorkflow:
    """Return a workflow in which nothing wrong was found, with values for its parameters.

    Raises:
        ScenarioError: something wrong was found.
    """
    if examined.model is None or examined.problems:
        raise ScenarioError(list(examined.problems))
    document = examined.document
    return LoadedWorkflow(document.path, document, _with_parameters(examined.model, given))


def _effective_policy(strategy: RetryStrategy | None) -> str:
    if strategy is None:
        return "Never"
    return strategy.retry_policy or ("Always" if strategy.expression else "OnFailure")


def examine(
    path: pathlib.Path, given: Collection[str] = (), *, origin: Problem | None = None
) -> Examination:
    """Find whatever is wrong with a Workflow.

    Args:
        path: The file.
        given: Parameters of the workflow that get their values from outside.
        origin: The place that names the file, for the message where it cannot be read.

    Raises:
        ScenarioError: the file cannot be read, is not YAML, or is not a Workflow at all.
    """
    documents = read_all(path, origin=origin)
    _refuse_other_kinds(documents)
    document, unresolved = resolve(documents)
    model, problems = attempt(document, Workflow)
    known = outline(document)
    first = [*unresolved, *_check_plain_text(document)]
    problems += check_structure(known, given)
    problems += check_references(known)
    problems += check_pods(known)
    # What was meant as text or names nothing is said once, without what becomes of it.
    places = {(problem.line, problem.column) for problem in first}
    problems = [one for one in problems if (one.line, one.column) not in places] + first
    return Examination(document, known, model, tuple(sorted(set(problems))))


_OTHER_KINDS = {
    "ClusterWorkflowTemplate": "put it after a document of kind Workflow that refers to it",
    "CronWorkflow": "write its spec.workflowSpec into a document of kind Workflow",
    "Scenario": "pipeline.workflow names the Argo Workflow, not the scenario",
    "WorkflowTemplate": "put it after a document of kind Workflow that refers to it",
}


def _refuse_other_kinds(documents: Sequence[Document]) -> None:
    if any(document.get(("kind",)) == "Workflow" for document in documents):
        return
    document = documents[0]
    kind = document.get(("kind",))
    if kind is None:
        message = "not an Argo Workflow: there is no kind; begin with apiVersion and kind: Workflow"
    else:
        advice = _OTHER_KINDS.get(str(kind), "an Argo Workflow has kind: Workflow")
        message = f'not an Argo Workflow: the kind is "{kind}"; {advice}'
    raise ScenarioError([document.problem(("kind",), message)])


def _check_plain_text(document: Document) -> Iterator[Problem]:
    """Refuse unquoted text that Argo, which reads YAML 1.1, takes for something else."""
    for loc, text in document.ambiguous.items():
        other = "another number" if text.strip("+-")[0].isdigit() else "a boolean"
        message = f'Argo, which reads YAML 1.1, takes {text} for {other}; quote it: "{text}"'
        yield document.problem(loc, message)


def _undeclared(examined: Examination, given: Collection[str]) -> Iterator[Problem]:
    arguments = examined.outline.arguments
    if arguments is None:
        return
    declared = [one.name for one in arguments.parameters]
    for name in given:
        if name not in declared:
            meant = nearest(name, declared)
            advice = f'did you mean "{meant}"?' if meant else f"it has: {', '.join(declared)}"
            message = f'the workflow declares no parameter "{name}"; {advice}'
            yield examined.document.problem(("spec", "arguments", "parameters"), message, key=True)


def _with_parameters(model: Workflow, given: Mapping[str, str]) -> Workflow:
    arguments = model.spec.arguments
    parameters = tuple(
        one.model_copy(update={"value": given.get(one.name, one.value)})
        for one in arguments.parameters
    )
    arguments = arguments.model_copy(update={"parameters": parameters})
    spec = model.spec.model_copy(update={"arguments": arguments})
    return model.model_copy(update={"spec": spec})
