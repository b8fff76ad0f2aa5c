"""Devices of which some cells are measured: recovery, invariances, errors, proposals, and figures held to a value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from ecnas_core.benchmark import UnknownCell, UnknownSpace
from ecnas_core.surrogates import reference as references
from ecnas_core.surrogates import transfer
from ecnas_core.surrogates.reference import known_devices, measured_on, reference
from ecnas_core.surrogates.transfer import InvalidMeasurements, InvalidProposal, TooFewCells, calibrate, propose
from ecnas_core.surrogates.transfer_evaluation import PROPOSED, RANDOM, evaluate, summary
from ecnas_core.surrogates.transfer_model import learn

FIVE_VERTICES = (
    "select hash, energy_kwh from benchmark where space = '5V' and epochs = 4 and vertices = 5 order by hash"
)


def measured(energies: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"hash": energies.index, "energy": energies.to_numpy()})


def of_reference(bench, space: str, factor: float = 1.0) -> pd.Series:
    known = reference(bench, space)
    return pd.Series(factor * np.exp(known.cells.regressors[:, 0]), known.hashes)


@pytest.fixture(scope="module")
def some(bench) -> pd.DataFrame:
    """Eight cells on a device that needs 2.5 times as much."""
    return measured(of_reference(bench, "4V", 2500)[propose(bench, "4V", 8)])


@pytest.fixture(scope="module")
def judged(bench) -> pd.DataFrame:
    """Each of the four devices as if it were new, 20 random choices of cells each."""
    return evaluate(bench)


@pytest.fixture(scope="module")
def means(judged) -> pd.DataFrame:
    return summary(judged).set_index(["choice", "k"])


class TestReference:
    def test_4v_is_the_geometric_mean_of_the_devices(self, bench, energies):
        """Where no device lacks a cell: 3 cells are missing on one, 24 are outliers on another."""
        hashes = set(energies["4V"].index)
        logs = []
        for digests, values in measured_on(bench, "4V").values():
            hashes &= set(digests)
            logs.append(pd.Series(np.log(values), digests))
        assert len(hashes) == 66
        found = np.log(of_reference(bench, "4V")[sorted(hashes)])
        away = found - pd.concat(logs, axis=1).loc[sorted(hashes)].mean(axis=1)
        assert away.std() < 1e-9

    @pytest.mark.parametrize("space", ["5V", "7V"])
    def test_larger_spaces_keep_their_own_energies(self, bench, energies, space):
        known = reference(bench, space)
        own = energies[space]
        found = of_reference(bench, space)
        assert np.allclose(found[own.index], own, rtol=1e-12)
        assert known.known.sum() == len(own)

    def test_artefacts_of_the_surrogate_are_replaced(self, bench):
        known = reference(bench, "7V")
        replaced = np.exp(known.cells.regressors[~known.known, 0]) * 1000
        assert len(replaced) == 9
        assert ((replaced > 3.15) & (replaced < 7)).all()
        assert (known.cells.deviation[~known.known] == known.fit_deviation).all()

    @pytest.mark.parametrize(("space", "deviation"), [("4V", 0.0232), ("5V", 0.0732), ("7V", 0.0487)])
    def test_energy_is_nearly_a_sum_of_costs(self, bench, space, deviation):
        known = reference(bench, space)
        assert known.fit_deviation == pytest.approx(deviation, abs=2e-4)
        assert (known.additive >= 0).all()
        away = known.cells.regressors[known.known, 0] - known.cells.regressors[known.known, 1]
        assert np.sqrt((away**2).mean()) == pytest.approx(deviation, abs=1e-3)

    @pytest.mark.parametrize("device", ["Quadro RTX 6000", "Titan Xp"])
    def test_a_device_left_out_is_not_seen(self, bench, monkeypatch, device):
        hashes, devices, values, outliers = references._released(bench, bench.stamp)
        other = values.copy()
        other[:, devices.index(device)] *= np.random.default_rng(0).uniform(0.5, 2, len(values))
        before = reference(bench, "4V", [device]), learn(list(known_devices(bench, "4V", device).values()))
        with monkeypatch.context() as patch:
            patch.setattr(references, "_released", lambda *_: (hashes, devices, other, outliers))
            patch.setattr(references, "_reference", references._reference.__wrapped__)
            after = reference(bench, "4V", [device]), learn(list(known_devices(bench, "4V", device).values()))
            assert (reference(bench, "4V").additive != before[0].additive).any()
        assert (before[0].cells.regressors == after[0].cells.regressors).all()
        assert (before[1].slopes == after[1].slopes).all()
        assert before[1].noise == after[1].noise


class TestRecovery:
    @pytest.mark.parametrize("space", ["4V", "5V"])
    def test_a_device_as_devices_are_on_average_from_three_cells(self, bench, space):
        known = reference(bench, space)
        prior = learn(list(known_devices(bench, space).values()))
        standardised = (known.cells.regressors - prior.centre) / prior.scale
        truth = pd.Series(7 * np.exp(known.cells.regressors[:, 0] + standardised @ prior.slopes), known.hashes)
        device = calibrate(bench, measured(truth.iloc[[3, 40, 77]]), space)
        assert np.allclose(device.predict()["energy"], truth, rtol=1e-9)
        assert device.offset == pytest.approx(np.log(7))
        assert list(device.slopes.values()) == pytest.approx((prior.slopes / prior.scale).tolist())
        assert (device.k, device.outliers) == (3, ())

    @pytest.mark.parametrize(("k", "median", "most"), [(5, 0.012, 0.06), (20, 0.01, 0.047), (80, 0.0065, 0.028)])
    def test_an_exact_multiple_of_the_reference(self, bench, k, median, most):
        """Unlike real devices it shares the reference's own scatter around a sum of costs, which is learned slowly."""
        truth = of_reference(bench, "4V", 2500)
        device = calibrate(bench, measured(truth[propose(bench, "4V", k)]), "4V")
        found = device.predict()
        errors = np.abs(found["energy"].to_numpy() / truth.to_numpy() - 1)
        assert np.median(errors) < median
        assert errors.max() < most
        assert ((found["low"] < truth.to_numpy()) & (truth.to_numpy() < found["high"])).mean() > 0.95
        assert device.offset == pytest.approx(np.log(2500), abs=0.006)

    def test_a_cell_that_was_measured_wrongly_is_named(self, bench):
        truth = of_reference(bench, "4V")[propose(bench, "4V", 10)]
        spoilt = truth.copy()
        spoilt.iloc[4] *= 4
        device = calibrate(bench, measured(spoilt), "4V")
        assert device.outliers == (truth.index[4],)
        assert device.k == 9
        assert any("lie too far" in note and note.endswith(": 1.") for note in device.notes)
        clean = calibrate(bench, measured(truth.drop(truth.index[4])), "4V").predict()
        pd.testing.assert_frame_equal(device.predict(), clean)


