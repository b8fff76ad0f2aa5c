"""``python -m ecnas_core``: the command line."""

import sys

from ecnas_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
