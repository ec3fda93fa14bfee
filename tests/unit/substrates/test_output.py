"""Logs, results and output files of pods."""

from chaosml.substrates.embedded.output import STDERR, STDOUT, PodOutput, read_output_file


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
