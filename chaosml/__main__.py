"""`python -m chaosml`: the command line."""

import sys

from chaosml.cli import main

if __name__ == "__main__":
    sys.exit(main())
