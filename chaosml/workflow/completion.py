"""What the end of a pod makes of its vertex.

Source: argo-workflows operator.go `assessNodeStatus`, `inferFailedReason`.
"""

from __future__ import annotations

from chaosml.workflow.protocol import OutputFile, PodCompleted, Vertex
from chaosml.workflow.state import Operation

__all__ = ["DELETED", "complete"]

DELETED = "pod deleted"


def complete(operation: Operation, vertex: Vertex, seen: PodCompleted) -> None:
    """End the vertex of a terminated pod.

    Output files are read whatever the exit code; a required one that is missing is an error of
    the wait container, which shows only if nothing worse happened.
    """
    declared = operation.specs[seen.pod].output_files
    outputs = {file.name: value for file in declared if (value := _value(file, seen)) is not None}
    missing = next((file for file in declared if file.name not in outputs), None)
    phase, message = _end(vertex, seen, missing)
    operation.mark(
        vertex.name,
        phase,
        message,
        outputs=outputs,
        result=seen.result,
        exit_code=str(seen.exit_code),
        unstamped=seen.unreported,
    )


def _value(file: OutputFile, seen: PodCompleted) -> str | None:
    return seen.outputs.get(file.name, file.default)


def _end(vertex: Vertex, seen: PodCompleted, missing: OutputFile | None) -> tuple[str, str | None]:
    if seen.pod_message:
        return "Failed", seen.pod_message
    if seen.exit_code != 0:
        message = f"main: Error (exit code {seen.exit_code})"
        return "Failed", f"{message}: {seen.message}" if seen.message else message
    if missing is not None:
        path = f"/var/run/argo/outputs/parameters/{missing.path.lstrip('/')}"
        return "Error", f"wait: Error (exit code 64): open {path}: no such file or directory"
    # A message of the past, such as that of an earlier deletion, stays; a Pending reason does not.
    return "Succeeded", vertex.message if vertex.message == DELETED else ""
