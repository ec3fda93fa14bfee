"""The cells of a survey, filters on them, and the order of its trials."""

from collections import Counter

import pytest

from chaosml.cluster.survey.cells import enumerate_cells, parse_only, select, shuffle
from chaosml.cluster.survey.pipeline import LABEL, workflow
from chaosml.errors import UsageError
from chaosml.workflow.survey import Program, Signal, Timing
from chaosml.workflow.views import WayToDie

VERSIONS = ("v3.7.18", "v4.0.5")
CELLS = enumerate_cells(VERSIONS)


def test_each_setting_of_argo_has_the_same_cells_and_no_cell_comes_twice():
    settings = Counter((cell.argo, cell.finalizer) for cell in CELLS)
    assert set(settings) == {(version, on) for version in VERSIONS for on in (False, True)}
    assert len(set(settings.values())) == 1
    assert len({str(cell) for cell in CELLS}) == len(set(CELLS)) == len(CELLS)


def test_every_way_to_die_is_measured_but_the_one_that_is_like_a_signal():
    assert {cell.way for cell in CELLS} == set(WayToDie) - {WayToDie.SELF}


def test_a_signal_belongs_to_the_cells_of_that_way_alone():
    for cell in CELLS:
        assert (cell.signal is not None) == (cell.way is WayToDie.SIGNAL)


def test_every_program_and_both_timings_meet_a_deletion():
    deletions = [cell for cell in CELLS if cell.way is WayToDie.DELETE]
    assert {cell.program for cell in deletions} == set(Program)
    assert {cell.timing for cell in deletions} == set(Timing)


def test_outputs_are_asked_of_programs_that_can_succeed_alone():
    assert all(cell.program is Program.EXIT_0 for cell in CELLS if cell.outputs)


def test_a_filter_takes_the_cells_with_every_named_property():
    only = parse_only(["way=delete,program=exit0", "finalizer=on", "outputs=yes"])
    assert {str(cell) for cell in select(CELLS, only)} == {
        f"{version}/finalizer/delete/exit0/outputs/{timing}"
        for version in VERSIONS
        for timing in Timing
    }


def test_a_property_that_is_named_twice_may_have_either_value():
    found = select(CELLS, parse_only(["signal=SIGKILL,signal=SIGTERM"]))
    assert {cell.signal for cell in found} == set(Signal)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("speed=high", "a cell has no 'speed'; it has way, signal, program"),
        ("way=heart-attack", "way is one of delete, evict, force, signal, node-lost"),
        ("way=self", "way is one of"),
        ("delete", "a cell has no 'delete'"),
    ],
)
def test_a_filter_that_names_nothing_says_what_there_is(text, told):
    with pytest.raises(UsageError, match=told):
        parse_only([text])


def test_a_filter_that_no_cell_passes_is_refused():
    with pytest.raises(UsageError, match="no cell is like that"):
        select(CELLS, parse_only(["way=node-lost,program=ignore"]))


def test_the_order_is_mixed_and_the_seed_decides_it():
    missing = {cell: 3 for cell in CELLS[:8]} | {CELLS[8]: 1}
    order = shuffle(CELLS, missing, seed=7)
    assert Counter(order) == missing
    assert order == shuffle(CELLS, missing, seed=7)
    assert order != shuffle(CELLS, missing, seed=8)
    assert order != sorted(order, key=CELLS.index)


def test_a_workflow_retries_once_and_has_outputs_only_where_its_cell_has():
    for cell in CELLS:
        document = workflow("death-1", cell)
        (template,) = document["spec"]["templates"]
        assert template["retryStrategy"] == {"limit": "1", "retryPolicy": "Always"}
        assert ("outputs" in template) == cell.outputs
        assert document["spec"]["podMetadata"]["labels"].keys() == {LABEL}


@pytest.mark.parametrize("program", Program)
def test_the_program_of_a_trial_is_python(program):
    cell = next(cell for cell in CELLS if cell.program is program)
    (template,) = workflow("death-1", cell)["spec"]["templates"]
    source = template["container"]["command"][-1]
    compile(source, "trial", "exec")
    assert ("signal.signal" in source) == (program is not Program.DEFAULT)
