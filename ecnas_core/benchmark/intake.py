"""Taking a file in: ingest it, and let the benchmark follow where the file is official."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ecnas_core.benchmark import layout
from ecnas_core.benchmark.derive import derive
from ecnas_core.benchmark.ingest import IngestReport, ingest
from ecnas_core.benchmark.progress import Progress


def take_in(
    path: Path,
    data: Path,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    *,
    bundled: Path = layout.BUNDLED,
) -> IngestReport:
    """Ingest a TFRecord file into the user's folder; an official one then counts in the view ``benchmark``.

    A user's own file is in the view ``results`` alone: it may be of another device and another energy scale.

    Args:
        path: the file.
        data: the user's folder.
        progress: as for ``ingest``.
        cancel: as for ``ingest``.
        bundled: folder of the bundled figures.

    Returns:
        The report of the ingest.

    Raises:
        FileError, RecordError, IngestCancelled, OutputError, WorkerDied: as ``ingest``.
    """
    report = ingest(path, data, progress, cancel)
    if report.official:
        results = layout.scan(data, bundled).files["results"]
        derive(bundled / "benchmark" / "7V.parquet", results, data / "benchmark")
    return report
