"""The 4V cells on different devices: what each costs, whether rankings carry over, what a wrong front costs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from msgspec import Meta
from msgspec.structs import replace

from ecnas_core.analysis import pareto, rank
from ecnas_core.analysis.metrics import Metric, UnknownMetric
from ecnas_core.analysis.view import LEAST_INTENSITY
from ecnas_core.benchmark.official import OFFICIAL, Budget
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.carbon.lens import JOULES_PER_KWH, STORED_PUE
from ecnas_core.errors import EcnasError
from ecnas_core.records import InvalidRecord, OneOf, Record, script

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

SPACE = "4V"
EPOCHS = 4
IMAGES_PER_EPOCH = 40_000
IMAGES = EPOCHS * IMAGES_PER_EPOCH
BATCH_SIZE = 256
Section = Literal["energy", "ranking", "regret"]
SECTIONS: tuple[Section, ...] = get_args(Section)
METRICS = ("energy", "time", "power", "energy_per_image", "gpu_share")
OFFICIAL_DEVICES = ("Quadro RTX 6000", "Titan Xp", "RTX 3060", "RTX 3090")
MEAN = "mean"
K_AT_MOST = 45
OUTLIER_SCORE = 3.5
FEWEST_TO_JUDGE = 5
_MAD_TO_SIGMA = 0.6745
_SWEEPS = 20


class UnknownDevice(EcnasError):
    """No cell of 4V has a figure for that device under this lens."""


class HardwareView(Record, frozen=True):
    """What of the devices is looked at; the space is 4V and the training budget of energies 4 epochs.

    Attributes:
        section: ``energy``, ``ranking`` or ``regret``.
        metric: one of ``METRICS``; regret is always of energy.
        sort: order of the cells, ``mean`` over the devices or the name of one.
        outliers: whether outlying records count.
        k: number of leanest cells that are compared, 1 to 45.
        a: device whose ranking or front is carried over.
        b: device that it is carried to.
        accuracy_epochs: budget of the published accuracies in the fronts, 4, 12, 36 or 108.
        lens: how energy is counted.

    Raises:
        InvalidRecord: a value that is none of these.
    """

    section: Section = "energy"
    metric: Annotated[str, OneOf(METRICS)] = "energy"
    sort: str = MEAN
    outliers: bool = True
    k: Annotated[int, Meta(ge=1, le=K_AT_MOST)] = 10
    a: str = "Quadro RTX 6000"
    b: str = "RTX 3090"
    accuracy_epochs: Budget = 108
    lens: Lens = Lens()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.a == self.b:
            raise InvalidRecord(f"{self.a!r} cannot be compared with itself; name two devices")

    @property
    def shown(self) -> Metric:
        """The metric that the section is about, as the lens shows it."""
        return hardware_metric("energy" if self.section == "regret" else self.metric, self.lens)

    @property
    def logarithmic(self) -> bool:
        """Whether the metric's axis is logarithmic; where electricity emits nothing, footprints are 0 and it is not."""
        emits = self.shown.unit != "kgCO2eq" or self.lens.intensity >= LEAST_INTENSITY
        return self.shown.log and emits

    @property
    def unit_per_kwh(self) -> float:
        """The lens's unit per kWh, whatever the scope."""
        factor = replace(self.lens, scope="GPU").convert(None, JOULES_PER_KWH)
        assert factor is not None
        return factor

    def to_python(self) -> str:
        """The source that computes the section's figures in Python."""
        first, second = {
            "energy": ("by_device", "records"),
            "ranking": ("ranking", "overlap"),
            "regret": ("regret", "fronts"),
        }[self.section]
        return script(
            "compared = hardware.compare(Benchmark.open(), view)",
            f"print(hardware.{first}(compared))",
            f"print(hardware.{second}(compared))",
            uses=["ecnas_core.analysis:hardware"],
            view=self,
        )


