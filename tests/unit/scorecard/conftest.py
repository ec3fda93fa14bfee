"""Judgements to make runs of are those with which the reports are tested."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reports"))
