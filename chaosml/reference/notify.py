"""The exit handler: leaves a note on how the workflow ended, and never changes how it ended."""

from __future__ import annotations

import sys

from botocore.exceptions import BotoCoreError, ClientError

from chaosml import probe
from chaosml.reference import promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.program import parser

__all__ = ["main"]


def main() -> None:
    """Run the step."""
    told = parser(__doc__)
    told.add_argument("--workflow", required=True, help="name of the workflow")
    told.add_argument("--status", required=True, help="how it ended")
    arguments = told.parse_args()
    probe.ready()
    note = {
        "workflow": arguments.workflow,
        "status": arguments.status,
        "run_id": arguments.run_id,
        "created": promotion.now(),
    }
    try:
        Bucket(arguments.bucket).write_document_once(
            f"notifications/{arguments.workflow}.json", note
        )
    except (BotoCoreError, ClientError) as error:
        # A failed exit handler would turn a finished workflow into a failed one.
        print(f"the note was not left: {error}", file=sys.stderr)
    probe.done()


if __name__ == "__main__":
    main()
