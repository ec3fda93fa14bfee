"""Which texts of Argo say the same as ours: those that are not its own to decide, no others."""

from __future__ import annotations

import json

import pytest

from chaosml.shadow.likeness import same_text

FAILURES = [
    {"displayName": "a", "phase": "Failed", "finishedAt": "2026-11-25T12:00:00Z"},
    {"displayName": "b", "phase": "Error", "finishedAt": "2026-11-25T12:00:09Z"},
]


def quoted(failures: list[dict[str, str]]) -> str:
    return json.dumps(json.dumps(failures))


@pytest.mark.parametrize(
    ("shown", "ours"),
    [
        ("", ""),
        ("main: OOMKilled (exit code 137)", "main: Error (exit code 137)"),
        ("Error (exit code 1)", "main: Error (exit code 1)"),
        (
            "failed to resolve references: Invalid 'when' expression 'a!': Invalid token: '!'",
            "Invalid 'when' expression 'a!': expected an operator",
        ),
        (
            "retry exceeded workflow deadline 2026-11-25 12:00:01 +0000 UTC",
            "retry exceeded workflow deadline 2026-11-25 12:00:00 +0000 UTC",
        ),
        ("the token *** is wrong", "the token hunter22 is wrong"),
        ("31.004512", "30.912301"),
        (quoted(FAILURES), quoted([{**FAILURES[1], "finishedAt": ""}, FAILURES[0]])),
    ],
)
def test_texts_that_say_the_same(shown: str, ours: str) -> None:
    assert same_text(shown, ours)
    assert same_text(ours, shown)


@pytest.mark.parametrize(
    ("shown", "ours"),
    [
        ("", "pod deleted"),
        ("main: Error (exit code 137)", "main: Error (exit code 143)"),
        ("main: Error (exit code 1): no space", "main: Error (exit code 1)"),
        ("Invalid 'when' expression 'a!': x", "Invalid 'when' expression 'b!': x"),
        ("Backoff for 3 seconds", "Backoff for 6 seconds"),
        ("the token *** is wrong", "the token hunter22 is right"),
        ("31", "30"),
        (quoted(FAILURES), quoted(FAILURES[:1])),
        (quoted(FAILURES), quoted([FAILURES[0], {**FAILURES[1], "phase": "Failed"}])),
    ],
)
def test_texts_that_differ(shown: str, ours: str) -> None:
    assert not same_text(shown, ours)
    assert not same_text(ours, shown)
