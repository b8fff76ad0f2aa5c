"""What the benchmark is made of: sources, official files, what users took in and set aside, and the views' columns."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ecnas_core import files
from ecnas_core.benchmark import layout
from ecnas_core.benchmark.derive import PREDICTIONS
from ecnas_core.benchmark.ingest import OutputError
from ecnas_core.benchmark.intake import Cancel, commit, exclusive_write, move, staging
from ecnas_core.benchmark.official import OFFICIAL, OfficialFile
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.errors import EcnasError

ASIDE = "set-aside"
DOWNLOADS = "downloads"
UPLOADS = "uploads"

EC_NAS = "MIT, EC-NAS-Bench"
NAS_BENCH_101 = "Apache-2.0, NAS-Bench-101"
_SURROGATE = "MIT, EC-NAS surrogate"
_OWN_PREDICTIONS = f"MIT, this project; learned from {NAS_BENCH_101}"
_RECOVERED = {
    "ec-nas-measured-7v": (EC_NAS, "recovered from the authors' releases, no checksum"),
    "ec-nas-search-logs": (f"{EC_NAS}; {NAS_BENCH_101}", "recovered from the authors' search logs, no checksum"),
    "nasbench101-sample": (NAS_BENCH_101, "sample published with nasbench-vis, no checksum"),
}
_ADDS = {
    "energy_5V9E_linscale.tfrecord": "NAS-Bench-101's accuracy and time for every cell of 5V, energies scaled",
    "energy_7V9E_4epochs.tfrecord": "Energies and accuracies measured at 4 epochs for a part of 7V",
    "energy_7V9E_surrogate.tfrecord": "NAS-Bench-101's accuracy and time for all cells of 7V, the surrogate's energies",
}


class NotIngested(EcnasError):
    """No ingested source, or nothing set aside, has that name."""


class AlreadyHere(EcnasError):
    """What was set aside cannot come back: a file of its name is there again."""


@dataclass(frozen=True)
class Source:
    """Where some of the figures come from.

    Attributes:
        name: as in the column ``source`` of the view ``results``.
        origin: bundled with the app, ingested into the user's folder, or computed by a bundled surrogate.
        official: whether it is a publication's; a user's own file is not.
        records: training results.
        cells: distinct cells.
        devices: names of the hardware, where known.
        energy: provenances of its energies; None if it has none.
        accuracy: provenances of its accuracies; None if it has none.
        licence: whose the figures are.
        checked: what is known of its bytes.
        since: when it was ingested; None for what is bundled.
        bytes: size of its Parquet file; None for what is computed.
        file: name of its Parquet file; None for what is computed.
    """

    name: str
    origin: Literal["bundled", "ingested", "computed"]
    official: bool
    records: int
    cells: int
    devices: str | None
    energy: str | None
    accuracy: str | None
    licence: str
    checked: str
    since: datetime | None
    bytes: int | None
    file: str | None


@dataclass(frozen=True)
class Official:
    """One of the ten official files, and whether its figures are here.

    Attributes:
        file: the file as released.
        here: bundled, ingested, or missing.
        adds: what a missing one would bring.
        fetched: bytes of it that a download has left in the user's folder.
    """

    file: OfficialFile
    here: Literal["bundled", "ingested", "missing"]
    adds: str
    fetched: int


@dataclass(frozen=True)
class SetAside:
    """Ingested figures that do not count at the moment.

    Attributes:
        name: of the folder in ``set-aside``.
        since: when they were set aside.
        files: names of the results' Parquet files.
    """

    name: str
    since: datetime
    files: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column of a public view: its name, DuckDB's type, and what it means."""

    name: str
    type: str
    meaning: str


