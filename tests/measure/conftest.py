"""A machine with RAPL in a folder, lock files of a test's own, and no thread left over."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.measure.fakes import Powercap


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    """A machine whose CPU has RAPL, as yet without a domain."""
    return Powercap(tmp_path)


@pytest.fixture
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test and its children lock devices, so that measurements elsewhere do not matter."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Every thread that the test's code starts has ended when the test does."""
    before = set(threading.enumerate())
    yield
    left = [each.name for each in threading.enumerate() if each not in before]
    assert not left, f"threads still run: {left}"