@dataclass(frozen=True)
class Comparison:
    """The cells on all devices, under a view.

    Attributes:
        view: what was asked for.
        devices: names, the released ones first.
        own: those of them that the user measured.
        left_out: devices without a figure under this view, each with the reason.
        unused: the user's measurements that are of no 4V cell, of no training step, or quick beside a thorough one.
        cells: one row a cell in the order of the view: hash, vertices, edge_bits, ops, validation_accuracy (published,
            at ``accuracy_epochs``).
        values: the metric, shape (cells, devices); NaN where unknown or left out as an outlier.
        energy_kwh: energy in the lens's scope in kWh, of the same shape, NaN likewise.
        outliers: whether a record is one, left out or not; of the same shape.
        frame: one row a cell and device, outliers included, with all metrics, ``energy_factor`` and ``time_factor``
            (to what the cell and the device let expect), ``outlier_score`` and ``outlier``.
    """

    view: HardwareView
    devices: tuple[str, ...]
    own: frozenset[str]
    left_out: dict[str, str]
    unused: int
    cells: pd.DataFrame
    values: Floats
    energy_kwh: Floats
    outliers: Flags
    frame: pd.DataFrame

    @property
    def ranked(self) -> Floats:
        """What rankings are of: the metric, energy in kWh whatever its unit; shape (cells, devices)."""
        return self.energy_kwh if self.view.shown.key == "energy" else self.values

    def common(self, *names: str) -> tuple[Places, ...]:
        """Which rows have a figure on all of these devices, and the columns of the devices."""
        columns = np.array([self.devices.index(name) for name in names])
        known = ~np.isnan(self.ranked[:, columns]).any(axis=1)
        rows = np.flatnonzero(known)
        by_hash = np.argsort(self.cells["hash"].to_numpy()[rows], kind="stable")
        return rows[by_hash], columns


def hardware_metric(key: str, lens: Lens) -> Metric:
    """A metric of 4 epochs on one device, as the lens shows it; its SQL is over the columns of one record.

    Args:
        key: one of ``METRICS``.
        lens: scope, PUE, grid and unit.

    Raises:
        UnknownMetric: another name.
    """
    kwh = _scope_kwh(lens)
    power = "gpu_power_w" if lens.scope == "GPU" else f"{kwh} * {JOULES_PER_KWH!r} / training_time_s"
    share = "100 * gpu_energy_j / (gpu_energy_j + cpu_energy_j)"
    known = {
        "energy": (lens.quantity, lens.unit, True, lens.energy_sql()),
        "time": ("Training time", "s", True, "training_time_s"),
        "power": ("Mean power", "W", True, power),
        "energy_per_image": ("Energy per image", "J", True, f"{kwh} * {JOULES_PER_KWH!r} / {IMAGES}"),
        "gpu_share": ("GPU share", "%", False, share),
    }
    if key not in known:
        raise UnknownMetric(f"devices are not compared by {key[:20]!r}; take one of {', '.join(METRICS)}")
    label, unit, log, sql = known[key]
    return Metric(key, label, unit, "less", log, sql, "energy_provenance", 3)


