"""The columns of steps give back what was claimed."""

import hashlib
import json
import math

import pytest

from chaosml import probe
from chaosml.event import Basis, ClaimStep, Event
from chaosml.timeline.ledger import StepLedger, chain_of, pack_state


def ledger_of(*claims):
    ledger = StepLedger()
    for number, claim in enumerate(claims, start=1):
        event = Event(
            seq=10 * number,
            source="log/u",
            source_seq=number,
            earliest_ns=number,
            latest_ns=number + 1,
            basis=Basis.CLAIMED,
            subject="pod/u",
            data=claim,
        )
        ledger.append(event, claim)
    return ledger


def step(number, batch="00112233aabbccdd", loss=None, state=None):
    return ClaimStep(n=number, pid=7, step=number, batch=batch, loss=loss, state=state)


@pytest.mark.parametrize(
    "batch", ["00112233aabbccdd", "00112233AABBCCDD", "short", "", "0011 2233aabbccdd", "ü" * 16]
)
def test_a_batch_comes_back_as_it_was_claimed(batch):
    assert ledger_of(step(1, batch=batch)).batch(0) == batch


def test_batches_that_differ_are_told_apart_by_their_bytes():
    batches = ["00112233aabbccdd", "00112233AABBCCDD", "another", "one"]
    ledger = ledger_of(*(step(1, batch=batch) for batch in batches))
    assert len({ledger.batch_bytes(row) for row in range(4)}) == 4


def test_no_loss_is_told_apart_from_a_loss_that_is_no_number():
    ledger = ledger_of(step(1), step(2, loss="nan"), step(3, loss=(0.1).hex()), step(4, loss="x"))
    assert ledger.loss(0) is None
    assert math.isnan(ledger.loss(1))
    assert ledger.loss(2) == 0.1
    assert ledger.loss(3) is None


def test_states_may_begin_late_and_be_left_out():
    digest = hashlib.sha256(b"state").hexdigest()
    ledger = ledger_of(step(1), step(2, state=digest), step(3))
    assert ledger.state_bytes(0) is None
    assert ledger.state_bytes(1) == pack_state(digest) == bytes.fromhex(digest)
    assert ledger.state_bytes(2) is None


def test_a_row_cites_its_event():
    moment = ledger_of(step(1), step(2)).moment(1)
    assert (moment.seq, moment.earliest_ns, moment.latest_ns) == (20, 2, 3)


def test_the_chain_is_the_one_that_the_probe_computes(capfd, monkeypatch):

    monkeypatch.setattr(probe, "_state", None)
    probe.restore(3)
    for number in (4, 5, 6):
        probe.step(number, batch=[number, number + 1])
    probe.checkpoint(6, key="k")
    lines = capfd.readouterr().err.splitlines()
    claims = [json.loads(line.removeprefix("@chaosml ")) for line in lines]
    rows = [(one["step"], one["batch"]) for one in claims if one["event"] == "step"]
    assert chain_of(rows) == (claims[-1]["chain"], claims[-1]["chain_length"])
