"""The verbs `chaosml cluster up|status|down` and `chaosml doctor`.

The command line hands in how it turns errors into exit codes and where it writes, so
that these verbs behave as all others do.
"""

from __future__ import annotations

import enum
import json
import pathlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from chaosml import completion
from chaosml.cluster.survey import commands as survey
from chaosml.errors import UsageError
from chaosml.terminal import Form, Terminal

if TYPE_CHECKING:
    from chaosml.cluster.diagnosis import Check
    from chaosml.cluster.inspection import ClusterStatus

__all__ = ["Image", "Place", "ToxiproxyImage", "mount"]

_UNREADY = 4


class Place(enum.StrEnum):
    """Where runs happen."""

    EMBEDDED = "embedded"
    KIND = "kind"
    CLUSTER = "cluster"


_CLUSTER_HELP = """Make, look at and remove the kind cluster of `chaosml run --on kind`.

\b
  chaosml cluster up        make it, or repair what is there; seconds if all is well
  chaosml cluster status    what there is of it
  chaosml cluster down      remove it
  chaosml cluster survey    measure how Argo surfaces deaths, on a cluster of its own

Needs Docker and kind; `chaosml doctor --on kind` says what is missing.
"""

_UP_HELP = """Make the cluster ready for runs: nodes, images, Argo Workflows, a namespace.

What is there already is kept, repaired where a node is stopped or Argo is down, and
replaced where it was never finished or where an option asks for something else.

\b
  chaosml cluster up
  chaosml cluster up --argo-version v3.7.18
  chaosml cluster up --argo-env ARGO_POD_STATUS_CAPTURE_FINALIZER=true
  chaosml cluster up --node-image mirror.example.com/kindest/node:v1.34.4
"""

_STATUS_HELP = """Say what there is of the cluster; exit code 0 if runs can use it as it is, else 4.

\b
  chaosml cluster status
  chaosml cluster status --output json
"""

_DOWN_HELP = """Remove the cluster with everything in it; one that is not there is fine.

\b
  chaosml cluster down
  chaosml cluster down --force
"""

_DOCTOR_HELP = """Say what is missing for runs, and the command that gives it.

Embedded runs need this machine alone. For --on kind it looks at Docker and the kind
cluster, too; with --context at that cluster: Argo Workflows, the namespace's label, and
your permissions for each fault, with the smallest Role that grants them. It changes
nothing.

\b
  chaosml doctor
  chaosml doctor --on kind
  chaosml doctor --context staging --namespace ml-chaos
  chaosml doctor --context staging --fault pod.delete --fault node.drain

\b
Exit codes: 0 nothing is missing, 4 something is.
"""