def sources(bench: Benchmark) -> list[Source]:
    """Every source of the benchmark, by name; files that cannot be read are in ``Layout.problems`` instead."""
    found = bench.layout
    files = bench.rows(
        "select filename, source, coalesce(bool_and(official), false) as official, count(*) as records, "
        "count(distinct hash) as cells, string_agg(distinct device, ', ' order by device) as devices, "
        "string_agg(distinct energy_provenance, ', ' order by energy_provenance) as energy, "
        "string_agg(distinct accuracy_provenance, ', ' order by accuracy_provenance) as accuracy "
        "from read_parquet($files, filename = true) group by filename, source",
        {"files": [str(path) for path in found.files["results"]]},
    )
    listed = [_source(row, Path(row["filename"]), found.data) for row in files]
    [surrogate] = bench.rows(
        "select count(*) as records, count(distinct hash) as cells from benchmark "
        "where space = '7V' and energy_source = 'ec-nas-surrogate'"
    )
    if surrogate["records"]:
        listed.append(
            _computed(
                "ec-nas-surrogate",
                surrogate,
                True,
                "surrogate",
                None,
                _SURROGATE,
                "scaled from the bundled values at 4 epochs",
            )
        )
    [predicted] = bench.rows(
        "select count(*) as records, count(distinct hash) as cells from benchmark "
        "where space = '7V' and (accuracy_provenance = 'predicted' or time_provenance = 'predicted')"
    )
    if predicted["records"]:
        listed.append(
            _computed(
                PREDICTIONS,
                predicted,
                False,
                None,
                "predicted",
                _OWN_PREDICTIONS,
                "predicted by the bundled surrogate, where nothing is published",
            )
        )
    return sorted(listed, key=lambda source: (source.name, source.file or ""))


def official(bench: Benchmark) -> list[Official]:
    """The ten official files in the order of their names, each with whether its figures are here."""
    found = bench.layout
    here = {path.name: path for path in found.files["results"] if layout.is_official(path)}
    listed = []
    for name in sorted(OFFICIAL):
        file = OFFICIAL[name]
        path = here.get(f"{Path(file.file_name).stem}.parquet")
        state: Literal["bundled", "ingested", "missing"] = "missing"
        if path is not None:
            state = "ingested" if path.is_relative_to(found.data / "results") else "bundled"
        listed.append(Official(file, state, _ADDS.get(name, ""), _fetched(file, found.data)))
    return listed


def left_behind(bench: Benchmark) -> list[str]:
    """Sources that the derived files of the user's folder are made from, but whose results are no longer there."""
    if not any(path.is_relative_to(bench.data) for path in bench.layout.files["benchmark"]):
        return []
    rows = bench.rows(
        "select distinct source from (select energy_source as source from benchmark union all "
        "select accuracy_source from benchmark) where source is not null and source <> ? "
        "except select source from results order by source",
        [PREDICTIONS],
    )
    return [row["source"] for row in rows]


def set_aside(data: Path) -> list[SetAside]:
    """What was set aside and can come back, the latest first."""
    listed = []
    for folder in (data / ASIDE).glob("*"):
        files = tuple(sorted(path.name for path in (folder / "results").glob("*.parquet")))
        if files:
            listed.append(SetAside(folder.name, datetime.fromtimestamp(folder.stat().st_mtime), files))
    return sorted(listed, key=lambda aside: aside.name, reverse=True)


def go_back_to_bundled(data: Path) -> SetAside:
    """Set everything ingested aside, by renaming alone: the benchmark is that of the bundled figures again.

    Args:
        data: the user's folder; its runs and measurements stay.

    Returns:
        What ``restore`` undoes it with.

    Raises:
        NotIngested: there is nothing to set aside.
        DataBusy: a job is changing the data.
        OutputError: the folder cannot be written to.
    """
    if not list((data / "results").glob("*.parquet")):
        raise NotIngested(f"{data} holds nothing ingested; the figures are the bundled ones already")
    with exclusive_write(data, wait=False):
        aside = _new_aside(data)
        # The derived files go first: without them the bundled ones count.
        paths = [path for kind in ("benchmark", "results") for path in (data / kind).glob("*.parquet")]
        move({path: aside / path.parent.name / path.name for path in paths})
    return next(each for each in set_aside(data) if each.name == aside.name)


