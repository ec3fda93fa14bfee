"""A project of a user: scenarios, and scripted answers of their runs."""

import pathlib
import shutil
import sys

import msgspec
import scripted

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reports"))

import judgements

from chaosml.verdict import Coverage, Status

SCENARIOS = pathlib.Path(__file__).parents[3] / "scenarios"
STATED = ("outcome", "resume", "corruption", "mttr", "lost-steps", "compute-waste", "lineage")
ITEMS = (*STATED, "effect", "verdict")
"""The expectations of spot.yaml."""

INVALID_TRIAL = judgements.trial(
    2,
    "noticed",
    valid=False,
    receipts=(judgements.receipt(2, "noticed", took_effect=False, why_invalid="target-finished"),),
)
NOT_INJECTED = judgements.verdict(
    "effect", "trial/2", Status.UNKNOWN, "INVALID: no receipt", cause="target-finished"
)


def judged(*verdicts, trials=(), **changes):
    """A run of two trials in which all held, but for these verdicts."""
    trials = trials or (judgements.trial(1, "drained"), judgements.trial(2, "noticed"))
    held = [judgements.verdict(name, "trial/1") for name in (*STATED, "effect")]
    whole = max((one.status for one in verdicts), key=lambda one: one.severity, default=Status.PASS)
    cases = Coverage(cases=("drained",), exercised={"drained": 1}, missing={}, places=("step 61",))
    return judgements.judgement(
        whole,
        [judgements.control(1), *trials],
        [*held, *verdicts],
        **{"coverage": cases, **changes},
    )


def fill(folder):
    """Make a project in a folder, as yet without scenarios."""
    shutil.copytree(SCENARIOS / "pipelines", folder / "scenarios" / "pipelines")
    (folder / scripted.ANSWERS).mkdir()
    return folder


def add(folder, name, judgement):
    """Add a scenario with the judgement of its run."""
    shutil.copy(SCENARIOS / "spot.yaml", folder / "scenarios" / f"{name}.yaml")
    (folder / scripted.ANSWERS / f"{name}.json").write_bytes(msgspec.json.encode(judgement))


class Project:
    """The working directory of a pytester, filled."""

    def __init__(self, pytester) -> None:
        self.pytester = pytester
        self.path = fill(pytester.path)
        pytester.makeconftest(scripted.CONFTEST)

    def scenario(self, name="spot", judgement=None):
        """Add a scenario with the judgement of its run, which passes if nothing is said."""
        add(self.path, name, judged() if judgement is None else judgement)
        return self

    def broken(self, name, error):
        """Add a scenario whose run breaks."""
        self.scenario(name)
        (self.path / scripted.ANSWERS / f"{name}.txt").write_text(error)
        return self

    def run(self, *arguments):
        """Run pytest in this process."""
        return self.pytester.runpytest_inprocess("--chaosml", "-p", "no:cacheprovider", *arguments)

    @property
    def runs(self):
        """A line for every run."""
        path = self.path / scripted.RUNS
        return path.read_text().splitlines() if path.exists() else []

    @property
    def names(self):
        """The scenarios that ran, in order of their names."""
        return sorted(line.split()[0] for line in self.runs)
