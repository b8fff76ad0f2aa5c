"""A cell as a folder or a zip to take along: nothing in it needs this project."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecnas_core import __version__
from ecnas_core.analysis.candidates import details_of
from ecnas_core.analysis.needs import Task
from ecnas_core.benchmark.layout import ROOT
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.cells.source import network_source
from ecnas_core.errors import EcnasError
from ecnas_core.export import card, onnx
from ecnas_core.files import write_bytes
from ecnas_core.templating import render

REQUIREMENTS = "torch\ncarbontracker\npillow\n"
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644


class ExportFailed(EcnasError):
    """The folder or zip cannot be written."""

    exit_status = 1


class BudgetOpen(EcnasError):
    """A cell is exported with one training budget."""


def files(bench: Benchmark, digest: str, task: Task, *, with_onnx: bool = False) -> dict[str, bytes]:
    """The files of an export: model card, network, training script, specification, licence; ONNX where wanted.

    Args:
        bench: the benchmark.
        digest: hash of the cell.
        task: what it is for, with one training budget.
        with_onnx: whether the untrained network in ONNX is among them.

    Returns:
        Contents by name; the same for the same arguments, but for the weights in ONNX.

    Raises:
        BudgetOpen: the task leaves the budget open.
        UnknownCell: the space has no such cell.
        OnnxFailed: torch's exporter does not work here.
    """
    if task.epochs is None:
        raise BudgetOpen("a training script trains for one budget; give 4, 12, 36 or 108 epochs")
    row = details_of(bench, task, digest).iloc[0]
    cell = Cell.from_bits(int(row["vertices"]), int(row["edge_bits"]), row["ops"])
    source = network_source(cell, task.classes)
    texts = {
        "README.md": card.card(cell, row, task),
        "network.py": source,
        "train.py": render("ecnas_core/export/templates/train.py.j2", epochs=task.epochs, size=task.image_size),
        "spec.json": json.dumps(_specification(cell, row, task), indent=1, allow_nan=False) + "\n",
        "requirements.txt": REQUIREMENTS,
        "LICENSE": (ROOT / "LICENSE").read_text(encoding="utf-8"),
    }
    contents = {name: text.encode() for name, text in texts.items()}
    return contents | ({"network.onnx": onnx.convert(source, task.image_size)} if with_onnx else {})


def write(contents: Mapping[str, bytes], out: Path) -> list[Path]:
    """Write an export into a folder of its own, or into one file where its name ends in .zip.

    Args:
        contents: as ``files`` gives them.
        out: the folder, which must be empty or not exist, or the zip.

    Returns:
        What was written.

    Raises:
        ExportFailed: it cannot be written; nothing half-written is left.
    """
    out = Path(out)
    try:
        if out.suffix.lower() == ".zip":
            write_bytes(out, zipped(contents, out.stem))
            return [out]
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ExportFailed(f"{out} is there already and not empty; name a new folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            for name, content in contents.items():
                (beside / name).write_bytes(content)
            beside.chmod(0o777 & ~_umask())
            beside.replace(out)
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise ExportFailed(f"{out}: cannot write ({error.strerror}); check space and permissions") from error
    return [out / name for name in contents]


def zipped(contents: Mapping[str, bytes], folder: str) -> bytes:
    """The files as a zip that unpacks into one folder; the same bytes for the same files.

    Args:
        contents: as ``files`` gives them.
        folder: name of the folder.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", _FIRST_DATE)
            entry.external_attr = _READABLE << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _specification(cell: Cell, row: Any, task: Task) -> dict[str, Any]:
    return {
        "cell": json.loads(cell.to_json()),
        "hash": cell.hash,
        "text": cell.to_text(),
        "space": task.space,
        "classes": task.classes,
        "image_size": task.image_size,
        "epochs": task.epochs,
        "images": task.images,
        "trainings_a_year": task.trainings,
        "trainable_parameters": int(row["parameters"]),
        "multiply_adds": int(row["multiply_adds"]),
        "figures": card.figures(row, task),
        "recipe": {
            "optimizer": "RMSProp",
            "momentum": 0.9,
            "epsilon": 1.0,
            "learning_rate": 0.2,
            "schedule": "cosine",
            "weight_decay": 1e-4,
            "batch_size": 256,
        },
        "made_by": f"EC-NAS Explorer {__version__}",
    }
