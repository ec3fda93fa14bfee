"""One function of an extension of the Chaos Toolkit, called in a process of its own.

    python -m chaosml.chaostoolkit.activity '{"type": "probe", "module": …, "func": …, …}'

stdout is one JSON object and nothing else: `{"called": true, "output": …}` of an action,
`{"took-effect": …, "output": …}` of a probe, whose value was held against its tolerance. What
the function prints goes to stderr. Exit code 0: it returned; 1: it did not, and why is the
last line on stderr. Its caller limits its time and ends its process group.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["main", "perform"]

_SECRETS = "chaosml"


class _NotPerformedError(Exception):
    """A function that did not return, or returned what cannot be judged."""


def perform(order: Mapping[str, Any]) -> dict[str, Any]:
    """Call what an order names, and return what came of it.

    Args:
        order: `type`, `module`, `func`, `arguments`; `configuration` and `secrets` with the names
            of environment variables; a probe's `tolerance`.

    Raises:
        Exception: it raised, ended the process, or cannot be called; the message says which.
    """
    from chaoslib.configuration import load_configuration
    from chaoslib.provider.python import run_python_activity
    from chaoslib.secret import load_secrets

    configuration = load_configuration(_from_environment(order.get("configuration")))
    secrets = load_secrets({_SECRETS: _from_environment(order.get("secrets"))}, configuration)
    activity = {
        "type": order["type"],
        "name": order["func"],
        "provider": {
            "type": "python",
            "module": order["module"],
            "func": order["func"],
            "arguments": dict(order.get("arguments") or {}),
            "secrets": [_SECRETS],
        },
    }
    try:
        output = run_python_activity(activity, configuration, secrets)
    except (ImportError, AttributeError) as error:
        raise _NotPerformedError(f"cannot be called: {error}") from error
    except SystemExit as error:
        raise _NotPerformedError(f"ended its process with {error.code}") from error
    except Exception as error:
        raise _NotPerformedError(str(error) or type(error).__name__) from error
    if order["type"] != "probe":
        return {"called": True, "output": output}
    return {
        "took-effect": _is_met(order["tolerance"], output, configuration, secrets),
        "output": output,
    }


def _is_met(tolerance: Any, output: Any, configuration: Any, secrets: Any) -> bool:
    from chaoslib.hypothesis import within_tolerance

    try:
        return bool(within_tolerance(tolerance, output, configuration, secrets))
    except Exception as error:
        raise _NotPerformedError(
            f"its value {str(output)[:200]!r} cannot be held against the tolerance: {error}"
        ) from error


def _from_environment(names: Mapping[str, str] | None) -> dict[str, dict[str, str]]:
    return {name: {"type": "env", "key": key} for name, key in (names or {}).items()}


def main(words: list[str]) -> int:
    """Call the function that the order in `words` names; return the exit code."""
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # A module beside the scenario is found as `chaos run` finds it.
    sys.path.insert(0, os.getcwd())
    try:
        order = json.loads(words[0])
        answer = json.dumps(perform(order), default=str)
    except _NotPerformedError as error:
        print(f"{order['module']}.{order['func']}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except (ValueError, TypeError, RecursionError) as error:
        print(f"its value is no JSON document: {error}", file=sys.stderr)  # noqa: T201
        return 1
    sys.stdout.flush()
    with os.fdopen(answers, "w", encoding="utf-8") as file:
        file.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
