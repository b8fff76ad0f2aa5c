"""What the commands share: how one is added, how a cell is read, how rows are told."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ecnas_core.benchmark.layout import default_data_folder
from ecnas_core.cells import Cell
from ecnas_core.errors import EcnasError

Handler = Callable[[argparse.Namespace], tuple[dict[str, Any], str]]
"""Answers a command with its JSON document and its text."""

Command = Callable[[str, Handler, str, str], argparse.ArgumentParser]
"""Adds a command: name, handler, purpose, examples; gives the parser that takes its arguments."""


class BadCell(EcnasError):
    """An argument is neither a hash nor a cell."""


def with_data(sub: argparse.ArgumentParser) -> None:
    """Let a command take the user's folder as ``--data``.

    Args:
        sub: the command's parser.
    """
    sub.add_argument(
        "--data",
        type=Path,
        default=default_data_folder(),
        help="folder for what you ingest, search and measure (default: ECNAS_DATA, else data/user)",
    )


def read_cell(text: str) -> Cell | str:
    """A cell from the command line.

    Args:
        text: a module hash, a path of a JSON file, or JSON text.

    Returns:
        The hash as it is, or the cell.

    Raises:
        BadCell: it is none of the three.
        InvalidCell: the matrix and operations make no cell.
    """
    plain = text.strip().lower()
    if len(plain) == 32 and all(digit in "0123456789abcdef" for digit in plain):
        return plain
    if text.lstrip().startswith("{"):
        return Cell.from_json(text)
    path = Path(text)
    try:
        return Cell.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError):
        raise BadCell(
            f"{text!r} is no cell; give a hash of 32 hexadecimal digits, a JSON file, or JSON text "
            '{"matrix": [[...]], "ops": [...]}'
        ) from None


def digest(text: str) -> str:
    """The hash of a cell from the command line.

    Args:
        text: as ``read_cell`` takes it.

    Returns:
        The module hash.

    Raises:
        BadCell: it is neither a hash nor a cell.
        InvalidCell: the matrix and operations make no cell.
    """
    cell = read_cell(text)
    return cell.hash if isinstance(cell, Cell) else cell


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as aligned text.

    Args:
        rows: all with the names of the first.

    Returns:
        A line of names and a line a row, numbers to the right; empty without rows.
    """
    if not rows:
        return ""
    names = list(rows[0])
    texts = [names] + [[_cell_text(row[name]) for name in names] for row in rows]
    widths = [max(len(line[index]) for line in texts) for index in range(len(names))]
    numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in names]
    return "\n".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in texts
    )


def _cell_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return "" if value is None else str(value)
