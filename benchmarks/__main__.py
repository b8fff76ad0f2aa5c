"""``python -m benchmarks``: every benchmark as one table, each figure beside its limit and its peer."""

from __future__ import annotations

import json
import subprocess
import sys

MODULES = (
    "bench_benchmark",
    "bench_explore",
    "bench_swaps",
    "bench_hardware",
    "bench_scaling",
    "bench_carbon",
    "bench_cells",
    "bench_ingest",
    "bench_stopping",
    "bench_measure",
    "bench_search",
    "bench_attainment",
    "bench_surrogates",
    "bench_transfer",
)


def main() -> None:
    """Run each in a process of its own and print; less is better, a ratio is to the peer or else to the limit."""
    print(f"{'what':<75} {'value':>10} {'limit':>8} {'peer':>8} {'ratio':>6}  unit", flush=True)
    for module in MODULES:
        source = f"import json; from benchmarks import {module}; print(json.dumps({module}.run()))"
        answer = subprocess.run([sys.executable, "-c", source], check=True, stdout=subprocess.PIPE, text=True)
        for row in json.loads(answer.stdout.splitlines()[-1]):
            peer = "" if row["peer"] is None else f"{row['peer']:.4g}"
            print(
                f"{row['name']:<75} {row['value']:>10.4g} {row['limit'] or 0:>8.4g} {peer:>8} {row['ratio']:>6.2f}"
                f"  {row['unit']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
