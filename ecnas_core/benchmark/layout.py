"""Which Parquet files the benchmark is made of: the bundled figures and, over them, the user's folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core import files
from ecnas_core.benchmark.derive import DERIVED, PREDICTIONS, sql_list
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.schema import DEVICES, EVALUATIONS, MEASUREMENTS, RESULTS
from ecnas_core.errors import EcnasError

ROOT, BUNDLED = files.ROOT, files.BUNDLED
FOLDERS: dict[str, pa.Schema | None] = {
    "results": RESULTS,
    "runs": EVALUATIONS,
    "measurements": MEASUREMENTS,
    "devices": DEVICES,
    "benchmark": None,  # each file has the columns of the bundled one of its name
}
VIEWS_SQL = Path(__file__).with_name("views.sql")

Stamp = tuple[tuple[str, int, int], ...]


class MissingData(EcnasError):
    """A folder does not hold the bundled figures."""

    exit_status = 1


@dataclass(frozen=True)
class Layout:
    """The files behind the views at one moment.

    Attributes:
        bundled: folder of the bundled figures.
        data: the user's folder; it need not exist.
        files: for each of results, runs, measurements, devices and benchmark the Parquet files to read; a user's file
            stands in for the bundled one of the same name, of results only an official one.
        problems: files that were left out, each with the reason.
    """

    bundled: Path
    data: Path
    files: dict[str, tuple[Path, ...]]
    problems: dict[Path, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that the views read."""
        return tuple(path for paths in self.files.values() for path in paths)

    def statements(self) -> tuple[str, ...]:
        """The SQL that creates the views over these files, each of which selects from files and earlier ones alone."""
        spaces = {path.stem: sql_list([path]) for path in self.files["benchmark"]}
        selections = {
            folder: _selection(FOLDERS[folder], self.files[folder])
            for folder in ("results", "runs", "measurements", "devices")
        }
        unfolded = "\n".join(
            _UNFOLDED_7V.format(e=epochs, file=spaces["7V"], predictions=PREDICTIONS) for epochs in EPOCHS
        )
        filled = spaces | selections | {"unfolded_7V": unfolded}
        return tuple(each.format_map(filled) for each in VIEWS_SQL.read_text(encoding="utf-8").split(";\n\n"))


def default_data_folder() -> Path:
    """The user's folder: the environment variable ECNAS_DATA, else data/user beside the bundled figures."""
    return Path(os.environ.get("ECNAS_DATA") or BUNDLED / "user").expanduser().resolve()


def signature(data: Path) -> Stamp:
    """A stamp that changes whenever a file is added to, overwritten in or removed from the user's folder."""
    stamps = []
    for folder in FOLDERS:
        try:
            with os.scandir(data / folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".parquet"):
                        status = entry.stat(follow_symlinks=False)
                        stamps.append((f"{folder}/{entry.name}", status.st_mtime_ns, status.st_size))
        except (FileNotFoundError, NotADirectoryError):
            continue
    return tuple(sorted(stamps))


def scan(data: Path, bundled: Path = BUNDLED, damaged: Mapping[Path, str] = MappingProxyType({})) -> Layout:
    """List the files of both folders, leaving out those that do not have the columns of their kind.

    Args:
        data: the user's folder.
        bundled: folder of the bundled figures.
        damaged: files of the user's that are left out besides, each with the reason.

    Raises:
        MissingData: the bundled figures are not there.
    """
    missing = [name for name in DERIVED if not (bundled / "benchmark" / name).is_file()]
    if missing:
        raise MissingData(
            f"{bundled} holds no benchmark/{missing[0]}; get the repository's data/ folder or run "
            "`python -m ecnas_core build-data SHARED` to make it"
        )
    files: dict[str, tuple[Path, ...]] = {}
    problems: dict[Path, str] = {}
    if data.exists() and not data.is_dir():
        problems[data] = "not a folder; name another one"
    for folder, schema in FOLDERS.items():
        found = {path.name: path for path in sorted((bundled / folder).glob("*.parquet"))}
        for path in sorted((data / folder).glob("*.parquet")):
            expected = pq.read_schema(found[path.name]) if schema is None and path.name in found else schema
            problem = damaged.get(path) or (
                _problem(path, expected) if expected is not None else f"is none of {', '.join(DERIVED)}"
            )
            if not problem and folder == "results" and path.name in found and not is_official(path):
                problem = (
                    "has the name of a bundled file without being that official one; rename its source, ingest it again"
                )
            if problem:
                problems[path] = problem
            else:
                found[path.name] = path
        files[folder] = tuple(found.values())
    return Layout(bundled, data, files, problems)


