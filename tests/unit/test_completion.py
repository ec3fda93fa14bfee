"""What the shell is offered."""

from chaosml import completion
from chaosml.faults.catalogue import CATALOGUE


def test_every_kind_of_fault_is_offered_and_nothing_else():
    assert set(completion.faults("")) == set(CATALOGUE)
    assert completion.faults("spot.") == ["spot.reclaim"]


def test_scenarios_and_folders_are_offered_and_no_other_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chaos").mkdir()
    (tmp_path / "chaos" / "spot.yaml").write_text("# c\nkind: Scenario\n")
    (tmp_path / "chaos" / "workflow.yaml").write_text("kind: Workflow\n")
    (tmp_path / ".hidden").mkdir()
    assert completion.scenarios("") == ["chaos/"]
    assert completion.scenarios("chaos/") == ["chaos/spot.yaml"]
    assert completion.scenarios("nowhere/") == []


def test_runs_are_offered_from_the_reports_where_nothing_is_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports" / "spot" / "latest").mkdir(parents=True)
    assert completion.runs("") == ["reports/spot/"]
    assert completion.runs("reports/spot/") == ["reports/spot/latest/"]


def test_every_shell_has_a_script_that_asks_us():
    for shell in completion.Shell:
        assert completion.VARIABLE in completion.script(shell)
