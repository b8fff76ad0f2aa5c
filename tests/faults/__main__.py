"""Put each seeded fault into a copy of the project and see that its tests fail: ``python -m tests.faults [WORD...]``.

Words choose the faults that have one of them in their description or path. Exits with 1 if a fault is not caught.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.catalogue import FAULTS
from tests.faults.fault import ROOT, Fault

AT_ONCE = 2
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "data", "screenshots")
TESTS_FAILED = 1  # pytest's exit status; others mean that no test ran


def attempt(fault: Fault) -> tuple[bool, str]:
    """Whether the fault was caught, and by which test or why not."""
    with tempfile.TemporaryDirectory(prefix="ecnas-fault-") as folder:
        root = Path(folder) / "project"
        shutil.copytree(ROOT, root, ignore=LEFT_OUT)
        shutil.copytree(ROOT / ".streamlit", root / ".streamlit")
        shutil.copytree(ROOT / "data", root / "data", ignore=shutil.ignore_patterns("user"))
        fault.apply(root)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *fault.tests],
            cwd=root,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    last = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))] or [done.stdout[-300:]]
    return done.returncode == TESTS_FAILED, last[0]


def main(words: list[str]) -> int:
    chosen = [each for each in FAULTS if not words or any(word in f"{each.what} {each.path}" for word in words)]
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        caught = 0
        for fault, (found, told) in zip(chosen, pool.map(attempt, chosen), strict=True):
            caught += found
            print(f"{'caught' if found else 'MISSED'}  {fault.path}: {fault.what}\n        {told[:160]}", flush=True)
    print(f"{caught} of {len(chosen)} faults caught in {time.monotonic() - started:.0f} s")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
