"""Signals to the program in a pod: which way they take, and what the container answers."""

from __future__ import annotations

import pytest

from chaosml.errors import FaultRefused, SubstrateError
from chaosml.substrates.kubernetes.api import Ran
from chaosml.substrates.kubernetes.pods import Pod
from chaosml.substrates.kubernetes.programs import Programs
from chaosml.substrates.kubernetes.refusals import ApiError
from tests.unit.substrates.kubernetes_fakes import FakeApi

POD = Pod(uid="u0", name="spot-t1-train-1234", vertex="v", task="train", attempt=0, grace_s=30.0)
NO_SHELL = 'exec failed: unable to start container process: exec: "sh": executable file not found'


def programs_with(*answers: Ran) -> tuple[Programs, FakeApi]:
    api = FakeApi()
    api.answers = list(answers)
    return Programs(api, "chaosml"), api


def test_a_signal_that_can_be_handled_goes_through_argos_executor() -> None:
    sender, api = programs_with(Ran(0, ""))
    assert sender.send(POD, "SIGTERM")
    how, where, command = api.asked[-1]
    assert (how, where) == ("RUN", "spot-t1-train-1234/main")
    assert command == ("/var/run/argo/argoexec", "kill", "15", "1")


@pytest.mark.parametrize("code", [0, 137, None])
def test_a_shell_that_died_with_its_container_has_sent_the_signal(code: int | None) -> None:
    sender, api = programs_with(Ran(code, "sent\n", "command terminated"))
    assert sender.send(POD, "SIGKILL")
    assert api.asked[-1][2][0] == "sh"


def test_a_program_that_was_seen_standing_still_is_stopped() -> None:
    assert programs_with(Ran(0, "sent\nstopped 3\n"))[0].stop(POD) == 3


def test_a_program_that_went_on_running_was_not_stopped() -> None:
    with pytest.raises(FaultRefused, match="went on running") as refused:
        programs_with(Ran(0, "sent\nmoving\n"))[0].stop(POD)
    assert refused.value.why == "not-stopped"


def test_an_image_without_a_shell_is_named_and_so_is_what_needs_none() -> None:
    with pytest.raises(
        FaultRefused, match=r"SIGKILL is sent by a shell.*such as SIGTERM"
    ) as refused:
        programs_with(Ran(None, "", NO_SHELL))[0].send(POD, "SIGKILL")
    assert refused.value.why == "no-shell"


@pytest.mark.parametrize(
    "answer",
    [
        Ran(0, "none\n"),
        Ran(None, "", "container not found"),
        Ran(1, "", "container is not running"),
    ],
)
def test_a_program_that_does_not_run_is_left_alone(answer: Ran) -> None:
    sender, _ = programs_with(answer, answer)
    assert not sender.send(POD, "SIGKILL")
    assert sender.stop(POD) == 0


def test_a_pod_that_is_gone_is_left_alone_and_a_missing_right_is_named() -> None:
    sender, api = programs_with()
    api.refusals["RUN", "spot-t1-train-1234/main"] = ApiError(404, "", "Handshake status 404")
    assert not sender.send(POD, "SIGTERM")
    api.refusals["RUN", "spot-t1-train-1234/main"] = ApiError(403, "", "Handshake status 403")
    with pytest.raises(SubstrateError, match="no permission to run a command"):
        sender.send(POD, "SIGTERM")


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(SubstrateError, match="no space left"):
        programs_with(Ran(1, "no space left", ""))[0].send(POD, "SIGTERM")