def remove(
    data: Path, file: str, *, cancel: Cancel = None, bundled: Path = layout.BUNDLED, work: Path | None = None
) -> SetAside:
    """Set one ingested source aside; if it is official, the benchmark is derived anew without it.

    Args:
        data: the user's folder.
        file: name of the source's Parquet file.
        cancel: polled; True stops the work, and nothing has changed.
        bundled: folder of the bundled figures.
        work: folder to work in, on the disk of ``data``.

    Returns:
        What ``restore`` undoes it with.

    Raises:
        NotIngested: there is no such file.
        Cancelled, DeriveFailed, OutputError: nothing has changed.
    """
    leaving = data / "results" / file
    if leaving not in (data / "results").glob("*.parquet"):
        raise NotIngested(f"no ingested source has the file {file!r}; see which there are in {data / 'results'}")
    with staging(data, work) as stage, exclusive_write(data, cancel):
        aside = _new_aside(data)
        commit(stage, data, [leaving], aside, cancel=cancel, bundled=bundled)
    return next(each for each in set_aside(data) if each.name == aside.name)


def restore(
    data: Path,
    name: str | None = None,
    *,
    cancel: Cancel = None,
    bundled: Path = layout.BUNDLED,
    work: Path | None = None,
) -> None:
    """Bring back what was set aside; with official results the benchmark is derived anew.

    Args:
        data: the user's folder.
        name: of the folder in ``set-aside``; by default the latest.
        cancel: polled; True stops the work, and nothing has changed.
        bundled: folder of the bundled figures.
        work: folder to work in, on the disk of ``data``.

    Raises:
        NotIngested: nothing was set aside under that name.
        AlreadyHere: a file of one of the names has come since.
        Cancelled, DeriveFailed, OutputError: nothing has changed.
    """
    aside = next((each for each in set_aside(data) if name in (None, each.name)), None)
    if aside is None:
        raise NotIngested(f"nothing is set aside{f' as {name}' if name else ''} in {data / ASIDE}")
    folder = data / ASIDE / aside.name
    with staging(data, work) as stage, exclusive_write(data, cancel):
        here = [file for file in aside.files if (data / "results" / file).exists()]
        if here:
            raise AlreadyHere(f"{', '.join(here)} has been ingested again since; remove that first")
        (stage / "results").mkdir()
        for file in aside.files:
            shutil.copy2(folder / "results" / file, stage / "results" / file)
        commit(stage, data, cancel=cancel, bundled=bundled)
        shutil.rmtree(folder)


def derive_anew(data: Path, *, cancel: Cancel = None, bundled: Path = layout.BUNDLED, work: Path | None = None) -> None:
    """Derive the benchmark from the results that are there, as after a file was deleted by hand.

    Raises:
        Cancelled, DeriveFailed, OutputError: nothing has changed.
    """
    with staging(data, work) as stage, exclusive_write(data, cancel):
        commit(stage, data, aside=_new_aside(data), cancel=cancel, bundled=bundled, anew=True)


def keep_upload(name: str, content: BinaryIO, data: Path) -> Path:
    """Write a file that was sent by a browser into the user's folder; it appears when it is complete.

    Args:
        name: what the browser calls it; folders in it do not count.
        content: its bytes.
        data: the user's folder.

    Returns:
        Where it lies.

    Raises:
        OutputError: the folder cannot be written to.
    """
    plain = "".join(letter for letter in name.replace("\\", "/").split("/")[-1] if letter.isprintable()).strip(". ")
    path = data / UPLOADS / (plain[-150:] or "upload.tfrecord")
    try:
        with files.atomic(path) as part, part.open("wb") as out:
            shutil.copyfileobj(content, out, 1 << 20)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot write ({error.strerror}); check space and permissions") from error
    return path


def columns(bench: Benchmark, view: str) -> list[Column]:
    """The columns of a public view with what each means.

    Args:
        bench: the benchmark.
        view: one of ``VIEWS``.
    """
    rows = bench.rows(f"select column_name, column_type from (describe {view})")
    return [Column(row["column_name"], row["column_type"].lower(), meaning(view, row["column_name"])) for row in rows]


def meaning(view: str, column: str) -> str:
    """What a column of a public view means, in one line."""
    return _OWN_MEANINGS.get((view, column)) or MEANINGS.get(column, "")


def _computed(
    name: str,
    counts: dict[str, Any],
    official: bool,
    energy: str | None,
    accuracy: str | None,
    licence: str,
    checked: str,
) -> Source:
    return Source(
        name=name,
        origin="computed",
        official=official,
        **counts,
        devices=None,
        energy=energy,
        accuracy=accuracy,
        licence=licence,
        checked=checked,
        since=None,
        bytes=None,
        file=None,
    )


