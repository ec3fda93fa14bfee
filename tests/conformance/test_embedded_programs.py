"""Python pods forked from the kubelet behave as freshly started interpreters do."""

import json
import os
import re
import signal
import sys

import pytest
from embedded_bench import Bench, pod, python, shell

from chaosml.event import ClaimPoint, PodExited
from chaosml.workflow.protocol import EnvironmentVariable, OutputFile

pytestmark = pytest.mark.slow

LOOK = """
    import json, os, signal, sys, tempfile, threading, warnings
    facts = {
        "argv": sys.argv[1:],
        "script": os.path.basename(sys.argv[0]),
        "orig_argv": len(sys.orig_argv),
        "path0": os.path.relpath(sys.path[0], os.environ["HOME"]),
        "path": sys.path[1:],
        "name": __name__,
        "main": sys.modules["__main__"].__dict__ is globals(),
        "globals": sorted(globals()),
        "file": os.path.basename(__file__),
        "spec": __spec__ is None,
        "cwd": os.path.relpath(os.getcwd(), os.environ["HOME"]),
        "environment": {
            name: value.replace(os.path.dirname(os.environ["HOME"]), "POD")
            for name, value in os.environ.items() if name not in ("PYTHONHASHSEED", "HOSTNAME")
        },
        "signals": {int(n): str(signal.getsignal(n)) for n in signal.valid_signals()
                    if n not in (signal.SIGKILL, signal.SIGSTOP)},
        "mask": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
        "wakeup": signal.set_wakeup_fd(-1),
        "umask": os.umask(0o22),
        "leader": (os.getpid() == os.getsid(0), os.getpid() == os.getpgid(0)),
        "files": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
        "stdin": sys.stdin.read(),
        "streams": [(s.encoding, s.errors, s.line_buffering, s.isatty())
                    for s in (sys.stdin, sys.stdout, sys.stderr)],
        "threads": threading.active_count(),
        "flags": [getattr(sys.flags, n) for n in dir(sys.flags)
                  if n[0] != "_" and isinstance(getattr(sys.flags, n), int)
                  and n not in ("n_fields", "n_sequence_fields", "n_unnamed_fields")],
        "executable": sys.executable,
        "tempdir": os.path.relpath(tempfile.gettempdir(), os.environ["HOME"]),
        "recursion": sys.getrecursionlimit(),
        "excepthook": sys.excepthook is sys.__excepthook__,
    }
    print(json.dumps(facts))
"""


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def said(bench, uid):
    """Return the lines of both streams, whose order between the streams nobody knows."""
    return sorted(re.sub(rb"/k1/\d+/", b"/POD/", bench.log(uid)).splitlines())


def was_forked(bench, uid):
    """A forked pod still shows the kubelet's command line."""
    return b"forked True" in bench.log(uid)


def test_a_forked_program_finds_what_a_fresh_interpreter_would_show_it(bench):
    bench.run(
        python("pod-f", LOOK, capture_result=True),
        python("pod-x", LOOK, capture_result=True, forked=False),
    )
    results = {one.pod: one.result for one in bench.controller.seen if hasattr(one, "result")}
    forked, fresh = json.loads(results["pod-f"]), json.loads(results["pod-x"])
    assert forked.pop("globals") == fresh.pop("globals")
    assert forked == fresh
    assert forked["argv"] == []
    assert forked["files"] == [0, 1, 2]


def test_programs_are_forked_and_a_variable_of_the_interpreters_start_prevents_it(bench):
    tell = "print('forked', 'kubelet' in open('/proc/self/cmdline').read())"
    bench.run(
        python("one", tell),
        python("two", tell, forked=False),
        python("three", tell, environment=[EnvironmentVariable("OMP_NUM_THREADS", "2")]),
    )
    assert [was_forked(bench, f"{name}-1") for name in ("one", "two", "three")] == [
        True,
        False,
        False,
    ]


PROGRAMS = {
    "falls off its end": "print('done')",
    "exits with a number": "import sys; sys.exit(3)",
    "exits with words": "import sys; sys.exit('because')",
    "exits with nothing": "raise SystemExit",
    "raises": "def f():\n    return 1 / 0\nf()",
    "raises from": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e",
    "has wrong syntax": "def f(:\n    pass",
    "runs its exit handlers": "import atexit; atexit.register(print, 'bye'); raise OSError(5)",
    "waits for threads": (
        "import threading, time\n"
        "def f():\n    time.sleep(0.1); print('thread')\n"
        "threading.Thread(target=f).start()"
    ),
    "leaves at once": "import os; print('lost'); os._exit(9)",
    "writes without a newline": "import sys; sys.stdout.write('half'); sys.stderr.write('other')",
    "dies by a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "aborts": "import os; os.abort()",
    "is interrupted": "import signal; print('x'); signal.raise_signal(signal.SIGINT)",
    "writes into a closed pipe": (
        "import os\nr, w = os.pipe(); os.close(r)\ntry:\n    os.write(w, b'x')\n"
        "except BrokenPipeError:\n    print('told')"
    ),
    "has children": "import subprocess; print(subprocess.check_output(['echo', 'child']))",
    "has workers": (
        "import multiprocessing\n"
        "def f(x):\n    return x + 1\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(f, [1, 2]))"
    ),
    "leaves a file open": (
        "f = open('left.txt', 'w'); f.write('kept')\n"
        "import atexit; atexit.register(lambda: print('open', f.closed))"
    ),
    "has something to say at its end": (
        "import sys\nclass A:\n    def __del__(self):\n        print('gone', sys is not None)\n"
        "a = A(); b = [a]; b.append(b)"
    ),
    "has a daemon": (
        "import threading, time\n"
        "def f():\n    while True:\n        time.sleep(0.001); g()\n"
        "def g():\n    pass\n"
        "threading.Thread(target=f, daemon=True).start(); time.sleep(0.05); print('left')"
    ),
    "cannot write what is left": "import os, sys; sys.stdout.write('x'); os.close(1)",
    "exits with a large number": "import sys; sys.exit(300)",
    "exits with a tuple": "import sys; print('first'); sys.exit((1, 2))",
    "sends itself in a pickle": (
        "import pickle\nclass A:\n    pass\nprint(type(pickle.loads(pickle.dumps(A()))).__module__)"
    ),
    "uses dataclasses": (
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: 'int' = 1\nprint(A())"
    ),
}