def compare(bench: Benchmark, view: HardwareView | None = None) -> Comparison:
    """Set the 4V cells' figures on the released devices and on the user's own beside each other.

    The released energies are those stored, of the training alone; only their GPU scope comes from the recorded
    joules, which cover the whole run with its start-up. The user's are extrapolated from a training step:
    (GPU J + CPU J) x 40,000 / batch size x 4 epochs, PUE 1.59; the mean where a cell was measured several times, of
    thorough measurements where there are any. Another precision than fp32 and another batch size than the
    benchmark's 256 make a device of their own. A reading that is missing, negative or, for the CPU, 0 is unknown;
    0 J for the GPU says that none took part.

    An outlier is a record whose residual of a median polish of log energy (Tukey 1977: what neither its cell nor its
    device explains, what a cell costs being judged by the released devices) has a modified z-score, by the device's
    median absolute deviation, beyond 3.5 (Iglewicz and Hoaglin 1993). A device with fewer than five cells has none.

    Args:
        bench: the benchmark.
        view: metric, order, outliers and lens.

    Returns:
        The comparison.

    Raises:
        UnknownDevice: the view sorts by or compares a device that has no figure.
    """
    view = view or HardwareView()
    frame = bench.frame(
        f"{_KNOWN} select known.* exclude (energy_correction, gpu_energy_correction), "
        "vertices, edge_bits, ops, validation_accuracy, "
        f"{', '.join(f'{hardware_metric(name, view.lens).sql} as {name}' for name in METRICS)}, "
        f"{_scope_kwh(view.lens)} as scope_kwh "
        "from known join cells using (hash) order by own, device, hash",
        {"sources": list(_SOURCES), "epochs": view.accuracy_epochs},
    )
    counted = bench.rows("select count(*) as n from measurements")[0]["n"]
    unused = counted - int(frame.loc[frame["own"], "measurements"].sum())
    shown = frame.dropna(subset=[view.shown.key])
    devices = tuple(sorted(shown["device"].unique(), key=_released_first))
    left_out = {device: _reason(view) for device in sorted(set(frame["device"]) - set(devices), key=_released_first)}
    for name in (*([view.sort] if view.sort != MEAN else []), view.a, view.b):
        if name not in devices:
            why = f": {left_out[name]}" if name in left_out else f"; take one of {', '.join(devices)}"
            raise UnknownDevice(f"there are no figures for the device {name[:60]!r}{why}")
    shown = shown[shown["device"].isin(devices)]
    cells = shown.drop_duplicates("hash").sort_values("hash", ignore_index=True)
    cells = cells[["hash", "vertices", "edge_bits", "ops", "validation_accuracy"]]
    values, energy_kwh = (_matrix(shown, column, cells, devices) for column in (view.shown.key, "scope_kwh"))
    residuals = _polish(energy_kwh, devices)[0]
    slower = _polish(_matrix(shown, "training_time_s", cells, devices), devices)[0]
    scores = _scores(residuals)
    outliers = np.abs(scores) > OUTLIER_SCORE
    places = _places(shown, cells, devices)
    shown = shown.assign(
        energy_factor=np.exp(residuals[places]),
        time_factor=np.exp(slower[places]),
        outlier_score=scores[places],
        outlier=outliers[places],
    )
    if not view.outliers:
        values, energy_kwh = (np.where(outliers, np.nan, each) for each in (values, energy_kwh))
    order = _order(values, None if view.sort == MEAN else devices.index(view.sort))
    cells = cells.iloc[order].reset_index(drop=True)
    return Comparison(
        view=view,
        devices=devices,
        own=frozenset(frame.loc[frame["own"], "device"]) & frozenset(devices),
        left_out=left_out,
        unused=unused,
        cells=cells,
        values=values[order],
        energy_kwh=energy_kwh[order],
        outliers=outliers[order],
        frame=_in_order(shown, cells, devices),
    )


def measured_on(bench: Benchmark, device: str) -> pd.DataFrame:
    """What was measured of the 4V cells on a device, outliers left out.

    Args:
        bench: the benchmark.
        device: a released one, or one of the user's as ``compare`` names it.

    Returns:
        One row a cell: ``hash``, ``energy_kwh`` (facility, PUE 1.59) and ``gpu_energy_j`` of 4 epochs, NaN where not
        known.

    Raises:
        UnknownDevice: there are no figures of it.
    """
    stored, gpu = (
        _energies(compare(bench, HardwareView(outliers=True, lens=lens)).frame, device)
        for lens in (Lens(), Lens(scope="GPU"))
    )
    if stored.empty and gpu.empty:
        raise UnknownDevice(f"there are no figures for the device {device[:60]!r}; measure some cells on it")
    return (
        stored.rename("energy_kwh")
        .to_frame()
        .join((gpu * JOULES_PER_KWH).rename("gpu_energy_j"), how="outer")
        .rename_axis("hash")
        .reset_index()
    )


def _energies(frame: pd.DataFrame, device: str) -> pd.Series[float]:
    """A device's energies by hash, without outliers."""
    return frame[(frame["device"] == device) & ~frame["outlier"]].set_index("hash")["energy"]


