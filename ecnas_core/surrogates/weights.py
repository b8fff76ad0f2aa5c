"""Models as files: safetensors, which holds numbers and a few words and can run nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecnas_core import files
from ecnas_core.errors import EcnasError

Array = npt.NDArray[Any]

VERSION = "1"
_METADATA = "ecnas"
"""The one key of a file's metadata: several would be written in no certain order."""
_FINGERPRINT_DIGITS = 16


class UnreadableModel(EcnasError):
    """A file is no model of that kind."""


class OtherFeatures(EcnasError):
    """A model was trained on features that are computed otherwise now."""


class UnwritableModel(EcnasError):
    """A model cannot be written to its place."""

    exit_status = 1


def fingerprint(features: Mapping[str, Array]) -> str:
    """A short name of how features are computed: of their names and of their values for some cells.

    Args:
        features: by name, their values for cells that are always the same.
    """
    digest = hashlib.sha256()
    for name, values in features.items():
        digest.update(f"{name} {values.shape}".encode())
        digest.update(np.round(np.ascontiguousarray(values, np.float64), 6).tobytes())
    return digest.hexdigest()[:_FINGERPRINT_DIGITS]


def save(path: Path, kind: str, features: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Path:
    """Write a model; its file appears when it is whole.

    Args:
        path: the file; its folder is made where it is missing.
        kind: which model it is.
        features: fingerprint of its features.
        arrays: its numbers.
        facts: what else it must know, as JSON can hold it.

    Returns:
        The file.

    Raises:
        UnwritableModel: the folder cannot be written to.
    """
    from safetensors.numpy import save as to_bytes

    words = {"kind": kind, "version": VERSION, "features": features, "facts": dict(facts)}
    content = to_bytes(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        {_METADATA: json.dumps(words, sort_keys=True)},
    )
    try:
        files.write_bytes(path, content)
    except OSError as error:
        raise UnwritableModel(f"{path}: cannot write ({error.strerror}); check space and permissions") from error
    return path


def load(path: Path, kind: str, features: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a model.

    Args:
        path: the file.
        kind: which model it must be.
        features: fingerprint of the features as they are computed now.

    Returns:
        Its numbers and its facts, as they were saved.

    Raises:
        UnreadableModel: the file is missing, damaged, or of another kind or version.
        OtherFeatures: the features have changed since.
    """
    found, arrays = _read(path)
    if (found.get("kind"), found.get("version")) != (kind, VERSION):
        raise UnreadableModel(
            f"{path}: is a model {found.get('kind')!r} of version {found.get('version')!r}, not {kind!r} of "
            f"{VERSION!r}; name another file or fit the model again"
        )
    if found.get("features") != features:
        raise OtherFeatures(
            f"{path}: was trained on features {found.get('features')}, which are {features} now; fit the model again"
        )
    return arrays, found["facts"]


def kind_of(path: Path) -> str:
    """Which model a file holds.

    Raises:
        UnreadableModel: the file is missing or damaged, or no model of this project.
    """
    return str(_read(path)[0].get("kind"))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            words = (opened.metadata() or {}).get(_METADATA)
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UnreadableModel(f"{path}: is no readable model ({error}); name a file that `fit` wrote") from error
    if words is None:
        raise UnreadableModel(f"{path}: does not say which model it is; name a file that `fit` wrote")
    return json.loads(words), arrays