def _source(row: dict[str, Any], path: Path, data: Path) -> Source:
    ingested = path.is_relative_to(data / "results")
    status = path.stat()
    licence, how = _RECOVERED.get(row["source"], ("", ""))
    if not row["official"]:
        licence, how = "your own", f"own file, SHA-256 begins {path.stem.rpartition('-')[2]}"
    elif not licence:
        parts = [_SURROGATE if row["energy"] == "surrogate" else EC_NAS]
        parts += [NAS_BENCH_101] if row["accuracy"] == "published" else []
        licence = "; ".join(parts)
        how = f"official SHA-256, when {'ingested' if ingested else 'bundled'}"
    return Source(
        name=row["source"],
        origin="ingested" if ingested else "bundled",
        **{name: row[name] for name in ("official", "records", "cells", "devices", "energy", "accuracy")},
        licence=licence,
        checked=how,
        since=datetime.fromtimestamp(status.st_mtime) if ingested else None,
        bytes=status.st_size,
        file=path.name,
    )


def _fetched(file: OfficialFile, data: Path) -> int:
    folder = data / DOWNLOADS
    paths: Iterable[Path] = (folder / file.file_name, folder / f"{file.file_name}.part")
    return next((path.stat().st_size for path in paths if path.is_file()), 0)


def _new_aside(data: Path) -> Path:
    return data / ASIDE / f"{datetime.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"


VIEWS = {
    "benchmark": "One row a space, cell and training budget: the best value known, with where it is from.",
    "cells": "One row a cell of NAS-Bench-101, with what is computed from the cell itself.",
    "results": "One row a published or ingested training result, repeats and devices apart.",
    "evaluations": "One row a query of a search, charged or not: the published searches and yours.",
    "runs": "One row a seeded run of a search, summed up from its evaluations.",
    "measurements": "One row a measurement on your own hardware.",
}
"""The public views, each with its meaning."""

