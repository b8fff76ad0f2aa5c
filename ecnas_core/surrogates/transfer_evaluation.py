"""How well a device is predicted from a few of its cells: each known device in turn as if it were new."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis.rank import kendall_tau
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.surrogates.reference import Cells, known_devices, measured_on, reference
from ecnas_core.surrogates.transfer import FEWEST, InvalidProposal, choose_spread, fit_logs, predict_logs
from ecnas_core.surrogates.transfer_model import Prior, learn

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

KS = (5, 10, 20, 40)
SEEDS = range(20)
PROPOSED, RANDOM = "proposed", "random"


def evaluate(
    bench: Benchmark,
    ks: Iterable[int] = KS,
    seeds: Iterable[int] = SEEDS,
    space: str = "4V",
    outliers: bool = False,
) -> pd.DataFrame:
    """Predict each known device from k of its cells, and judge on its others.

    The device is in neither the references of 4V nor the prior; only which records of the others are outliers was told
    with it. Its energies at 4 epochs are held against three ways: the model, one ratio (the median of device by
    reference over the k cells) and a straight line through the logarithms of both.

    Args:
        bench: the benchmark.
        ks: numbers of cells to calibrate by.
        seeds: of the random choices; the proposed choice is made once beside.
        space: whose references are used. In 4V they are the other devices' energies; in 5V and 7V its own, and the
            devices' 4V cells are judged, in 7V also 5V's measurements of cells of 5 vertices, as one more device. The
            references of 5V and 7V are energies of a Quadro RTX 6000, which there is not quite new.
        outliers: whether the released devices' outliers are measured and judged like other cells.

    Returns:
        One row a device, k and choice: ``device``, ``k``, ``choice`` (proposed or random), ``seed`` (NaN if proposed),
        ``judged`` (cells), ``outliers`` (measured cells that the model left out), ``error``, ``ratio_error`` and
        ``line_error`` (median absolute percentage errors), ``tau`` and ``ratio_tau`` (Kendall's, with the measured
        energies), ``coverage`` (share of the judged energies in their 90 % interval) and ``width`` (median width of the
        interval by the prediction).

    Raises:
        InvalidProposal: a device has too few cells for such a k.
        UnknownSpace: another space.
    """
    import pandas as pd

    ks, seeds = list(ks), list(seeds)
    rows = []
    for device, (hashes, energies) in measured_on(bench, space, outliers).items():
        known = reference(bench, space, [device])
        prior = learn(list(known_devices(bench, space, device).values()))
        cells = known.cells.take(known.rows(hashes))
        if not all(FEWEST <= k < len(hashes) for k in ks):
            raise InvalidProposal(
                f"{device} is judged by {len(hashes)} cells; calibrate by {FEWEST} to {len(hashes) - 1}"
            )
        nothing = cells.take(np.empty(0, np.int64))
        for k in ks:
            chosen = choose_spread(prior, cells, k, nothing, np.empty(0, np.int64))
            choices: list[tuple[str, float, Places]] = [(PROPOSED, np.nan, chosen)]
            for seed in seeds:
                drawn = np.random.default_rng([k, seed]).choice(len(hashes), k, replace=False)
                choices.append((RANDOM, seed, drawn))
            rows += [
                {"device": device, "k": k, "choice": choice, "seed": seed, **_judge(prior, cells, energies, measured)}
                for choice, seed, measured in choices
            ]
    return pd.DataFrame(rows)


def summary(evaluated: pd.DataFrame) -> pd.DataFrame:
    """The means over choices, then over devices.

    Args:
        evaluated: as ``evaluate`` makes it.

    Returns:
        One row a choice and k: ``choice``, ``k`` and the means of ``error``, ``ratio_error``, ``line_error``, ``tau``,
        ``ratio_tau``, ``coverage`` and ``width``.
    """
    figures = ["error", "ratio_error", "line_error", "tau", "ratio_tau", "coverage", "width"]
    by_device = evaluated.groupby(["choice", "k", "device"])[figures].mean()
    return by_device.groupby(["choice", "k"]).mean().reset_index()


def _judge(prior: Prior, cells: Cells, energies: Floats, measured: Places) -> dict[str, float]:
    others = np.setdiff1d(np.arange(len(energies)), measured)
    line = fit_logs(prior, cells.take(measured), energies[measured])
    middle, half = predict_logs(line, cells.take(others))
    truth = np.log(energies[others])
    known = cells.regressors[:, 0]
    ratio = known[others] + np.median(np.log(energies[measured]) - known[measured])
    slope, offset = np.polyfit(known[measured], np.log(energies[measured]), 1)
    return {
        "judged": len(others),
        "outliers": int((~line.used).sum()),
        "error": _error(middle, truth),
        "ratio_error": _error(ratio, truth),
        "line_error": _error(offset + slope * known[others], truth),
        "tau": float(kendall_tau(middle, truth)[0]),
        "ratio_tau": float(kendall_tau(ratio, truth)[0]),
        "coverage": float(np.mean(np.abs(truth - middle) <= half)),
        "width": float(np.median(2 * np.sinh(half))),
    }


def _error(predicted: Floats, truth: Floats) -> float:
    """The median absolute percentage error, as a fraction."""
    return float(np.median(np.abs(np.expm1(predicted - truth))))