def find_damaged(layout: Layout) -> dict[Path, str]:
    """The files of the user's whose rows cannot be read although their footers can, each with the reason."""
    found = {}
    for path in layout.paths:
        if path.is_relative_to(layout.data):
            try:
                pq.read_table(path)
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                found[path] = f"damaged ({str(error).splitlines()[0]}); get it anew or remove it"
    return found


def _problem(path: Path, schema: pa.Schema) -> str | None:
    try:
        found = pq.read_schema(path)
        names = found.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        return f"not a readable Parquet file ({str(error).splitlines()[0]})"
    missing = [field.name for field in schema if field.name not in names]
    if missing:
        return f"lacks the columns {_some(missing)}"
    wrong = [field.name for field in schema if found.field(field.name).type != field.type]
    return f"has other types in the columns {_some(wrong)}" if wrong else None


def is_official(path: Path) -> bool:
    """Whether every row of a Parquet file of results was ingested from an official file."""
    try:
        values = pq.read_table(path, columns=["official"])["official"].unique().to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError, KeyError):
        return False
    return bool(values == [True])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _selection(schema: pa.Schema, paths: Sequence[Path]) -> str:
    if paths:
        return f"select {', '.join(schema.names)} from read_parquet({sql_list(paths)})"
    types = {pa.string(): "varchar", pa.int64(): "bigint", pa.int32(): "integer", pa.int16(): "smallint"}
    types |= {
        pa.int8(): "tinyint",
        pa.float64(): "double",
        pa.float32(): "float",
        pa.bool_(): "boolean",
        pa.timestamp("us"): "timestamp",
    }
    columns = ", ".join(f"null::{types[field.type]} as {field.name}" for field in schema)
    return f"select {columns} where false"


_UNFOLDED_7V = """\
union all by name
select
    '7V' as space, hash, {e}::smallint as epochs,
    vertices, edges, edge_bits, ops, n_conv3x3, n_conv1x1, n_maxpool3x3, depth, width,
    trainable_parameters, multiply_adds,
    coalesce(
        official_energy_kwh_{e}, round(abs(surrogate_energy_wh_4_epochs::double) / 1000 * {e} / 4, 6)
    ) as energy_kwh,
    'surrogate' as energy_provenance,
    coalesce(official_energy_source_{e}, 'ec-nas-surrogate') as energy_source,
    case
        when surrogate_energy_wh_4_epochs < 0 then 'negative'
        when surrogate_energy_wh_4_epochs < 3.15 then 'below the smallest measured'
    end as energy_artefact,
    coalesce(validation_accuracy_{e}, predicted_accuracy_{e}::double) as validation_accuracy,
    validation_accuracy_std_{e} as validation_accuracy_std,
    case when validation_accuracy_{e} is null then predicted_accuracy_low_{e}::double end as validation_accuracy_low,
    case when validation_accuracy_{e} is null then predicted_accuracy_high_{e}::double end as validation_accuracy_high,
    test_accuracy_{e} as test_accuracy,
    accuracy_repeats_{e} as accuracy_repeats,
    case
        when validation_accuracy_{e} is not null then accuracy_provenance_{e}
        when predicted_accuracy_{e} is not null then 'predicted'
    end as accuracy_provenance,
    case
        when validation_accuracy_{e} is not null then accuracy_source_{e}
        when predicted_accuracy_{e} is not null then '{predictions}'
    end as accuracy_source,
    coalesce(published_time_s_{e}, predicted_time_s_{e}::double) as training_time_s,
    case when published_time_s_{e} is null then predicted_time_s_low_{e}::double end as training_time_s_low,
    case when published_time_s_{e} is null then predicted_time_s_high_{e}::double end as training_time_s_high,
    case
        when published_time_s_{e} is not null then 'published'
        when predicted_time_s_{e} is not null then 'predicted'
    end as time_provenance,
    case
        when published_time_s_{e} is not null then published_time_source_{e}
        when predicted_time_s_{e} is not null then '{predictions}'
    end as time_source,
    file_row_number as row
from read_parquet({file}, file_row_number = true)"""
