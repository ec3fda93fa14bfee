"""House rules that no linter knows; each list of exceptions says why."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from tree import ROOT, modules, text_files

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 450
LONG_MODULES = {
    "chaosml/event.py": "the catalogue of facts, one small struct each; it is read as one table",
}

TIME_READERS = {
    "chaosml/clock.py": "the place that reads time and waits",
    "chaosml/probe.py": "runs in the pipeline's pods and imports nothing of ours",
    "chaosml/reference/": "runs in the pipeline's pods and imports only the probe",
    "chaosml/selftest/pods/": "runs in the pipeline's pods, in place of the reference's steps",
    "chaosml/substrates/embedded/shim.py": "a process of its own between kubelet and pod",
}
_CLOCKS = {
    "time": {
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "sleep",
        "time",
        "time_ns",
    },
    "datetime": {"now", "today", "utcnow"},
    "date": {"today"},
}

BROAD_EXCEPTS = {
    "chaosml/cli.py": "top of the command line: an unexpected error is one line and exit 4",
    "chaosml/chaostoolkit/activity.py": "functions of others: whatever they raise is a failure",
    "chaosml/checkers/judge.py": "checker call: a checker that raises is UNKNOWN",
    "chaosml/substrates/embedded/program.py": "interpreter of a pod: an error is its output",
}

INNER_ERRORS = {
    "chaosml.checkers.doubt.Doubt": "makes an injection INVALID, with its words",
    "chaosml.substrates.embedded.program.Become": "leaves the frames of a forked child",
    "chaosml.workflow.state.ControllerError": "turns a vertex `Error` inside `reduce`",
    "chaosml.workflow.state.ParallelismReached": "puts a vertex off inside `reduce`",
    "chaosml.workflow.state.TemplateTimeout": "fails a vertex inside `reduce`",
    "chaosml.workflow.substitution.UnresolvedReference": "a value: a problem at load, or `Error`",
    "chaosml.workflow.tokens.ExpressionError": "a value: a problem at load, or `Error`",
}
"""Exceptions, besides private ones, that are caught before anybody sees them."""

VAGUE_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}


def _is_allowed(path, allowed):
    return any(path == place or (place[-1] == "/" and path.startswith(place)) for place in allowed)


def _functions(module):
    return [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def assert_none(found):
    """Fail with everything that was found, one a line."""
    lines = (
        [f"{key}: {value}" for key, value in found.items()] if isinstance(found, dict) else found
    )
    assert not found, "\n" + "\n".join(lines)


@pytest.mark.parametrize("folder", ["benchmarks", "chaosml", "tests"])
def test_every_module_says_first_what_lives_in_it(folder):
    silent = [
        module.path
        for module in modules(folder)
        if module.text.strip() and not (ast.get_docstring(module.tree) or "").strip()
    ]
    assert_none(silent)


@pytest.mark.parametrize("folder", ["benchmarks", "chaosml", "tests"])
def test_no_function_is_longer_than_a_screen(folder):
    long = {
        f"{module.path}:{function.lineno} {function.name}": lines
        for module in modules(folder)
        for function in _functions(module)
        if (lines := function.end_lineno - function.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert_none(long)


def test_no_module_is_too_long_to_read():
    long = {
        module.path: lines
        for module in modules()
        if (lines := len(module.text.splitlines())) > MODULE_LINES_MAX
        and module.path not in LONG_MODULES
    }
    assert_none(long)


def test_no_exception_for_length_outlives_its_reason():
    lines = {module.path: len(module.text.splitlines()) for module in modules()}
    assert_none([path for path in LONG_MODULES if lines.get(path, 0) <= MODULE_LINES_MAX])


@pytest.mark.parametrize("folder", ["benchmarks", "chaosml"])
def test_no_module_has_a_name_that_says_nothing(folder):
    vague = [
        module.path
        for module in modules(folder)
        if VAGUE_NAMES & set(re.split(r"[./_]", module.path.removesuffix(".py")))
    ]
    assert_none(vague)


def test_nothing_is_left_to_do_without_being_said_in_an_issue():
    # Put together here, so that this file is not found.
    words = re.compile(
        r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b"
    )
    left = [
        f"{path}:{number}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), start=1)
        if words.search(line)
    ]
    assert_none(left)


def test_no_file_knows_the_machine_or_the_package_index_it_was_written_with():
    # Put together here, so that this file is not found.
    places = ["home/\\w", "root/\\w", "Users/\\w", "work/main", "work/shared"]
    machine = re.compile(
        rf"(?<![\w.$}}])/({'|'.join(places)})"
        r"|sha"
        r"red/notes"
        r"|bash"
        r"_jobs"
        r"|\b(extra-)?in"
        r"dex[-_]url\b"
        r"|/sim"
        r"ple/?(?=[\"'\s]|$)"
    )
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), start=1)
        if machine.search(line)
    ]
    assert_none(found)


def _clock_reads(module):
    """Yield the lines that read a clock or sleep."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield node.lineno
        elif isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if node.attr in _CLOCKS.get(name, ()):
                yield node.lineno


