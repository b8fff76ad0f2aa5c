"""A small file that stands in for an official one that is not bundled, here and in every process started from here.

The child processes of jobs, and the server of the browser tests, learn of it from a ``sitecustomize`` on PYTHONPATH.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from ecnas_core.benchmark import official
from ecnas_core.benchmark.messages import Component, Evaluation, Metrics
from ecnas_core.benchmark.official import OFFICIAL, OfficialFile
from ecnas_core.cells import Cell
from tests.tfrecords import encode, write_records

ROOT = Path(__file__).resolve().parents[1]
NAME = "energy_5V9E_linscale.tfrecord"
EPOCHS = (4, 12, 36, 108)
CELLS = 120
_SITE = """\
from ecnas_core.benchmark import download, official
file = official.OfficialFile({name!r}, {size}, {sha256!r}, "5V", "measured", "scaled", "published")
official.OFFICIAL[{name!r}] = official._BY_SHA256[{sha256!r}] = file
download.download.__kwdefaults__["backoff_s"] = 0.002
"""


def accuracy(number: int, epochs: int) -> float:
    """The validation accuracy that the stand-in gives its cell of that number."""
    return 0.5 + number / 1000 + epochs / 10_000


def records(cells: list[Cell]) -> Iterator[bytes]:
    """A TFRecord file's payloads: every cell at every budget."""
    for number, cell in enumerate(cells):
        for epochs in EPOCHS:
            figure = accuracy(number, epochs)
            result = Evaluation(float(epochs), 20.0 * epochs, 0.6, figure, figure - 0.01, 0.004 * epochs, 0.5, 120.0)
            gpu = Component((160.0,), (26_000.0,), ("Quadro RTX 6000",))
            cpu = Component((55.0,), (8_600.0,), ("cpu:0",))
            metrics = Metrics("ec-nas", result, cell.trainable_parameters, 20.0 * epochs, 0.004 * epochs, gpu, cpu)
            adjacency = "".join(str(edge) for row in cell.matrix for edge in row)
            encoded = base64.encodebytes(encode(metrics)).decode()
            yield json.dumps([cell.hash, epochs, adjacency, ",".join(cell.ops), encoded]).encode()


def cells_without_accuracy(count: int = CELLS) -> list[Cell]:
    """Cells of 5V whose accuracy the bundled figures do not know, the first by hash."""
    rows = duckdb.sql(
        f"select vertices, edge_bits, ops from '{ROOT}/data/benchmark/5V.parquet' where epochs = 108 "
        f"and accuracy_source is distinct from 'ec-nas-search-logs' and vertices = 5 order by hash limit {count}"
    ).fetchall()
    return [Cell.from_bits(*row) for row in rows]


def write_own(path: Path, count: int = 3) -> Path:
    """Write a small TFRecord file that is nobody's official one."""
    write_records(path, records(cells_without_accuracy(count)))
    return path


@dataclass
class StandIn:
    """The file and the address that serves it.

    ``hold_after`` makes an answer stop after so many bytes until ``let_go``; ``status`` makes every answer a failure.
    """

    body: bytes
    path: Path
    url: str = ""
    hold_after: int | None = None
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def let_go(self) -> None:
        self.hold_after = None
        self.released.set()


@contextmanager
def stand_in(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Serve a stand-in for ``NAME`` and let this and all child processes take it for the official file."""
    path = folder / NAME
    write_records(path, records(cells_without_accuracy()))
    body = path.read_bytes()
    sha256 = hashlib.sha256(body).hexdigest()
    file = OfficialFile(NAME, len(body), sha256, "5V", "measured", "scaled", "published")
    patch.setitem(OFFICIAL, NAME, file)
    patch.setitem(official._BY_SHA256, sha256, file)
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_SITE.format(name=NAME, size=len(body), sha256=sha256))
    patch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(ROOT)]))
    patch.setenv("NO_PROXY", "127.0.0.1")
    served = StandIn(body, path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            served.asked.append(asked)
            if served.status != 200:
                self.send_response(served.status)
                self.end_headers()
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            hold = served.hold_after
            self.wfile.write(body[start : None if hold is None else max(hold, start)])
            if hold is not None:
                self.wfile.flush()
                served.released.wait(60)
                try:
                    self.wfile.write(body[max(hold, start) :])
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{http.server_port}/files"
    patch.setenv("ECNAS_BASE_URL", served.url)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield served
    finally:
        served.released.set()
        http.shutdown()
        http.server_close()
