"""``python -m benchmarks``: every benchmark as one table, each figure beside its limit and its peer."""

from __future__ import annotations

from benchmarks import bench_benchmark, bench_cells, bench_explore, bench_ingest


def main() -> None:
    """Run and print; less is better, a ratio is to the peer or else to the limit."""
    print(f"{'what':<75} {'value':>10} {'limit':>8} {'peer':>8} {'ratio':>6}  unit")
    for module in (bench_benchmark, bench_explore, bench_cells, bench_ingest):
        for row in module.run():
            peer = "" if row["peer"] is None else f"{row['peer']:.4g}"
            print(
                f"{row['name']:<75} {row['value']:>10.4g} {row['limit'] or 0:>8.4g} {peer:>8} {row['ratio']:>6.2f}"
                f"  {row['unit']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
