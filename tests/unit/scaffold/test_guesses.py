"""What was written becomes a contract: families of keys, roles, commit rules, and reasons."""

import re

import pytest

from chaosml.scaffold.guesses import guess
from chaosml.scaffold.keys import families
from tests.unit.scaffold.seen import RUN, numbered, watched, write


def only(guesses, role):
    (found,) = [one for one in guesses if one.role == role]
    return found


def pattern_of(*keys, **details):
    (family,) = families([write(key, at, **details) for at, key in enumerate(keys)], [RUN])
    return family.pattern


@pytest.mark.parametrize(
    ("keys", "pattern"),
    [
        (("a/step-10.npz", "a/step-20.npz"), r"a/step-(?P<step>\d+)\.npz"),
        (("a/epoch=1-step=10.ckpt", "a/epoch=2-step=20.ckpt"), None),
        (("a/step-10.npz",), r"a/step-(?P<step>\d+)\.npz"),
        (("v2/model.npz",), r"v2/model\.npz"),
        (("a/7.npz", "a/8.npz"), r"a/(?P<step>\d+)\.npz"),
        (("m-00001-of-00002.bin", "m-00002-of-00002.bin"), r"m-\d+-of-00002\.bin"),
        ((f"runs/{RUN}/a.npz",), r"runs/(?P<run>[^/]+)/a\.npz"),
        (("m/state-cdcdcdcd0123.npz",), r"m/state-(?P<hash>[0-9a-f]{12})\.npz"),
    ],
)
def test_a_key_becomes_the_pattern_of_its_family(keys, pattern):
    found = pattern_of(*keys)
    assert pattern is None or found == pattern
    assert all(re.fullmatch(found, key) for key in keys)


def test_the_number_after_the_word_step_is_the_step_and_not_the_epoch():
    found = pattern_of("a/epoch=1-step=10.ckpt", "a/epoch=2-step=20.ckpt")
    assert found == r"a/epoch=\d+-step=(?P<step>\d+)\.ckpt"


def test_a_text_that_begins_the_digest_of_the_content_is_named_so():
    digest = "c0ffee123456" + "0" * 52
    found = pattern_of("m/model-c0ffee123456.npz", digest=digest)
    assert found == r"m/model-(?P<digest>[0-9a-f]{12})\.npz"


def test_numbered_objects_are_checkpoints_and_the_last_object_alone_is_the_model():
    guesses = guess(watched(*numbered()))
    checkpoint = only(guesses, "checkpoint")
    assert (checkpoint.key, checkpoint.format) == (r"t/ckpt/step-(?P<step>\d+)\.npz", "npz")
    assert checkpoint.reasons[0] == "written 4 times under 4 keys, every 2 s, 1 KB by train"
    assert (checkpoint.final_step, checkpoint.writes, checkpoint.names_step) == (40, 4, True)
    model = only(guesses, "model")
    assert (model.final_step, "the last object of all" in model.reasons) == (40, True)


def test_a_small_document_after_each_save_is_what_commits_it():
    checkpoint = only(guess(watched(*numbered(marker=True))), "checkpoint")
    assert (checkpoint.commit, checkpoint.marker) == (
        "marker-last",
        "t/ckpt/step-{step}.done.json",
    )


def test_a_pointer_commits_only_if_it_names_the_object():
    def saves(fields):
        for number in (1, 2, 3):
            key = f"ckpt/{number}.npz"
            yield write(key, number, step=number)
            yield write("ckpt/latest.json", number + 0.1, size=20, fields=fields(key))

    named = guess(watched(*saves(lambda key: {"key": key})))
    assert only(named, "checkpoint").marker == "ckpt/latest.json"
    vague = guess(watched(*saves(lambda key: {"step": 1})))
    assert only(vague, "checkpoint").marker is None
    assert only(vague, "marker").key == r"ckpt/latest\.json"


def test_keys_that_are_overwritten_in_turn_are_parts_of_one_checkpoint():
    writes = []
    for number in (1, 2, 3):
        writes.append(write("c/weights.npz", number, step=number))
        writes.append(write("c/optimizer.npz", number + 0.1))
    checkpoint = only(guess(watched(*writes)), "checkpoint")
    assert checkpoint.commit == "in-place"
    assert checkpoint.parts == ("c/weights.npz", "c/optimizer.npz")


def test_one_key_that_is_overwritten_is_a_checkpoint_without_parts():
    writes = [write("out/last.pt", at, problem=None) for at in (1, 2, 3)]
    checkpoint = only(guess(watched(*writes)), "checkpoint")
    assert (checkpoint.commit, checkpoint.format, checkpoint.names_step) == (
        "single-object",
        "torch",
        False,
    )


def test_a_format_that_the_bytes_are_not_is_not_promised():
    writes = [write("out/last.pt", at, problem="not a zip") for at in (1, 2)]
    checkpoint = only(guess(watched(*writes)), "checkpoint")
    assert checkpoint.format == "bytes"
    assert checkpoint.doubts == ("its name says torch, but: not a zip",)


def test_documents_are_metrics_and_checkpoints_where_there_is_nothing_else():
    assert only(guess(watched(*numbered(), write("t/log.jsonl", 20))), "metrics").format == "bytes"
    saves = [write(f"checkpoints/{number}.json", number, step=number) for number in (10, 20)]
    guesses = guess(watched(*saves, write("models/model.json", 30)))
    assert only(guesses, "checkpoint").format == "json"
    assert only(guesses, "model").key == r"models/model\.json"
