"""The training resumes to the same bits from every step, and only with its whole state."""

from __future__ import annotations

import numpy
import pytest

from chaosml import probe
from chaosml.reference import dataset, network
from chaosml.reference.promotion import pack, unpack
from chaosml.reference.trainer import COMPONENTS, Trainer

SAMPLES = 101
BATCH_SIZE = 16
STEPS = 24
"""More than three epochs of seven batches, the last of each being smaller."""


@pytest.fixture(scope="module")
def data():
    raw, _ = dataset.read_raw(dataset.SOURCE)
    return dataset.prepare(dataset.validate(raw))


@pytest.fixture
def new_trainer(data):
    def build(seed=3):
        return Trainer(
            data["train/images"][:SAMPLES],
            data["train/labels"][:SAMPLES],
            batch_size=BATCH_SIZE,
            seed=seed,
        )

    return build


@pytest.fixture
def undisturbed(new_trainer):
    """State digest, batch and loss after every step of an undisturbed training."""
    trainer = new_trainer()
    found = {0: (probe.digest(trainer.state()), None, None)}
    for _ in range(STEPS):
        outcome = trainer.advance()
        found[outcome.step] = (
            probe.digest(trainer.state()),
            outcome.batch.tolist(),
            outcome.loss.hex(),
        )
    return found


def states(new_trainer, omit=frozenset()):
    trainer = new_trainer()
    yield 0, pack(trainer.state(omit))
    for _ in range(STEPS):
        trainer.advance()
        yield trainer.step, pack(trainer.state(omit))


def test_a_training_resumed_at_any_step_goes_on_to_the_same_bits(new_trainer, undisturbed):
    for step, saved in states(new_trainer):
        resumed = new_trainer(seed=99)
        resumed.load(unpack(saved), step=step)
        assert probe.digest(resumed.state()) == undisturbed[step][0]
        while resumed.step < STEPS:
            outcome = resumed.advance()
            assert (
                probe.digest(resumed.state()),
                outcome.batch.tolist(),
                outcome.loss.hex(),
            ) == undisturbed[outcome.step]


def test_a_training_resumed_twice_in_one_epoch_goes_on_to_the_same_bits(new_trainer, undisturbed):
    trainer = new_trainer()
    for stop in (9, 11, 13):
        while trainer.step < stop:
            trainer.advance()
        saved = pack(trainer.state())
        trainer = new_trainer(seed=stop)
        trainer.load(unpack(saved), step=stop)
    while trainer.step < STEPS:
        trainer.advance()
    assert probe.digest(trainer.state()) == undisturbed[STEPS][0]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_checkpoint_without_one_component_leads_to_another_model(
    new_trainer, undisturbed, component
):
    at = 12
    saved = dict(states(new_trainer, frozenset({component})))[at]
    assert not any(name.startswith(f"{component}/") for name in unpack(saved))
    resumed = new_trainer()
    resumed.load(unpack(saved), step=at)
    while resumed.step < STEPS:
        resumed.advance()
    reference = new_trainer()
    while reference.step < STEPS:
        reference.advance()
    assert probe.digest(_model(resumed)) != probe.digest(_model(reference))


def _model(trainer):
    return {name: array for name, array in trainer.state().items() if name.startswith("model/")}


def test_every_epoch_takes_every_sample_once_in_another_order(new_trainer, undisturbed):
    batches = [undisturbed[step][1] for step in range(1, 22)]
    epochs = [
        [sample for batch in batches[start : start + 7] for sample in batch] for start in (0, 7, 14)
    ]
    assert all(sorted(epoch) == list(range(SAMPLES)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_state_is_numbers_only_and_names_all_components(new_trainer):
    trainer = new_trainer()
    trainer.advance()
    state = trainer.state()
    assert {name.partition("/")[0] for name in state} == set(COMPONENTS)
    assert all(array.dtype.kind in "iuf" for array in state.values())


def test_a_state_taken_does_not_change_when_the_training_goes_on(new_trainer):
    trainer = new_trainer()
    trainer.advance()
    state = trainer.state()
    before = probe.digest(state)
    trainer.advance()
    assert probe.digest(state) == before


def test_equal_states_pack_into_equal_bytes(new_trainer):
    first, second = new_trainer(), new_trainer()
    for _ in range(3):
        first.advance()
        second.advance()
    assert pack(first.state()) == pack(second.state())


def test_another_seed_gives_another_training(new_trainer):
    first, second = new_trainer(seed=1), new_trainer(seed=2)
    assert first.advance().batch.tolist() != second.advance().batch.tolist()


def test_the_gradient_is_the_slope_of_the_loss(data):
    """Finite differences in the last bias, where dropout draws the same masks each time."""
    images, labels = data["train/images"][:32], data["train/labels"][:32]
    parameters = network.initialise(numpy.random.default_rng(5))

    def loss(shift):
        moved = {**parameters, "b3": parameters["b3"].copy()}
        moved["b3"][4] += numpy.float32(shift)
        return network.differentiate(moved, images, labels, numpy.random.default_rng(6))

    _, gradient = loss(0.0)
    slope = (loss(0.05)[0] - loss(-0.05)[0]) / 0.1
    assert gradient["b3"][4] == pytest.approx(slope, rel=0.02)


def test_the_model_learns_the_digits(data):
    trainer = Trainer(data["train/images"], data["train/labels"], batch_size=32, seed=7)
    while trainer.step < 240:
        trainer.advance()
    parameters = {name.removeprefix("model/"): array for name, array in _model(trainer).items()}
    guessed = network.predict(parameters, data["test/images"])
    assert (guessed == data["test/labels"]).mean() > 0.93
