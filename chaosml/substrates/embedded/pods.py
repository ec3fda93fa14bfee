"""From the specification of a pod to what the kubelet starts: environment, paths, command.

*Environment.* What a slim Python image would have (PATH, HOME, LANG, HOSTNAME), then the
overlay, then the document's variables without those that the overlay sets. Nothing of the
harness's own environment. `$(NAME)` is expanded as Kubernetes does. `TMPDIR` is private,
since pods share this machine's `/tmp`.

*Paths.* A container has a file system of its own, a local process has not. So every
absolute path that the document declares (files of output parameters, mount paths of
`emptyDir` volumes, a working directory that is not there) is replaced, wherever it
stands on its own in command, arguments, environment values of the document and script,
by one in the pod's fresh folder. A path that only the program knows is not replaced.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaosml.errors import SubstrateError
from chaosml.substrates.embedded.wire import StartPod
from chaosml.substrates.protocol import Submission
from chaosml.substrates.redaction import hidden_values
from chaosml.workflow.protocol import EnvironmentVariable, PodSpec

__all__ = ["NAMESPACE", "PathMap", "Site", "base_environment", "compose", "expand", "make_uid"]

NAMESPACE = "default"
_UID_CHARACTERS_MAX = 120
_DIGEST_CHARACTERS = 10
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SCRIPT = "/argo/staging/script"
_REFERENCE = re.compile(r"\$\$|\$\(([^()$\s]*)\)")
_METADATA_ITEM = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where and as whom a pod runs."""

    uid: str
    node: str
    directory: pathlib.Path
    """The pod's own folder; not there before the start and removed at the end."""
    interpreter: pathlib.Path
    """The Python that stands for the image."""
    marks: Mapping[str, str]
    """Variables by which the processes of a dead run are found."""
    folder: pathlib.Path | None = None
    """What the image has in its working directory; each pod gets a copy."""


