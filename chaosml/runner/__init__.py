"""The life of a run: plan, prepare, execute, heal, judge, report."""

from chaosml.runner.conclude import rejudge
from chaosml.runner.life import plan, run
from chaosml.runner.options import RunOptions, RunResult
from chaosml.runner.recovery import recover, recover_cluster

__all__ = ["RunOptions", "RunResult", "plan", "recover", "recover_cluster", "rejudge", "run"]