class TestInvariance:
    @settings(max_examples=20)
    @given(factor=st.floats(1e-6, 1e6), seed=st.integers(0, 1000))
    def test_units_and_order(self, bench, some, factor, seed):
        before = calibrate(bench, some, "4V").predict()
        changed = some.sample(frac=1, random_state=seed).assign(energy=lambda frame: frame["energy"] * factor)
        after = calibrate(bench, changed, "4V").predict()
        assert (after["hash"] == before["hash"]).all()
        for column in ("energy", "low", "high"):
            assert np.allclose(after[column], factor * before[column], rtol=1e-9)

    def test_same_again(self, bench, some):
        pd.testing.assert_frame_equal(calibrate(bench, some, "5V").predict(), calibrate(bench, some, "5V").predict())

    def test_repeats_count_once_with_their_geometric_mean(self, bench, some):
        twice = pd.concat([some, some.iloc[[0]]])
        twice.iloc[0, 1] *= 2
        twice.iloc[-1, 1] /= 2
        device = calibrate(bench, twice, "4V")
        assert np.allclose(device.predict()["energy"], calibrate(bench, some, "4V").predict()["energy"], rtol=1e-12)
        assert device.k == 8
        assert any("several measurements" in note and note.endswith(": 1.") for note in device.notes)

    def test_hashes_in_any_order(self, bench, some):
        device = calibrate(bench, some, "4V")
        whole = device.predict().set_index("hash")
        wanted = [*whole.index[[5, 2, 90]], whole.index[5]]
        assert device.predict(wanted)["hash"].tolist() == wanted
        assert device.predict(wanted)["energy"].tolist() == whole.loc[wanted, "energy"].tolist()
        assert device.predict([]).empty


