"""Logs, results and output files of pods."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from chaosml.substrates.embedded.output import STDERR, STDOUT, PodOutput, read_output_file
from chaosml.substrates.redaction import RedactedStream


def output(path, **details):
    details = {"boot": "", "start_ns": 0, "capture_result": True, **details}
    return PodOutput(str(path), **details)


def test_a_log_is_cut_at_its_limit_with_a_line_that_says_so(tmp_path):
    one = output(tmp_path / "log", log_bytes_max=10)
    for _ in range(5):
        one.take(STDERR, b"abcd\n", 1)
    one.close()
    assert (tmp_path / "log").read_bytes() == b"abcd\nabcd\n\n[chaosml: log cut at 10 bytes]\n"


def test_the_result_is_standard_output_alone_with_one_newline_less(tmp_path):
    one = output(tmp_path / "log")
    one.take(STDOUT, b"accuracy\n\n", 1)
    one.take(STDERR, b"warning\n", 1)
    one.close()
    assert one.result == "accuracy\n"


def test_a_log_that_cannot_be_made_is_given_up(tmp_path):
    one = output(tmp_path / "missing" / "log", capture_result=False)
    assert one.take(STDOUT, b"x\n", 1) == []
    assert one.result is None
    one.close()


def test_bytes_that_are_no_text_are_replaced_in_values(tmp_path):
    (tmp_path / "value").write_bytes(b"\xff1\n")
    assert read_output_file(str(tmp_path / "value")) == "\ufffd1"
    assert read_output_file(str(tmp_path)) is None
    assert read_output_file(str(tmp_path / "none")) is None


def test_a_log_and_its_claims_do_not_hold_the_values_of_secrets(tmp_path):
    one = output(tmp_path / "log", secrets=("hunter22",))
    claims = one.take(STDERR, b'@chaosml {"v":1,"event":"point","seq":1,"name":"hunt', 1)
    claims += one.take(STDERR, b'er22","pid":1}\npassword hunter22\nhunt', 2)
    claims += one.end(STDERR, 3)
    one.close()
    text = (tmp_path / "log").read_bytes()
    assert b"hunter22" not in text
    assert text.endswith(b"password ***\nhunt")
    assert "hunter22" not in repr(claims)
    assert "***" in repr(claims)


def test_a_captured_result_is_what_the_program_printed(tmp_path):
    one = output(tmp_path / "log", secrets=("hunter22",))
    one.take(STDOUT, b"hunter22\n", 1)
    one.close()
    assert one.result == "hunter22"


@given(st.text("abx", max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_hiding_does_not_depend_on_how_a_stream_is_cut(text, cuts):
    stream = RedactedStream(["abab"])
    places = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    data = text.encode()
    shown = b"".join(stream.take(data[a:b]) for a, b in itertools.pairwise(places))
    assert shown + stream.end() == data.replace(b"abab", b"***")


def test_steps_are_read_from_both_streams_beside_the_claims(tmp_path):
    one = output(tmp_path / "log", step_pattern=r"step=(?P<step>\d+)")
    claims = one.take(STDOUT, b"step=1\n", 1)
    claims += one.take(STDERR, b'@chaosml {"v":1,"event":"point","seq":1,"name":"a","pid":1}\n', 2)
    claims += one.take(STDERR, b"step=2\n", 30_000_000)
    claims += one.end(STDERR, 40_000_000)
    one.close()
    assert [type(claim.fact).__name__ for claim in claims] == [
        "ClaimPoint",
        "LogProgress",
        "LogProgress",
    ]
