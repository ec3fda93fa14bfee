"""A survey of two cells on a real kind cluster: struck, seen, kept, and nothing left behind."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from chaosml.cluster.api import connect_kind
from chaosml.cluster.life import borrowed
from chaosml.cluster.options import ARGO_VERSION, ClusterOptions
from chaosml.cluster.survey import record
from chaosml.cluster.survey.book import SurveyOptions
from chaosml.cluster.survey.life import survey
from chaosml.cluster.survey.pipeline import LABEL
from chaosml.workflow.survey import Outcome, Signal, Timing
from chaosml.workflow.views import View

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

NAMESPACE = "survey-test"
ONLY = {"signal": {Signal.KILL}, "timing": set(Timing), "finalizer": {"off"}}
PLACES = (
    f"/api/v1/namespaces/{NAMESPACE}/pods",
    f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows",
)


def test_a_killed_process_is_seen_with_its_exit_code_and_nothing_is_left(tmp_path: pathlib.Path):
    place = ClusterOptions(namespace=NAMESPACE)
    kept = tmp_path / "survey.json"
    options = SurveyOptions(
        name=place.name,
        namespace=NAMESPACE,
        argo_versions=(ARGO_VERSION,),
        trials=1,
        parallel=2,
        only={name: frozenset(map(str, values)) for name, values in ONLY.items()},
        out=kept,
    )
    with borrowed(place):
        found = survey(options, lambda _: None)
        api = connect_kind(place.name)
        try:
            left = [
                item
                for path in PLACES
                for item in api.get(path, [("labelSelector", LABEL)])["items"]
            ]
        finally:
            api.ask("delete", f"/api/v1/namespaces/{NAMESPACE}")

    assert [one.outcomes for one in found.cells] == [
        (Outcome(view=View.SEEN, exit_code=137, count=1),)
    ] * 2
    for one in found.cells:
        assert one.decided is not None
        assert one.running is not None
        assert 0 < one.decided.p50 < one.running.p50
    assert {trial.cell for trial in record.read(kept).trials} == {
        str(one.cell) for one in found.cells
    }
    assert all("deletionTimestamp" in item["metadata"] for item in left)