MEANINGS = {
    "accuracy_provenance": "published, measured or predicted; null where no accuracy is known",
    "accuracy_repeats": "trainings that the accuracy is the mean of",
    "accuracy_source": "the source that the accuracy is from",
    "algorithm": "the search algorithm",
    "batch_size": "images a step",
    "best_validation_accuracy": "the best validation accuracy found, 0 to 1",
    "carbon_intensity_g_per_kwh": "carbon intensity of the electricity used, gCO2eq/kWh",
    "carbontracker_j_per_step": "energy of the GPU for one step by carbontracker, J, its PUE undone",
    "cells": "distinct cells evaluated",
    "co2eq_g": "footprint of the training, gCO2eq, at the intensity of its time and place",
    "cpu_counter": "what counted the CPUs' energy",
    "cpu_energy_cv": "coefficient of variation of the CPUs' energy over the windows",
    "cpu_energy_j": "energy of the CPUs for the whole training, J at the devices",
    "cpu_energy_j_per_step": "energy of the CPUs for one step, J",
    "cpu_energy_j_per_step_high": "upper end of the 95 % interval of the CPUs' energy of a step, J",
    "cpu_energy_j_per_step_low": "lower end of the 95 % interval of the CPUs' energy of a step, J",
    "cpu_idle_power_w": "power of the idle CPUs, W",
    "cpu_net_energy_j_per_step": "energy of the CPUs for one step above idle, J",
    "cpu_power_w": "mean power of the CPUs, W",
    "depth": "edges on the longest path from input to output",
    "device": "the hardware the training ran on; null where not known",
    "device_uuid": "the very GPU that measured; null for a CPU",
    "dram_energy_j_per_step": "energy of the memory for one step, J; in no scope of the lens",
    "driver": "version of the GPU's driver",
    "edge_bits": "the edges as bits: bit x + y(y-1)/2 is set for an edge from x to y, x < y",
    "edges": "edges of the cell, 1 to 9",
    "effort": "quick, of short windows, or thorough",
    "energy_artefact": "why the energy is not to be believed; null where it is",
    "energy_correction": "factor from linear scaling to what 4V measured at that budget; 1 where nothing was scaled",
    "energy_kwh": "energy of the training, kWh: facility energy, that is IT energy times the PUE",
    "energy_kwh_std": "standard deviation of the energy over repeated trainings, kWh",
    "energy_provenance": "measured, scaled (4 epochs times a factor) or surrogate",
    "energy_repeats": "trainings that the energy is the mean of",
    "energy_source": "the source that the energy is from",
    "epochs": "training budget: 4, 12, 36 or 108 epochs",
    "evaluation": "number of the query within its run, from 0; one that is not charged has that of the last that is",
    "evaluations": "queries charged to the run",
    "flags": "what is to be held against the measurement, comma-separated",
    "gpu_counter": "what counted the GPU's energy",
    "gpu_energy_correction": "the same factor for the energy of the GPU",
    "gpu_energy_cv": "coefficient of variation of the GPU's energy over the windows",
    "gpu_energy_j": "energy of the GPU for the whole training, J at the device",
    "gpu_energy_j_per_step": "energy of the GPU for one step, J",
    "gpu_energy_j_per_step_high": "upper end of the 95 % interval of the GPU's energy of a step, J",
    "gpu_energy_j_per_step_low": "lower end of the 95 % interval of the GPU's energy of a step, J",
    "gpu_idle_power_w": "power of the idle GPU with its context open, W",
    "gpu_net_energy_j_per_step": "energy of the GPU for one step above idle, J",
    "gpu_power_w": "mean power of the GPU, W",
    "gpu_tick_s": "time between two changes of the GPU's counter, s",
    "hash": "the cell's NAS-Bench-101 module hash, 32 hexadecimal digits",
    "images": "synthetic or cifar-10: what the network was fed",
    "images_per_epoch": "images that an epoch is taken to have",
    "individual": "number of the individual within its run",
    "invalid": "queries of the run that were no cell, or had no answer",
    "least_energy_kwh": "the least energy found, kWh",
    "measured_at": "when it was measured",
    "measurement": "name of the measurement",
    "mode": "a training step or inference",
    "multiply_adds": "multiply-adds of one forward pass of one 32 x 32 image",
    "n_conv1x1": "1x1 convolutions in the cell",
    "n_conv3x3": "3x3 convolutions in the cell",
    "n_maxpool3x3": "3x3 max-poolings in the cell",
    "official": "whether the file is, byte for byte, one that was released, or is from a publication",
    "ops": "operations of the interior vertices, a digit each: 0 conv3x3, 1 conv1x1, 2 maxpool3x3",
    "power_limit_w": "power limit of the GPU's board, W",
    "precision": "number format: fp32, tf32 or bf16",
    "pue": "power usage effectiveness that the energy includes: facility energy per IT energy",
    "repeat": "number of the training among those of this cell and budget in its file, from 1",
    "repeats": "windows that the figures are means of",
    "seconds_cv": "coefficient of variation of the time over the windows",
    "seconds_per_step": "time of one step, s",
    "seconds_per_step_high": "upper end of the 95 % interval of the time of a step, s",
    "seconds_per_step_low": "lower end of the 95 % interval of the time of a step, s",
    "sm_clock_mhz": "mean clock of the GPU's multiprocessors at work, MHz",
    "software": "torch's version",
    "source": "the file or publication that the row is from",
    "space": "4V, 5V or 7V, each an energy scale of its own: never compare energies across spaces",
    "stable": "whether time and energies vary by at most 3 % over the windows",
    "steps_per_repeat": "steps in each window",
    "study": "name of the study that the run belongs to",
    "temperature_c": "mean temperature of the GPU at work, degrees Celsius",
    "temperature_max_c": "highest temperature of the GPU at work, degrees Celsius",
    "test_accuracy": "accuracy on CIFAR-10's test images, 0 to 1",
    "time_correction": "the same factor for the time",
    "time_provenance": "measured, scaled, published (NAS-Bench-101's TPU) or predicted (for that TPU)",
    "time_source": "the source that the time is from",
    "train_accuracy": "accuracy on the training images, 0 to 1",
    "trainable_parameters": "trainable parameters of the whole network",
    "training_time_s": "time of the training, s",
    "training_time_s_high": "upper end of the 90 % interval of a predicted time, s; null for all others",
    "training_time_s_low": "lower end of the 90 % interval of a predicted time, s; null for all others",
    "training_time_s_std": "standard deviation of the time over repeated trainings, s",
    "trial": "number of the seeded run",
    "valid": "whether the individual is a cell of the space and has an answer; if not, its values are null",
    "validation_accuracy": "accuracy on CIFAR-10's 10 000 validation images, 0 to 1",
    "validation_accuracy_high": "upper end of the 90 % interval of a predicted accuracy; null for all others",
    "validation_accuracy_low": "lower end of the 90 % interval of a predicted accuracy; null for all others",
    "validation_accuracy_std": "standard deviation of the validation accuracy over repeated trainings",
    "vertices": "vertices of the cell with input and output, 2 to 7",
    "width": "the most interior vertices on one level (longest path from the input)",
}
"""What a column means, wherever it stands."""