def test_only_the_clock_reads_time_and_sleeps():
    reads = [
        f"{module.path}:{line}"
        for module in modules()
        if not _is_allowed(module.path, TIME_READERS)
        for line in _clock_reads(module)
    ]
    assert_none(reads)


def test_no_exception_for_time_or_broad_excepts_outlives_its_reason():
    reading = [module.path for module in modules() if any(_clock_reads(module))]
    catching = {
        module.path
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type)
    }
    idle = [place for place in TIME_READERS if not any(_is_allowed(r, [place]) for r in reading)]
    assert_none(idle)
    assert_none(set(BROAD_EXCEPTS) - catching)


def test_no_test_sleeps():
    sleeps = [
        f"{module.path}:{node.lineno}"
        for module in modules("tests")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "sleep"
        and getattr(node.value, "id", "") == "time"
    ]
    assert_none(sleeps)


def test_any_exception_is_caught_only_at_the_named_boundaries():
    broad = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.path not in BROAD_EXCEPTS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type)
    ]
    assert_none(broad)


def _is_broad(caught):
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(getattr(name, "id", "") in {"BaseException", "Exception"} for name in names)


def _lacks_toolkit(module):
    """Whether a module is of the extension, which cannot be imported without the toolkit."""
    return module.path.startswith("chaosml/chaostoolkit/") and not find_spec("chaoslib")


@pytest.fixture(scope="module")
def loaded():
    """Every module of the package, imported."""
    return {
        module.name: importlib.import_module(module.name)
        for module in modules()
        if not module.path.endswith("__main__.py") and not _lacks_toolkit(module)
    }


def test_every_error_of_ours_is_one_that_the_command_line_shows_without_a_traceback(loaded):
    from chaosml.errors import ChaosmlError

    errors = {
        f"{kind.__module__}.{kind.__qualname__}": kind
        for module in loaded.values()
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, BaseException)
        and kind.__module__.startswith("chaosml.")
        and not kind.__name__.startswith("_")
        # Pods cannot import the harness.
        and not kind.__module__.startswith("chaosml.reference")
    }
    assert ChaosmlError in errors.values()
    strays = [
        name
        for name, kind in errors.items()
        if not issubclass(kind, ChaosmlError) and name not in INNER_ERRORS
    ]
    assert_none(strays)


def _public_names(tree):
    """Return the names that a module itself defines without an underscore."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_") and name != "TYPE_CHECKING"}


def _listed_names(tree):
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return []


def test_a_public_name_is_one_that_its_module_lists():
    unlisted = {
        module.path: sorted(names)
        for module in modules()
        if (names := _public_names(module.tree) - set(_listed_names(module.tree)))
    }
    assert_none(unlisted)


def test_every_listed_name_exists_once_and_in_order(loaded):
    wrong = {}
    for name, module in loaded.items():
        listed = list(getattr(module, "__all__", []))
        missing = [entry for entry in listed if not hasattr(module, entry)]
        if missing or len(set(listed)) < len(listed):
            wrong[name] = missing or listed
    assert_none(wrong)


HEAVY = {"aiohttp", "asyncio", "boto3", "botocore", "flask", "moto", "numpy", "pydantic", "yaml"}
HEAVY |= {"jinja2", "pandas", "prometheus_client"}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("chaosml.probe", HEAVY | {"dataclasses", "json", "msgspec", "socket", "typing"}),
        ("chaosml.cli", HEAVY),
        ("chaosml.pytest_plugin", HEAVY | {"msgspec", "rich", "typer"}),
    ],
)
def test_importing_it_is_light(module, forbidden):
    program = f"import sys, {module}; print(*sorted(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert_none({name.partition(".")[0] for name in found.stdout.split()} & forbidden)


def test_the_layers_hold():
    found = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as l; l()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
