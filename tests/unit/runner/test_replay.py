"""How a run says that it can be run again: every choice of its caller is in the command."""

from __future__ import annotations

import json
import pathlib
import shlex

from chaosml import clock
from chaosml.runner.conclude import save_inputs
from chaosml.runner.life import plan
from chaosml.runner.options import RunOptions
from chaosml.store.directory import RunDirectory

SCENARIO = pathlib.Path(__file__).parents[3] / "scenarios" / "storage-throttle.yaml"


def replay(folder: pathlib.Path, **options: object) -> list[str]:
    chosen = RunOptions(**options)  # type: ignore[arg-type]
    directory = RunDirectory.create(folder, "storage-throttle", clock.utc_now())
    save_inputs(directory, *plan(SCENARIO, chosen), chosen)
    return shlex.split(json.loads((directory.path / "invocation.json").read_bytes())["replay"])


def test_an_embedded_run_needs_its_scenario_and_its_seed(tmp_path: pathlib.Path) -> None:
    assert replay(tmp_path) == ["chaosml", "run", str(SCENARIO), "--seed", "7"]


def test_a_run_on_a_cluster_names_the_place_and_the_images(tmp_path: pathlib.Path) -> None:
    words = replay(
        tmp_path,
        on="cluster",
        context="staging",
        namespace="ml-chaos",
        image="mirror.example/chaosml:1",
        toxiproxy_image="mirror.example/toxiproxy:1",
        trials=3,
        set_values={"controls": "1"},
    )
    assert words[5:] == [
        *("--on", "cluster", "--context", "staging", "--namespace", "ml-chaos"),
        *("--image", "mirror.example/chaosml:1"),
        *("--toxiproxy-image", "mirror.example/toxiproxy:1"),
        *("--trials", "3", "--set", "controls=1"),
    ]