EXAMPLES = {
    "Cells of 7V above 94 %": (
        "-- Which good cells cost the least to train?\n"
        "select hash, energy_kwh, validation_accuracy, trainable_parameters, energy_provenance, accuracy_provenance\n"
        "from benchmark\n"
        "where space = '7V' and epochs = 108 and validation_accuracy > 0.94 and energy_artefact is null\n"
        "order by energy_kwh"
    ),
    "How energy grows with the budget": (
        "-- Mean energy of each space as a multiple of that at 4 epochs: spaces have energy scales of their own.\n"
        "select space, epochs, avg(energy_kwh) / min(avg(energy_kwh)) over (partition by space) as times_4_epochs,\n"
        "    any_value(energy_provenance) as energy_provenance, count(*) as cells\n"
        "from benchmark\n"
        "where energy_artefact is null\n"
        "group by space, epochs\n"
        "order by space, epochs"
    ),
    "Energy on four devices": (
        "-- The same 4V cells on different hardware, as measured at 4 epochs.\n"
        "select device, avg(energy_kwh) as mean_energy_kwh, stddev(energy_kwh) as std_energy_kwh, count(*) as cells\n"
        "from results\n"
        "where epochs = 4 and source in ('energy_4V9E_quadrortx6000.tfrecord', 'energy_4V9E_titanxp.tfrecord',\n"
        "    'energy_4V9E_rtx3060.tfrecord', 'energy_4V9E_rtx3090.tfrecord')\n"
        "group by device\n"
        "order by mean_energy_kwh"
    ),
    "How far repeats differ": (
        "-- Three trainings of one cell: their spread in energy and accuracy, by budget.\n"
        "select epochs, energy_kwh_std / energy_kwh as relative_energy_std, validation_accuracy_std\n"
        "from benchmark\n"
        "where space = '4V'"
    ),
    "What a 3x3 convolution brings": (
        "-- Energy and accuracy by the number of 3x3 convolutions, cells of published accuracy.\n"
        "select n_conv3x3, avg(validation_accuracy) as mean_validation_accuracy, avg(energy_kwh) as mean_energy_kwh,\n"
        "    count(*) as cells\n"
        "from benchmark\n"
        "where space = '7V' and epochs = 108 and accuracy_provenance = 'published'\n"
        "group by n_conv3x3\n"
        "order by n_conv3x3"
    ),
    "What the published searches found": (
        "-- Best accuracy and least energy of each published run in 7V.\n"
        "select least_energy_kwh, best_validation_accuracy, algorithm, trial, evaluations\n"
        "from runs\n"
        "where space = '7V'"
    ),
    "Where accuracies are from": (
        "-- Cells at 108 epochs by the source of their accuracy, and how wide predicted intervals are.\n"
        "select accuracy_source, count(*) as cells, space, accuracy_provenance,\n"
        "    median(validation_accuracy_high - validation_accuracy_low) as median_interval_width\n"
        "from benchmark\n"
        "where epochs = 108\n"
        "group by all\n"
        "order by cells desc"
    ),
}
"""Queries to start from, by what they answer."""

_OWN_MEANINGS = {
    ("measurements", "gpu_power_w"): "mean power of the GPU at work, W",
    ("measurements", "cpu_power_w"): "mean power of the CPUs at work, W",
    ("cells", "space"): "the smallest of 4V, 5V and 7V that the cell belongs to",
    ("evaluations", "space"): "the space that was searched",
    ("runs", "space"): "the space that was searched",
}