def test_forked_programs_end_as_fresh_interpreters_end(bench):
    specs = []
    for index, program in enumerate(PROGRAMS.values()):
        specs += [python(f"{index}-f", program), python(f"{index}-x", program, forked=False)]
    bench.run(*specs)
    codes = {fact.uid: fact.exit_code for fact in bench.facts(PodExited)}
    for index, name in enumerate(PROGRAMS):
        forked, fresh = f"{index}-f-1", f"{index}-x-1"
        assert codes[forked] == codes[fresh], name
        if name != "is interrupted":  # Its traceback shows a few frames more.
            assert said(bench, forked) == said(bench, fresh), name
    assert codes["0-f-1"] == 0
    assert codes["1-f-1"] == 3
    assert codes["11-f-1"] == 128 + signal.SIGTERM
    assert codes["13-f-1"] == 128 + signal.SIGINT


def test_a_forked_program_that_leaves_a_file_open_has_written_it(bench, tmp_path):
    file = tmp_path / "left.txt"
    program = f"import sys; print('forked', 'numpy' in sys.modules); f = open({str(file)!r}, 'w')"
    bench.run(python("open", program + "; f.write('kept')"))
    assert was_forked(bench, "open-1")
    assert file.read_text() == "kept"


def test_a_module_runs_as_with_minus_m(bench, tmp_path):
    folder = tmp_path / "project"
    (folder / "steps").mkdir(parents=True)
    (folder / "steps" / "__init__.py").write_text("")
    (folder / "steps" / "train.py").write_text(
        "import sys, os\n"
        "print(__name__, __package__, __spec__.name, sys.argv, sys.path[0] == os.getcwd())\n"
        "raise KeyError('step')\n"
    )
    command = ("python", "-m", "steps.train", "--steps", "3")
    seed = (EnvironmentVariable("PYTHONHASHSEED", "random"),)
    bench.run(
        pod("f", *command, working_directory=str(folder)),
        pod("x", *command, working_directory=str(folder), environment=seed),
    )
    assert {fact.exit_code for fact in bench.facts(PodExited)} == {1}
    assert said(bench, "f-1") == said(bench, "x-1")
    assert b"__main__ steps steps.train" in bench.log("f-1")


def test_random_numbers_differ_between_forked_pods(bench):
    draw = """
        import numpy, os, random
        open("/tmp/out", "w").write(f"{random.random()} {numpy.random.rand()}")
    """
    outputs = (OutputFile("draw", "/tmp/out"),)
    bench.run(*(python(name, draw, output_files=outputs) for name in ("a", "b")))
    draws = [
        one.outputs["draw"].split() for one in bench.controller.seen if hasattr(one, "outputs")
    ]
    assert len({one[0] for one in draws}) == len({one[1] for one in draws}) == 2


def test_forked_programs_find_numpy_and_boto3_working(bench):
    script = """
        import boto3, numpy
        client = boto3.client("s3", endpoint_url="http://127.0.0.1:1", region_name="us-east-1",
                              aws_access_key_id="a", aws_secret_access_key="b")
        print(numpy.ones(3) @ numpy.ones(3), client.meta.service_model.service_name)
    """
    bench.run(python("train", script, capture_result=True))
    assert bench.controller.seen[-1].result == "3.0 s3"


def test_sigterm_ends_a_forked_program_without_a_handler_and_reaches_one_that_has_it(bench):
    wait = "import time\nfrom chaosml import probe\nprobe.point('ready')\ntime.sleep(60)"
    handle = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n" + wait
    bench.submit(python("plain", wait), python("handler", handle))
    for uid in ("plain-1", "handler-1"):
        bench.wait(ClaimPoint, lambda _: len(bench.facts(ClaimPoint)) == 2)
        bench.entries += bench.substrate.delete_pod(uid, by="one", view="seen")
    bench.finish()
    assert {fact.uid: fact.exit_code for fact in bench.facts(PodExited)} == {
        "plain-1": 143,
        "handler-1": 7,
    }


def test_pods_see_nothing_of_the_environment_of_the_harness(bench, monkeypatch):
    monkeypatch.setenv("CLOUD_SECRET", "do not tell")
    bench.run(shell("train", "env", capture_result=True))
    lines = bench.controller.seen[-1].result.splitlines()
    names = {line.partition("=")[0] for line in lines} - {"PWD", "_", "SHLVL", "OLDPWD"}
    assert names == {
        "PATH",
        "LANG",
        "HOME",
        "HOSTNAME",
        "TMPDIR",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "CHAOSML_RUN",
        "CHAOSML_OWNER_PID",
        "CHAOSML_OWNER_START",
    }


def test_the_interpreter_of_an_image_is_the_one_that_the_scenario_names(bench, tmp_path):
    # A name of its own, so that the path on which it is found is the image's.
    interpreter = tmp_path / "image" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f'#!/bin/sh\necho mapped\nexec {sys.executable} "$@"\n')
    os.chmod(interpreter, 0o755)
    bench.run(
        python("train", "print('program')", capture_result=True), images={"ben*": interpreter}
    )
    assert bench.controller.seen[-1].result == "mapped\nprogram"
