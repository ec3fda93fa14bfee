"""A real S3 server, and the programs of the reference pipelines as processes that use it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid

import boto3
from botocore.config import Config

STEPS = 60
EVERY = 20
LIMIT_S = 60
SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def serve_store():
    """Run an S3 server as a child; give its URL."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        try:
            port = server.stdout.readline().strip()
            assert port, "the S3 server did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


class Pods:
    """Runs programs with the environment of a pod, in a bucket of its own."""

    def __init__(self, endpoint, folder, run_id):
        self.bucket = f"b-{uuid.uuid4().hex[:12]}"
        self.run_id = run_id
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_ACCESS_KEY_ID": "pod",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
            "OPENBLAS_NUM_THREADS": "1",
            "RUN_ID": run_id,
            "GIT_COMMIT": "c0ffee",
        }
        self.store = client_for(self.environment)
        self.store.create_bucket(Bucket=self.bucket)

    def start(self, module, *arguments, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", f"chaosml.reference.{module}", *arguments],
            env={**self.environment, **environment},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, module, *arguments, **environment):
        """Run a program to its end; return its exit code and everything it said."""
        with self.start(module, *arguments, **environment) as process:
            out, error = process.communicate(timeout=LIMIT_S)
            return process.returncode, out + error

    def ok(self, module, *arguments, **environment):
        code, said = self.run(module, *arguments, **environment)
        assert code == 0, said
        return said

    def strike(self, step, number, *arguments):
        """Train until `step` is complete, send a signal; return exit code and the claims."""
        with self.start("train", *self.training(*arguments)) as process:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if '"event":"step"' in line and claim_of(line)["step"] == step:
                    process.send_signal(number)
            process.wait(timeout=LIMIT_S)
            return process.returncode, [claim_of(line) for line in lines if "@chaosml" in line]

    def training(self, *arguments):
        return (
            f"--bucket={self.bucket}",
            f"--dataset-sha256={self.dataset}",
            f"--steps={STEPS}",
            f"--checkpoint-every={EVERY}",
            "--pace-ms=5",
            "--notice-poll-ms=0",
            *arguments,
        )

    @property
    def dataset(self):
        return (self.folder / "sha256").read_text()

    def prepare(self):
        self.ok("validate", f"--sha256-output={self.folder / 'sha256'}")
        self.ok(
            "preprocess",
            f"--bucket={self.bucket}",
            f"--dataset-sha256={self.dataset}",
            f"--key-output={self.folder / 'key'}",
        )
        return self

    def finish(self):
        """Evaluate and register."""
        self.ok("evaluate", f"--bucket={self.bucket}", f"--dataset-sha256={self.dataset}")
        self.ok("register", *self.registration())

    def registration(self, steps=STEPS):
        return (
            f"--bucket={self.bucket}",
            f"--dataset-sha256={self.dataset}",
            f"--steps={steps}",
        )

    def objects(self):
        return {key: self.read(key) for key in self.keys("")}

    def keys(self, prefix):
        answer = self.store.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for found in answer.get("Contents", [])]

    def read(self, key):
        return self.store.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def document(self, key):
        return json.loads(self.read(key))

    def model(self):
        return self.document(f"runs/{self.run_id}/models/digits/manifest.json")

    def state(self, step=STEPS):
        return self.document(f"runs/{self.run_id}/checkpoints/step-{step:06d}/manifest.json")


def claim_of(line):
    return json.loads(line.partition("@chaosml ")[2])


def client_for(environment):
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