_Name = Annotated[str, typer.Option(help="Name of the kind cluster.")]
_Namespace = Annotated[str, typer.Option(help="Where runs happen.")]
_Output = Annotated[Form, typer.Option(help="json: the document alone, on stdout.")]
_Config = Annotated[
    pathlib.Path | None,
    typer.Option(metavar="FILE", help="A kind configuration; default: kind-config.yaml."),
]
_NodeImage = Annotated[str | None, typer.Option(metavar="IMAGE", help="Image of the nodes.")]
_ArgoVersion = Annotated[str | None, typer.Option(metavar="VERSION", help="Such as v4.0.5.")]
_ArgoManifest = Annotated[
    pathlib.Path | None, typer.Option(metavar="FILE", help="Instead of chaosml's own manifest.")
]
_ArgoController = Annotated[
    str | None, typer.Option("--argo-controller-image", metavar="IMAGE", help="From a mirror.")
]
_ArgoExecutor = Annotated[
    str | None, typer.Option("--argo-executor-image", metavar="IMAGE", help="From a mirror.")
]
_ArgoEnv = Annotated[
    list[str] | None,
    typer.Option("--argo-env", metavar="NAME=VALUE", help="Variable of Argo's controller."),
]
Image = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help="chaosml's own image from a registry, instead of a build."),
]
ToxiproxyImage = Annotated[
    str | None, typer.Option("--toxiproxy-image", metavar="IMAGE", help="From a mirror.")
]
_Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")]
_On = Annotated[
    Place | None,
    typer.Option(help="Where runs would be.", show_default="embedded; with --context: cluster"),
]
_Context = Annotated[str | None, typer.Option(metavar="NAME", help="A context of your kubeconfig.")]
_Fault = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND",
        help="Permissions of this fault; default: all.",
        autocompletion=completion.faults,
    ),
]


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verbs to the command line."""
    cluster = typer.Typer(
        help=_CLUSTER_HELP, no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )
    _add_up(cluster, terminal)
    _add_status(cluster, terminal)
    _add_down(cluster, terminal)
    survey.add(cluster, terminal.attempt, terminal.emit, terminal.say)
    app.add_typer(cluster, name="cluster", short_help="The kind cluster of chaosml.")
    _add_doctor(app, terminal)


def _add_up(app: typer.Typer, terminal: Terminal) -> None:
    @app.command("up", help=_UP_HELP, short_help="Make the cluster ready for runs.")
    def up(
        name: _Name = "chaosml",
        namespace: _Namespace = "chaosml",
        config: _Config = None,
        node_image: _NodeImage = None,
        argo_version: _ArgoVersion = None,
        argo_manifest: _ArgoManifest = None,
        argo_controller: _ArgoController = None,
        argo_executor: _ArgoExecutor = None,
        argo_env: _ArgoEnv = None,
        image: Image = None,
        toxiproxy: ToxiproxyImage = None,
        quiet: _Quiet = False,
        output: _Output = Form.TEXT,
    ) -> None:
        def make() -> int:
            from chaosml.cluster.life import up
            from chaosml.cluster.options import TOXIPROXY_IMAGE, ClusterOptions

            options = ClusterOptions(
                name=name,
                namespace=namespace,
                config=config,
                node_image=node_image,
                argo_version=argo_version,
                argo_manifest=argo_manifest,
                argo_controller_image=argo_controller,
                argo_executor_image=argo_executor,
                argo_environment=_pairs(argo_env),
                image=image,
                toxiproxy_image=toxiproxy or TOXIPROXY_IMAGE,
            )
            info = up(options, (lambda _: None) if quiet else terminal.say)
            if output is Form.JSON:
                terminal.emit(json.dumps(asdict(info), indent=2) + "\n")
            else:
                terminal.emit(
                    f"cluster {info.name} is ready: {len(info.nodes)} nodes, Kubernetes "
                    f"{info.kubernetes}, Argo Workflows {info.argo.version}\n"
                    f"look at it:  kubectl --context {info.context} -n {info.namespace} get pods\n"
                )
            return 0

        raise typer.Exit(terminal.attempt(make))


def _pairs(items: list[str] | None) -> dict[str, str] | None:
    from chaosml.errors import UsageError

    if items is None:
        return None
    pairs = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not name or not equals:
            raise UsageError(f"--argo-env {item}: is not NAME=VALUE")
        pairs[name] = value
    return pairs


def _add_status(app: typer.Typer, terminal: Terminal) -> None:
    @app.command("status", help=_STATUS_HELP, short_help="What there is of the cluster.")
    def status(name: _Name = "chaosml", output: _Output = Form.TEXT) -> None:
        def look() -> int:
            from chaosml.cluster.life import status

            found = status(name)
            if output is Form.JSON:
                document = {**asdict(found), "ready": found.ready}
                terminal.emit(json.dumps(document, indent=2) + "\n")
            else:
                terminal.emit(_status_text(found))
            return 0 if found.ready else _UNREADY

        raise typer.Exit(terminal.attempt(look))


def _status_text(found: ClusterStatus) -> str:
    if not found.exists:
        return f"there is no cluster {found.name}; make it with: chaosml cluster up\n"
    lines = [f"cluster {found.name}, context {found.context}"]
    lines += [
        f"  {node.name:<32} {node.role:<14} {node.problem or 'ready'}" for node in found.nodes
    ]
    lines.append(f"  Kubernetes {found.kubernetes or 'does not answer'}")
    if found.argo is not None:
        argo = found.argo
        finalizer = "on" if argo.finalizer else "off"
        lines.append(f"  Argo Workflows {argo.version}, pod finalizer {finalizer}")
    lines += [f"  problem: {problem}" for problem in found.problems]
    if found.problems:
        lines.append("  repair it with: chaosml cluster up")
    return "\n".join(lines) + "\n"


def _add_down(app: typer.Typer, terminal: Terminal) -> None:
    @app.command("down", help=_DOWN_HELP, short_help="Remove the cluster.")
    def down(
        name: _Name = "chaosml",
        force: Annotated[
            bool, typer.Option("--force", help="Although a run uses the cluster.")
        ] = False,
    ) -> None:
        def remove() -> int:
            from chaosml.cluster.life import down

            removed = down(name, force=force, tell=terminal.say)
            terminal.emit(
                f"cluster {name} is removed\n" if removed else f"there is no cluster {name}\n"
            )
            return 0

        raise typer.Exit(terminal.attempt(remove))


def _add_doctor(app: typer.Typer, terminal: Terminal) -> None:
    @app.command("doctor", help=_DOCTOR_HELP, short_help="Say what is missing, and the remedy.")
    def doctor(
        on: _On = None,
        context: _Context = None,
        namespace: _Namespace = "chaosml",
        fault: _Fault = None,
        name: _Name = "chaosml",
        output: _Output = Form.TEXT,
    ) -> None:
        def diagnose() -> int:
            from chaosml.cluster.diagnosis import State, doctor, look_at_machine

            place = _place(on, context)
            looks_here = place is Place.EMBEDDED
            checks = look_at_machine() if looks_here else doctor(context, namespace, fault, name)
            if output is Form.JSON:
                terminal.emit(json.dumps([asdict(check) for check in checks], indent=2) + "\n")
            else:
                terminal.emit("".join(_check_text(check) for check in checks))
                # Flush with the margin, so that it can be copied as it is.
                terminal.emit("".join(f"\n{check.document}" for check in checks if check.document))
            return _UNREADY if any(check.state is State.MISSING for check in checks) else 0

        raise typer.Exit(terminal.attempt(diagnose))


def _place(on: Place | None, context: str | None) -> Place:
    """Return where the runs would be; a context alone says that it is its cluster.

    Raises:
        UsageError: the two contradict one another.
    """
    if on is Place.CLUSTER and context is None:
        raise UsageError("--on cluster needs --context NAME, a context of your kubeconfig")
    if on not in (None, Place.CLUSTER) and context is not None:
        raise UsageError(
            f"--context {context} names a cluster, --on {on} does not: give one of them"
        )
    return on or (Place.EMBEDDED if context is None else Place.CLUSTER)


def _check_text(check: Check) -> str:
    text = f"{check.state.value:<8} {check.subject:<20} {check.found}\n"
    if check.remedy:
        text += f"{'':<29} → {check.remedy}\n"
    return text