class TestErrors:
    @pytest.mark.parametrize("energy", [0, -1.5, float("nan"), float("inf"), "much", None])
    def test_energy_that_is_no_positive_number(self, bench, some, energy):
        with pytest.raises(InvalidMeasurements, match="1 of 8 measured energies are not positive numbers"):
            calibrate(bench, some.astype({"energy": object}).assign(energy=[*some["energy"][:-1], energy]), "4V")

    @pytest.mark.parametrize("column", ["hash", "energy"])
    def test_column_missing(self, bench, some, column):
        with pytest.raises(InvalidMeasurements, match=f"no column '{column}'"):
            calibrate(bench, some.drop(columns=column), "4V")

    def test_too_few_different_cells(self, bench, some):
        for few in (some[:0], some[:2], pd.concat([some[:1]] * 5)):
            with pytest.raises(TooFewCells, match="measure at least 3"):
                calibrate(bench, few, "4V")

    def test_unknown_cells(self, bench, some):
        with pytest.raises(UnknownCell, match="1 of the hashes are none of NAS-Bench-101's, the first is 'ff'"):
            calibrate(bench, some.assign(hash=["ff", *some["hash"][1:]]), "4V")
        with pytest.raises(UnknownCell, match="not in the space 4V"):
            calibrate(bench, some, "4V").predict([*some["hash"], bench.frame(FIVE_VERTICES)["hash"][0]])
        with pytest.raises(UnknownCell):
            propose(bench, "4V", 3, ["ff"])

    def test_unknown_space(self, bench, some):
        with pytest.raises(UnknownSpace):
            calibrate(bench, some, "6V")

    @pytest.mark.parametrize("k", [0, -1, 92])
    def test_so_many_cannot_be_proposed(self, bench, k):
        with pytest.raises(InvalidProposal, match="ask for 1 to 91"):
            propose(bench, "4V", k)