class PathMap:
    """Replaces declared absolute paths by paths below a folder."""

    def __init__(self, folder: pathlib.Path, declared: Iterable[str]) -> None:
        self._folder = folder
        # Longest first: /data/out must not be taken for a path below /data.
        paths = sorted({path.rstrip("/") for path in declared} - {""}, key=lambda path: -len(path))
        alternatives = "|".join(map(re.escape, paths))
        self._pattern = re.compile(rf"(?<![\w./-])(?:{alternatives})(?![\w.-])") if paths else None

    def apply(self, text: str) -> str:
        """Replace every declared path in a text, also as the beginning of a longer one."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self.locate(match[0]), text)

    def locate(self, path: str) -> str:
        """Return the place of an absolute path."""
        return str(self._folder) + "/" + path.strip("/")


def make_uid(pod: str, incarnation: int) -> str:
    """Return a name for one incarnation of a pod: a file name and an access key id too."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", pod)
    if name != pod or len(name) > _UID_CHARACTERS_MAX - 10:
        digest = hashlib.sha256(pod.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        name = f"{name[: _UID_CHARACTERS_MAX - 10 - _DIGEST_CHARACTERS - 1]}-{digest}"
    return f"{name}-{incarnation}"


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand `$(NAME)` as Kubernetes does: an unknown name stays, `$$` is a dollar sign."""

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


def base_environment(interpreter: pathlib.Path) -> dict[str, str]:
    """Return what a process has before anything is added: the kubelet has it too.

    One thread for linear algebra: results must not depend on the load of this machine.
    """
    return {
        "PATH": f"{interpreter.parent}:{_SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def compose(spec: PodSpec, submission: Submission, site: Site) -> StartPod:
    """Return the order that starts the pod.

    Raises:
        SubstrateError: a variable refers to a secret or field that is not there.
    """
    paths = PathMap(site.directory / "root", _declared_paths(spec))
    environment = _compose_environment(spec, submission, site, paths)
    working_directory = _working_directory(spec, site, paths)
    files: dict[str, str] = {}
    if spec.script is not None:
        location = paths.locate(_SCRIPT)
        files[location] = paths.apply(spec.script)
    outputs = {
        output.name: _locate_output(output.path, paths, working_directory)
        for output in spec.output_files
    }
    argv = [paths.apply(expand(part, environment)) for part in (*spec.command, *spec.args)]
    return StartPod(
        uid=site.uid,
        argv=(*argv, *files),
        environment=environment,
        directory=str(site.directory),
        working_directory=working_directory,
        copy_of=None if site.folder is None else str(site.folder),
        directories=_folders(spec, site, paths, (working_directory, *files, *outputs.values())),
        files=files,
        log=str(submission.logs / f"{site.uid}.log"),
        secrets=hidden_values(submission.secrets),
        output_files=outputs,
        capture_result=spec.capture_result,
        grace_s=spec.grace_s,
        pre_stop=_compose_hook(spec, environment, paths),
        deadline_s=spec.deadline_s,
    )


def _compose_hook(
    spec: PodSpec, environment: Mapping[str, str], paths: PathMap
) -> tuple[str, ...] | None:
    if spec.pre_stop is None:
        return None
    return tuple(paths.apply(expand(part, environment)) for part in spec.pre_stop)


def _declared_paths(spec: PodSpec) -> list[str]:
    declared = [*(output.path for output in spec.output_files), *spec.mounts]
    if spec.working_directory is not None and not os.path.isdir(spec.working_directory):
        declared.append(spec.working_directory)
    return [path for path in declared if path.startswith("/")]


def _working_directory(spec: PodSpec, site: Site, paths: PathMap) -> str:
    own = str(site.directory / "work")
    if spec.working_directory is None:
        return own
    if site.folder is not None:
        # Nobody may write into the folder that stands for the image, so it is never used itself.
        return own
    if spec.working_directory in spec.mounts or not os.path.isdir(spec.working_directory):
        absolute = spec.working_directory.startswith("/")
        return paths.locate(spec.working_directory) if absolute else own
    return spec.working_directory


def _locate_output(path: str, paths: PathMap, working_directory: str) -> str:
    if path.startswith("/"):
        return paths.apply(path)
    return os.path.join(working_directory, path)


def _folders(spec: PodSpec, site: Site, paths: PathMap, used: tuple[str, ...]) -> tuple[str, ...]:
    """Return the folders that must be there: a container's image would have them."""
    working_directory, *files = used
    return (
        str(site.directory / "home"),
        str(site.directory / "tmp"),
        working_directory,
        *(paths.apply(mount) for mount in spec.mounts),
        *(os.path.dirname(file) for file in files),
    )


def _compose_environment(
    spec: PodSpec, submission: Submission, site: Site, paths: PathMap
) -> dict[str, str]:
    environment = {
        **base_environment(site.interpreter),
        "HOME": str(site.directory / "home"),
        "HOSTNAME": spec.pod,
        "TMPDIR": str(site.directory / "tmp"),
        **site.marks,
    }
    known: dict[str, str] = {}
    for variable in submission.overlay_of(spec.template):
        known[variable.name] = _resolve(variable, known, spec, submission, site)
    overlaid = set(known)
    for variable in spec.environment:
        if variable.name not in overlaid:
            known[variable.name] = paths.apply(_resolve(variable, known, spec, submission, site))
    return environment | known


def _resolve(
    variable: EnvironmentVariable,
    known: Mapping[str, str],
    spec: PodSpec,
    submission: Submission,
    site: Site,
) -> str:
    if variable.secret is not None:
        return _read_secret(variable, submission)
    if variable.field is not None:
        return _read_field(variable, spec, site)
    return expand(variable.value or "", known)


def _read_secret(variable: EnvironmentVariable, submission: Submission) -> str:
    name, key = variable.secret or ("", "")
    try:
        return submission.secrets[name][key]
    except KeyError:
        raise SubstrateError(
            f"variable {variable.name}: the secret {name!r} has no key {key!r} here; "
            "name its source in the scenario under `embedded: secrets:`"
        ) from None


def _read_field(variable: EnvironmentVariable, spec: PodSpec, site: Site) -> str:
    path = variable.field or ""
    fields = {
        "metadata.uid": site.uid,
        "metadata.name": spec.pod,
        "metadata.namespace": NAMESPACE,
        "spec.nodeName": site.node,
        "spec.serviceAccountName": "default",
        "status.podIP": "127.0.0.1",
        "status.hostIP": "127.0.0.1",
    }
    item = _METADATA_ITEM.fullmatch(path)
    if item is not None:
        return (spec.labels if item[1] == "labels" else spec.annotations).get(item[2], "")
    if path not in fields:
        raise SubstrateError(
            f"variable {variable.name}: the embedded substrate knows no field {path!r}; "
            f"it has {', '.join(fields)}, metadata.labels['…'] and metadata.annotations['…']"
        )
    return fields[path]
