"""A web server on 127.0.0.1 that serves one file as badly as a test wants; bundled figures that derive quickly."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from ecnas_core.benchmark.layout import BUNDLED
from tests import stand_in
from tests.stand_in import StandIn

Behaviour = Callable[["_Handler"], None]


class _Handler(BaseHTTPRequestHandler):
    hostile: HostileServer

    def do_GET(self) -> None:
        server = self.hostile
        self.asked = self.headers["Range"]
        self.start = int(re.fullmatch(r"bytes=(\d+)-", self.asked)[1]) if self.asked else 0
        server.asked.append(self.asked)
        server.paths.append(self.path)
        behave = server.script.pop(0) if server.script else server.always
        behave(self)

    def reply(self, status: int, body: bytes = b"", **headers: str | int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def range_headers(self) -> tuple[int, dict[str, str | int]]:
        total = len(self.hostile.body)
        headers: dict[str, str | int] = {"Content_Length": total - self.start}
        if self.asked is None:
            return 200, headers
        return 206, headers | {"Content_Range": f"bytes {self.start}-{total - 1}/{total}"}

    def log_message(self, *_: object) -> None:
        pass


class HostileServer:
    """Answers by ``script``, one behaviour a request, then by ``always``; ``asked`` lists the Range headers."""

    def __init__(self, url: str, body: bytes, released: threading.Event) -> None:
        self.url, self.body, self._released = url, body, released
        self.asked: list[str | None] = []
        self.paths: list[str] = []
        self.script: list[Behaviour] = []
        self.always: Behaviour = self.sends()

    def sends(self, first: int | None = None, then: Callable[[], None] = lambda: None) -> Behaviour:
        """Honest headers, the ``first`` bytes (default: all), then something, then the connection ends."""

        def behave(handler: _Handler) -> None:
            status, headers = handler.range_headers()
            rest = self.body[handler.start :]
            handler.reply(status, rest[:first], **headers)
            then()

        return behave

    def stalls(self, after: int = 0) -> Behaviour:
        return self.sends(after, then=lambda: self._released.wait(30))

    def is_silent(self) -> Behaviour:
        return lambda handler: self._released.wait(30) and None

    def trickles(self, piece: int, pause_s: float) -> Behaviour:
        def behave(handler: _Handler) -> None:
            status, headers = handler.range_headers()
            handler.reply(status, **headers)
            for at in range(handler.start, len(self.body), piece):
                try:
                    handler.wfile.write(self.body[at : at + piece])
                except OSError:
                    return
                time.sleep(pause_s)

        return behave

    def says(self, status: int, body: bytes = b"", **headers: str | int) -> Behaviour:
        """The same answer whatever was asked; without Content_Length the body ends with the connection."""
        return lambda handler: handler.reply(status, body, **headers)

    def serves(self, body: bytes) -> Behaviour:
        """These bytes instead of the file's, ranges honoured."""

        def behave(handler: _Handler) -> None:
            status, headers = handler.range_headers()
            handler.reply(status, body[handler.start :], **headers)

        return behave

    def ignores_ranges(self, first: int | None = None) -> Behaviour:
        return self.says(200, self.body[:first], Content_Length=len(self.body))


@pytest.fixture
def hostile_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], HostileServer]]:
    """Start a server for a body; all are stopped at the end of the test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers: list[ThreadingHTTPServer] = []
    released = threading.Event()

    def start(body: bytes) -> HostileServer:
        handler = type("Handler", (_Handler,), {})
        http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        handler.hostile = HostileServer(f"http://127.0.0.1:{http.server_port}/files", body, released)
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(http)
        return handler.hostile

    yield start
    released.set()
    for http in servers:
        http.shutdown()
        http.server_close()


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled figures; to derive from, only the results of the cells of 4V and of the stand-in."""
    folder = tmp_path_factory.mktemp("bundled") / "data"
    for name in ("benchmark", "results"):
        (folder / name).mkdir(parents=True)
    for name in ("runs", "benchmark/4V.parquet", "benchmark/5V.parquet"):
        (folder / name).symlink_to(BUNDLED / name)
    chosen = [cell.hash for cell in stand_in.cells_without_accuracy()]
    chosen += [
        hashed for (hashed,) in duckdb.sql(f"select distinct hash from '{BUNDLED}/benchmark/4V.parquet'").fetchall()
    ]
    for path in (BUNDLED / "benchmark" / "7V.parquet", *(BUNDLED / "results").glob("*.parquet")):
        rows = pq.read_table(path, filters=[("hash", "in", chosen)])
        pq.write_table(rows, folder / path.relative_to(BUNDLED))
    return folder


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A small stand-in for an official file, and a server that has it."""
    with stand_in.stand_in(tmp_path, monkeypatch) as served:
        yield served
