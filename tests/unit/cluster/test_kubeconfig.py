"""The user's kubeconfig: kind adds our context, and the current one stays what it was."""

import pytest

from chaosml.cluster import kind


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    path = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def as_kind_does(path):
    path.write_text("apiVersion: v1\ncurrent-context: kind-chaosml\nkind: Config\n")


def test_the_current_context_stays(kubeconfig):
    kubeconfig.write_text("kind: Config\ncurrent-context: production")
    with kind._same_current_context():
        as_kind_does(kubeconfig)
    assert kubeconfig.read_text() == ("apiVersion: v1\ncurrent-context: production\nkind: Config\n")


def test_the_current_context_stays_also_when_kind_fails(kubeconfig):
    kubeconfig.write_text("current-context: production\n")

    def fail():
        with kind._same_current_context():
            as_kind_does(kubeconfig)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "current-context: production\n" in kubeconfig.read_text()


@pytest.mark.parametrize("before", [None, 'current-context: ""\n', "current-context:\n"])
def test_where_there_is_no_current_context_ours_becomes_it(kubeconfig, before):
    if before is not None:
        kubeconfig.write_text(before)
    with kind._same_current_context():
        as_kind_does(kubeconfig)
    assert "current-context: kind-chaosml\n" in kubeconfig.read_text()
