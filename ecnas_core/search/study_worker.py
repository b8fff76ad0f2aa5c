"""The process of a study in the background: ``runner`` starts it and hands it the study's lock."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ecnas_core.errors import EcnasError
from ecnas_core.search.runner import carry_out


def main() -> None:
    """Carry out the study whose folder is the first argument; the second says how, as JSON."""
    request = json.loads(sys.argv[2])
    try:
        carry_out(Path(sys.argv[1]), request["processes"], request["scheduler"], bundled=Path(request["bundled"]))
    except EcnasError as error:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
