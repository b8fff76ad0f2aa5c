"""The app as a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """Where the app runs.

    Attributes:
        address: without a slash at its end.
        log: the file with what the process has said.
    """

    address: str
    log: Path

    def said(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Run the app while the context lasts.

    Args:
        folder: holds the user's data, the locks of devices, and the log.
    """
    port = _free_port()
    server = Server(f"http://127.0.0.1:{port}", folder / "log")
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            env=os.environ | {"ECNAS_DATA": str(folder / "user"), "TMPDIR": str(folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def answers() -> bool:
        assert process.poll() is None, f"the server has ended:\n{server.said()}"
        try:
            with urllib.request.urlopen(f"{server.address}/_stcore/health"):
                return True
        except urllib.error.URLError:
            return False

    try:
        until(answers)
        yield server
    finally:
        end([psutil.Process(process.pid)])
        end(started_for(folder))
        process.wait()


def started_for(folder: Path) -> list[psutil.Process]:
    """Every process that works on a server's data, such as a search that outlives who started it."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.environ().get("ECNAS_DATA") == str(folder / "user"):
                found.append(each)
    return found


def end(processes: list[psutil.Process]) -> None:
    """Ask processes to end, and end those that do not."""
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.terminate()
    _, left = psutil.wait_procs(processes, timeout=10)
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()


def _free_port() -> int:
    """A port below those that the system gives to clients, so that none of them takes it before the server does."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