class TestProposal:
    @pytest.mark.parametrize(("space", "k"), [("4V", 10), ("5V", 10), ("7V", 20)])
    def test_one_cell_from_each_part_of_the_energies(self, bench, energies, space, k):
        """None is an artefact of the surrogate."""
        chosen = propose(bench, space, k)
        known = reference(bench, space)
        rank = pd.Series(known.cells.regressors[known.known, 0], known.hashes[known.known]).rank(method="first") - 1
        assert sorted((rank[chosen] * k // len(rank)).astype(int)) == list(range(k))
        assert set(chosen) <= set(energies[space].index)

    @pytest.mark.parametrize("space", ["4V", "5V"])
    def test_same_again(self, bench, space):
        assert propose(bench, space, 10) == propose(bench, space, 10)

    def test_measured_cells_are_skipped_and_their_parts_too(self, bench):
        done = propose(bench, "4V", 6)
        more = propose(bench, "4V", 6, done)
        assert not set(done) & set(more)
        known = reference(bench, "4V")
        rank = pd.Series(known.cells.regressors[:, 0], known.hashes).rank(method="first") - 1
        parts = (rank * 12 // 91).astype(int)
        assert not set(parts[more]) & set(parts[done])
        assert propose(bench, "4V", 6, reversed(done)) == more

    def test_until_all_are_measured(self, bench):
        done = propose(bench, "4V", 60)
        rest = propose(bench, "4V", 31, done)
        assert sorted(done + rest) == reference(bench, "4V").hashes.tolist()
        with pytest.raises(InvalidProposal):
            propose(bench, "4V", 1, done + rest)

    def test_cells_of_another_space_count(self, bench, energies):
        foreign = [digest for digest in energies["5V"].index if digest not in energies["4V"].index][:5]
        chosen = propose(bench, "4V", 10, foreign)
        assert set(chosen) <= set(energies["4V"].index)
        assert chosen != propose(bench, "4V", 10)


class TestFigures:
    """What the benchmark of the command line shows, held to its value."""

    def test_rows(self, judged):
        assert len(judged) == 4 * 4 * (20 + 1)
        cells = {"Quadro RTX 6000": 91, "Titan Xp": 88, "RTX 3060": 88, "RTX 3090": 70}
        assert (judged["judged"] == judged["device"].map(cells) - judged["k"]).all()

    @pytest.mark.parametrize(("k", "error"), [(5, 0.044), (10, 0.032), (20, 0.029), (40, 0.028)])
    def test_error_of_random_cells(self, means, k, error):
        row = means.loc[RANDOM, k]
        assert row["error"] == pytest.approx(error, abs=0.002)
        assert row["error"] < 0.9 * min(row["ratio_error"], row["line_error"])

    @pytest.mark.parametrize(("k", "error"), [(5, 0.035), (10, 0.029), (20, 0.024), (40, 0.027)])
    def test_error_of_proposed_cells(self, means, k, error):
        row = means.loc[PROPOSED, k]
        assert row["error"] == pytest.approx(error, abs=0.002)
        assert row["error"] < 0.85 * min(row["ratio_error"], row["line_error"])
        assert row["error"] < means.loc[RANDOM, k]["error"]

    @pytest.mark.parametrize("k", [5, 10, 20, 40])
    def test_the_interval_covers_nine_in_ten(self, means, k):
        assert 0.87 <= means.loc[RANDOM, k]["coverage"] <= 0.93

    @pytest.mark.parametrize("k", [10, 20, 40])
    def test_rankings_are_better_than_the_reference(self, means, k):
        for choice in (PROPOSED, RANDOM):
            row = means.loc[choice, k]
            assert row["tau"] > row["ratio_tau"] + 0.008

    def test_too_few_cells_to_judge(self, bench):
        with pytest.raises(InvalidProposal, match="RTX 3090 is judged by 70 cells; calibrate by 3 to 69"):
            evaluate(bench, ks=[70], seeds=[])

    def test_outliers_in_what_is_measured_do_little(self, bench):
        """A quarter of the cells of one device cost twice as much; a line through them breaks down."""
        means = summary(evaluate(bench, [10], range(10), outliers=True)).set_index("choice")
        assert means.loc[PROPOSED, "error"] < 0.75 * means.loc[PROPOSED, "ratio_error"]
        assert means.loc[RANDOM, "error"] < 0.75 * means.loc[RANDOM, "line_error"]

    def test_against_the_surrogate_of_7v(self, bench):
        means = summary(evaluate(bench, [20], range(1), "7V")).set_index("choice")
        for choice in (PROPOSED, RANDOM):
            row = means.loc[choice]
            assert row["error"] == pytest.approx(0.032, abs=0.004)
            assert row["error"] < 0.55 * min(row["ratio_error"], row["line_error"])
            assert row["tau"] > 0.9 > row["ratio_tau"]
            assert row["coverage"] == pytest.approx(0.9, abs=0.03)

    def test_figures_by_hand(self, bench, judged):
        """The baselines and tau of one choice, recomputed."""
        row = judged.query("device == 'Titan Xp' and k == 10 and seed == 3").iloc[0]
        hashes, values = measured_on(bench, "4V")["Titan Xp"]
        drawn = np.random.default_rng([10, 3]).choice(88, 10, replace=False)
        others = np.setdiff1d(np.arange(88), drawn)
        known = reference(bench, "4V", ["Titan Xp"])
        base = np.exp(known.cells.regressors[known.rows(hashes), 0])
        ratio = np.sqrt(np.sort(values[drawn] / base[drawn])[4:6].prod())
        assert row["ratio_error"] == pytest.approx(np.median(np.abs(ratio * base[others] / values[others] - 1)))
        assert row["ratio_tau"] == pytest.approx(kendalltau(base[others], values[others]).statistic)
        slope, offset = np.polyfit(np.log(base[drawn]), np.log(values[drawn]), 1)
        line = np.exp(offset) * base[others] ** slope
        assert row["line_error"] == pytest.approx(np.median(np.abs(line / values[others] - 1)))


class TestBeyond4V:
    def test_4v_cells_tell_the_5_vertex_cells_of_another_campaign(self, bench, energies):
        """With the surrogate of 7V as reference, 5V's measurements are seen by the prior of slopes alone."""
        truth = bench.frame(FIVE_VERTICES)
        chosen = propose(bench, "4V", 20)
        device = calibrate(bench, measured(energies["4V"][chosen]), "7V")
        factor = device.predict(truth["hash"])["energy"] / truth["energy_kwh"]
        assert factor.median() == pytest.approx(0.99, abs=0.02)
        assert np.median(np.abs(factor - 1)) < 0.055
        assert kendalltau(factor * truth["energy_kwh"], truth["energy_kwh"]).statistic > 0.85
        plain = energies["7V"][truth["hash"]].to_numpy() / truth["energy_kwh"]
        best_ratio = np.median(np.abs(plain / plain.median() - 1))
        assert np.median(np.abs(factor - 1)) < 0.75 * best_ratio

    @pytest.mark.parametrize(("space", "cells", "tau"), [("5V", 2532, 0.86), ("7V", 423_624, 0.93)])
    def test_a_whole_space(self, bench, energies, some, space, cells, tau):
        device = calibrate(bench, some, space)
        found = device.predict()
        assert len(found) == cells
        assert found["hash"].is_monotonic_increasing
        assert ((found["low"] > 0) & (found["low"] < found["energy"]) & (found["energy"] < found["high"])).all()
        assert np.isfinite(found["high"]).all()
        assert (found["provenance"] == "predicted").all()
        own = energies[space].iloc[:: max(1, cells // 5000)]
        assert kendalltau(found.set_index("hash")["energy"][own.index], own).statistic > tau
        assert any("extrapolation" in note for note in device.notes)
        assert any(note.startswith("Cells of 7V without") and note.endswith(": 9.") for note in device.notes) == (
            space == "7V"
        )

    def test_measured_cells_of_a_larger_space(self, bench, energies):
        """Their energies on 5V's campaign say what 4V cells cost there; the cells count for less than own ones would."""
        foreign = energies["5V"].drop(energies["4V"].index).iloc[::150]
        device = calibrate(bench, measured(foreign), "4V")
        own = energies["4V"]
        factor = device.predict(own.index)["energy"].to_numpy() / energies["5V"][own.index].to_numpy()
        assert np.median(np.abs(factor - 1)) < 0.08
        assert any(
            note.startswith("Measured cells without a trustworthy published energy in 4V") for note in device.notes
        )
        cells = reference(bench, "4V").of(bench, list(foreign.index))
        assert (cells.weights(device.line.prior) < 1).all()

    def test_known_devices_of_each_space(self, bench):
        assert list(known_devices(bench, "5V")) == ["Quadro RTX 6000", "Titan Xp", "RTX 3060", "RTX 3090"]
        assert list(known_devices(bench, "7V"))[-1] == references.OF_5V
        assert transfer.PROVENANCE == "predicted"