def by_device(compared: Comparison) -> pd.DataFrame:
    """Each device's figures in the unit shown.

    Returns:
        One row a device: ``device``, ``own``, ``cells``, ``outliers``, ``mean``, ``least``, ``most`` and ``ratio``, the
        median over the common cells of its figure to that of the device that is least so; NaN without common cells.
    """
    import pandas as pd

    ranked = compared.ranked
    levels = _polish(ranked, compared.devices)[1]
    least = int(np.nanargmin(levels))
    rows = []
    for column, device in enumerate(compared.devices):
        values = compared.values[:, column]
        known = values[~np.isnan(values)]
        ratios = ranked[:, column] / ranked[:, least]
        ratios = ratios[~np.isnan(ratios)]
        rows.append(
            {
                "device": device,
                "own": device in compared.own,
                "cells": len(known),
                "outliers": int(compared.outliers[:, column].sum()),
                "mean": known.mean() if len(known) else np.nan,
                "least": known.min() if len(known) else np.nan,
                "most": known.max() if len(known) else np.nan,
                "ratio": float(np.median(ratios)) if len(ratios) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def records(compared: Comparison) -> pd.DataFrame:
    """One row a cell and device that counts, with every metric, provenance and outlier score."""
    frame = compared.frame
    return frame if compared.view.outliers else frame[~frame["outlier"]].reset_index(drop=True)


def outlying(compared: Comparison) -> pd.DataFrame:
    """The outliers, whether or not they are left out, the most extreme first, with the columns of ``records``."""
    frame = compared.frame[compared.frame["outlier"]]
    return frame.sort_values("outlier_score", key=abs, ascending=False, ignore_index=True)


def ranking(compared: Comparison) -> pd.DataFrame:
    """Kendall's tau-b between every two devices, on the cells that both have.

    Returns:
        One row a pair, in the devices' order: ``a``, ``b``, ``cells``, ``kendall_tau``, ``low`` and ``high`` of the
        95 % percentile bootstrap interval (1,000 resamples of the cells); NaN where nothing can be ranked.
    """
    import pandas as pd

    rows = []
    for a, b in combinations(compared.devices, 2):
        x, y = _pair(compared, a, b)
        low, high = rank.kendall_interval(x, y)
        tau = float(rank.kendall_tau(x, y)[0]) if len(x) else np.nan
        rows.append({"a": a, "b": b, "cells": len(x), "kendall_tau": tau, "low": low, "high": high})
    return pd.DataFrame(rows, columns=["a", "b", "cells", "kendall_tau", "low", "high"])


def overlap(compared: Comparison) -> pd.DataFrame:
    """How many of one device's k least cells are among the other's, for every k up to 45.

    Returns:
        One row a pair and k: ``a``, ``b``, ``k``, ``share`` in [0, 1] and ``by_chance``, k over the common cells.
    """
    import pandas as pd

    rows = []
    for a, b in combinations(compared.devices, 2):
        x, y = _pair(compared, a, b)
        shares = rank.shared_leaders(x, y, K_AT_MOST)
        rows += [
            {"a": a, "b": b, "k": k, "share": float(share), "by_chance": k / len(x)}
            for k, share in enumerate(shares, 1)
        ]
    return pd.DataFrame(rows, columns=["a", "b", "k", "share", "by_chance"])


def fronts(compared: Comparison, a: str | None = None, b: str | None = None) -> pd.DataFrame:
    """The fronts (energy, validation error) found on two devices, both priced on the second.

    Args:
        compared: the comparison.
        a: device whose energies found the first front; that of the view if not given.
        b: device that pays.

    Returns:
        One row a cell of a front by rising energy on ``a``, on the cells that both devices have: ``front`` (the device
        that found it), ``hash``, ``validation_error``, ``energy_a_kwh``, ``energy_b_kwh``, ``least_b_kwh`` (the least
        energy on b of a cell with at least that accuracy), ``least_b_hash`` (that cell) and ``regret`` (the extra
        energy in per cent, 0 on b's own front).
    """
    import pandas as pd

    a, b = a or compared.view.a, b or compared.view.b
    rows, (column_a, column_b) = compared.common(a, b)
    error = 1 - compared.cells["validation_accuracy"].to_numpy(np.float64)[rows]
    rows, error = rows[~np.isnan(error)], error[~np.isnan(error)]
    hashes = compared.cells["hash"].to_numpy()[rows]
    on_a, on_b = compared.energy_kwh[rows, column_a], compared.energy_kwh[rows, column_b]
    found = []
    for device, energy in ((a, on_a), (b, on_b)):
        for place in pareto.front(np.column_stack([energy, error])):
            as_good = np.flatnonzero(error <= error[place])
            least = as_good[np.argmin(on_b[as_good])]
            found.append(
                {
                    "front": device,
                    "hash": hashes[place],
                    "validation_error": error[place],
                    "energy_a_kwh": on_a[place],
                    "energy_b_kwh": on_b[place],
                    "least_b_kwh": on_b[least],
                    "least_b_hash": hashes[least],
                    "regret": 100 * (on_b[place] / on_b[least] - 1),
                }
            )
    columns = ("front", "hash", "validation_error", "energy_a_kwh", "energy_b_kwh", "least_b_kwh", "least_b_hash")
    return pd.DataFrame(found, columns=[*columns, "regret"])


def regret(compared: Comparison) -> pd.DataFrame:
    """What it costs to choose on one device and to train on another.

    Returns:
        One row an ordered pair: ``a`` (the front is found there), ``b`` (and paid there), ``cells`` (common ones),
        ``front`` (cells on a's front), ``mean_regret`` and ``max_regret`` (extra energy over that front, per cent),
        ``hypervolume_lost`` (per cent of that of b's own front; the reference point is the largest energy on b and the
        largest error of the common cells).
    """
    import pandas as pd

    rows = []
    for a, b in permutations(compared.devices, 2):
        common, (_, column_b) = compared.common(a, b)
        error = 1 - compared.cells["validation_accuracy"].to_numpy(np.float64)[common]
        common, error = common[~np.isnan(error)], error[~np.isnan(error)]
        both = fronts(compared, a, b)
        points = {name: part[["energy_b_kwh", "validation_error"]].to_numpy() for name, part in both.groupby("front")}
        own = both[both["front"] == a]["regret"]
        lost = np.nan
        if len(common):
            reference = (compared.energy_kwh[common, column_b].max(), error.max())
            best = pareto.hypervolume(points[b], reference)
            lost = 100 * (1 - pareto.hypervolume(points[a], reference) / best) if best > 0 else np.nan
        rows.append(
            {
                "a": a,
                "b": b,
                "cells": len(common),
                "front": len(own),
                "mean_regret": own.mean(),
                "max_regret": own.max(),
                "hypervolume_lost": lost,
            }
        )
    return pd.DataFrame(rows, columns=["a", "b", "cells", "front", "mean_regret", "max_regret", "hypervolume_lost"])


def summary(bench: Benchmark, view: HardwareView | None = None) -> dict[str, Any]:
    """The devices, their rank correlations and the cells as one document for JSON; None stands for unknown.

    Args:
        bench: the benchmark.
        view: metric, order, outliers and lens.

    Returns:
        ``space``, ``epochs``, ``metric``, ``unit``, ``scope``, ``outliers_left_out``; ``devices`` (rows of
        ``by_device``), ``left_out`` (device to reason), ``kendall_tau``, ``kendall_tau_interval`` and ``common_cells``
        (device to device to figure), ``regret`` (rows of ``regret``), ``outliers`` and ``cells``: hash, cell, published
        ``validation_accuracy``, and the metric by device.

    Raises:
        UnknownDevice: the view sorts by or compares a device that has no figure.
    """
    from ecnas_core.cells import Cell

    compared = compare(bench, view)
    view = compared.view
    metric = view.shown
    pairs = ranking(compared).to_dict("records")
    nested: dict[str, dict[str, dict[str, Any]]] = {
        name: {device: {} for device in compared.devices} for name in ("tau", "interval", "cells")
    }
    for row in pairs:
        for one, other in ((row["a"], row["b"]), (row["b"], row["a"])):
            nested["tau"][one][other] = row["kendall_tau"]
            nested["interval"][one][other] = [row["low"], row["high"]]
            nested["cells"][one][other] = row["cells"]
    outliers = outlying(compared)[["hash", "device", metric.key, "energy_factor", "time_factor", "outlier_score"]]
    return {
        "space": SPACE,
        "epochs": EPOCHS,
        "metric": metric.key,
        "unit": metric.unit,
        "scope": view.lens.describe(),
        "outliers_left_out": not view.outliers,
        "devices": by_device(compared).to_dict("records"),
        "left_out": compared.left_out,
        "kendall_tau": nested["tau"],
        "kendall_tau_interval": nested["interval"],
        "common_cells": nested["cells"],
        "regret": regret(compare(bench, replace(view, section="regret"))).to_dict("records"),
        "outliers": outliers.to_dict("records"),
        "cells": [
            {
                "hash": cell.hash,
                "cell": Cell.from_bits(cell.vertices, cell.edge_bits, cell.ops or "").to_text(),
                "validation_accuracy": cell.validation_accuracy,
                metric.key: dict(zip(compared.devices, values.tolist(), strict=True)),
            }
            for cell, values in zip(compared.cells.itertuples(), compared.values, strict=True)
        ],
    }


_SOURCES = tuple(file.file_name for name, file in OFFICIAL.items() if name.startswith("hardware/"))
_KNOWN = f"""
with cells as materialized (
    select
        hash, vertices, edge_bits, ops,
        max(validation_accuracy) filter (where epochs = $epochs and accuracy_provenance = 'published')
            as validation_accuracy
    from benchmark where space = '{SPACE}' group by all
),
steps as (
    select
        hash, {IMAGES} / batch_size as steps, seconds_per_step as seconds,
        device || ' (own' || if(coalesce(precision, 'fp32') = 'fp32', '', ', ' || precision)
            || if(batch_size = {BATCH_SIZE}, '', ', batch ' || batch_size) || ')' as device,
        if(isfinite(gpu_energy_j_per_step) and gpu_energy_j_per_step >= 0, gpu_energy_j_per_step, null) as gpu_j,
        if(isfinite(cpu_energy_j_per_step) and cpu_energy_j_per_step > 0, cpu_energy_j_per_step, null) as cpu_j
    from measurements
    where starts_with(lower(mode), 'train') and batch_size > 0 and isfinite(seconds_per_step) and seconds_per_step > 0
        and hash in (select hash from cells) and device is not null
    qualify coalesce(effort = 'quick', false) = bool_and(coalesce(effort = 'quick', false))
        over (partition by hash, measurements.device, precision, batch_size)
),
unscaled as (
    select
        device, false as own, hash, energy_kwh, gpu_energy_j, cpu_energy_j, training_time_s, gpu_power_w,
        energy_provenance, 1 as measurements
    from results
    where official and epochs = {EPOCHS} and list_contains($sources, source)
    union all by name
    select
        device, true as own, hash,
        avg((gpu_j + cpu_j) * steps) / {JOULES_PER_KWH!r} * {STORED_PUE!r} as energy_kwh,
        avg(nullif(gpu_j, 0) * steps) as gpu_energy_j,
        avg(cpu_j * steps) as cpu_energy_j,
        avg(seconds * steps) as training_time_s,
        avg(nullif(gpu_j, 0) / seconds) as gpu_power_w,
        'scaled' as energy_provenance,
        count(*) as measurements
    from steps group by device, hash
),
known as (
    select *, 1::double as energy_correction, 1::double as gpu_energy_correction from unscaled
)"""


def _scope_kwh(lens: Lens) -> str:
    return replace(lens, unit="kWh").energy_sql()


def _released_first(device: str) -> tuple[int, str]:
    place = OFFICIAL_DEVICES.index(device) if device in OFFICIAL_DEVICES else len(OFFICIAL_DEVICES)
    return place, device


def _reason(view: HardwareView) -> str:
    if view.shown.key == "gpu_share":
        return "the energies of both the GPU and the CPU are needed, and one of them was not measured"
    if view.lens.scope == "GPU":
        return "the energy of a GPU was not measured; the lens's scopes Facility and IT may show it"
    return "the CPU's energy was not measured, or the GPU's; the lens's scope GPU may show it"


def _matrix(frame: pd.DataFrame, column: str, cells: pd.DataFrame, devices: tuple[str, ...]) -> Floats:
    wide = frame.pivot(index="hash", columns="device", values=column)
    matrix: Floats = wide.reindex(index=cells["hash"], columns=list(devices)).to_numpy(np.float64)
    return matrix


def _pair(compared: Comparison, a: str, b: str) -> tuple[Floats, Floats]:
    rows, columns = compared.common(a, b)
    x, y = compared.ranked[np.ix_(rows, columns)].T
    return x, y


def _polish(values: Floats, devices: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Tukey's median polish of the logarithms (Exploratory Data Analysis, 1977): residuals and the devices' levels.

    What a cell costs is judged by the released devices, so that none of the user's measurements moves their residuals.
    """
    released = [column for column, device in enumerate(devices) if device in OFFICIAL_DEVICES]
    judges = released or list(range(len(devices)))
    residuals = np.log(values, out=np.full_like(values, np.nan), where=values > 0)
    levels = np.zeros(values.shape[1])
    for _ in range(_SWEEPS):
        residuals -= _medians(residuals[:, judges], axis=1)[:, None]
        shift = _medians(residuals, axis=0)
        residuals -= shift
        levels += shift
    levels[np.isnan(residuals).all(axis=0)] = np.nan
    return residuals, levels


def _medians(values: Floats, axis: int) -> Floats:
    """Medians of what is known; 0 where nothing is."""
    ordered = np.sort(values.T if axis == 0 else values, axis=1)  # NaN comes last
    known = (~np.isnan(ordered)).sum(axis=1)
    each = np.arange(len(ordered))
    middle = (ordered[each, (known - 1) // 2] + ordered[each, known // 2]) / 2
    return np.where(known > 0, middle, 0.0)


def _scores(residuals: Floats) -> Floats:
    """Modified z-scores (Iglewicz and Hoaglin 1993), device by device; 0 for a device with too few cells to judge."""
    deviation = _medians(np.abs(residuals), axis=0)
    enough = ((~np.isnan(residuals)).sum(axis=0) >= FEWEST_TO_JUDGE) & (deviation > 0)
    scores: Floats = np.where(enough, _MAD_TO_SIGMA * residuals / np.where(enough, deviation, 1), 0.0)
    return scores


def _order(values: Floats, column: int | None) -> Places:
    """Rows by rising value of one device, or by the mean logarithm over the devices, each device's level taken off."""
    if column is not None:
        return np.argsort(values[:, column], kind="stable")
    residuals = np.log(values, out=np.full_like(values, np.nan), where=values > 0)
    level = _means(residuals, axis=0)
    return np.argsort(_means(residuals - level, axis=1), kind="stable")


def _means(values: Floats, axis: int) -> Floats:
    return np.ma.filled(np.ma.masked_invalid(values).mean(axis=axis), np.nan)


def _in_order(frame: pd.DataFrame, cells: pd.DataFrame, devices: tuple[str, ...]) -> pd.DataFrame:
    rows, columns = _places(frame, cells, devices)
    return frame.iloc[np.lexsort((columns, rows))].reset_index(drop=True)


def _places(frame: pd.DataFrame, cells: pd.DataFrame, devices: tuple[str, ...]) -> tuple[Places, Places]:
    """The row and the column of each record in the matrices."""
    rows = {digest: row for row, digest in enumerate(cells["hash"])}
    columns = {device: column for column, device in enumerate(devices)}
    return frame["hash"].map(rows).to_numpy(np.int64), frame["device"].map(columns).to_numpy(np.int64)
