"""Somebody's trainer: linear regression with momentum, saved to S3, without a probe.

With `--forgetful` it never looks for a checkpoint.
"""

import argparse
import io
import threading

import boto3
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
parser.add_argument("--forgetful", action="store_true")
options = parser.parse_args()
bucket, _, prefix = options.out.removeprefix("s3://").partition("/")
store = boto3.client("s3")


def put(name, **arrays):
    """Store arrays under a name."""
    body = io.BytesIO()
    np.savez(body, **arrays)
    store.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=body.getvalue())


def newest():
    """Return step, weights and momentum of the newest checkpoint, or of a fresh start."""
    found = store.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/ckpt/").get("Contents", [])
    if not found or options.forgetful:
        return 0, np.zeros(8), np.zeros(8)
    body = store.get_object(Bucket=bucket, Key=max(one["Key"] for one in found))["Body"]
    saved = np.load(io.BytesIO(body.read()))
    return int(saved["step"]), saved["w"], saved["v"]


step, w, v = newest()
while step < 40:
    x = np.random.default_rng(step).standard_normal((16, 8))
    v = 0.9 * v + x.T @ (x @ w - x @ np.arange(8.0)) / 16
    w = w - 0.05 * v
    step += 1
    threading.Event().wait(0.01)  # As long as a step takes.
    if step % 10 == 0:
        put(f"ckpt/step-{step:06d}.npz", w=w, v=v, step=np.array(step))
put("model.npz", w=w, step=np.array(step))
