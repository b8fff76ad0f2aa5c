"""Accuracy and time: one scale, laws to recover, cells that no network may see, bounds, files, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecnas_core.benchmark import UnknownCell, UnknownEpochs
from ecnas_core.benchmark.schema import PREDICTED
from ecnas_core.cells import enumerate_cells
from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import accuracy, conformal, graph_network, weights
from ecnas_core.surrogates.accuracy import MEANS, SAMPLE, Published
from ecnas_core.surrogates.features import features
from ecnas_core.surrogates.lookup import look_up, take
from ecnas_core.surrogates.training import TooFewResults
from ecnas_core.surrogates.weights import OtherFeatures, UnreadableModel

EPOCHS = (4, 12, 36, 108)

pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture(scope="module")
def made_up() -> Published:
    """Errors that hang on depth and convolutions and fall with the budget; time is 10 s and so much an epoch."""
    table = enumerate_cells("5V")
    law, rng = features(table), np.random.default_rng(0)
    error = 0.05 * law["depth"] + 0.4 / (1 + law["n_conv3x3"]) + 0.1 * (law["n_conv1x1"] == 0)
    noise = rng.normal(0, 0.03, (len(table), 4))
    errors = error[:, None] * np.array([1.3, 1, 0.7, 0.4]) * np.exp(noise)
    epoch_s = 3.0 + 2 * law["n_conv3x3"] + law["n_conv1x1"]
    times = 10 + epoch_s[:, None] * np.array(EPOCHS)
    errors[5, 1] = np.nan
    times[::3, :3] = np.nan
    hashes = np.array([f"{row:032x}" for row in range(len(table))], object)
    return Published(hashes, table, 1 - errors, times, np.ones(len(table), bool), np.array([0.01, 0, 0, 0.003]))


@pytest.fixture(scope="module")
def halves(made_up):
    order = np.random.default_rng(1).permutation(len(made_up.hashes))
    return made_up.take(order[:1900]), made_up.take(order[1900:])


@pytest.fixture(scope="module")
def fitted(small_networks, halves):
    return accuracy.fit_to(halves[0], members=2, epochs=10)


class TestOneScale:
    def test_the_mean_counts_and_the_sample_is_shifted(self, bench, published):
        raw = bench.frame(
            "select hash, epochs, source, validation_accuracy as value from results where source in (?, ?)",
            [MEANS, SAMPLE],
        ).pivot(index="hash", columns=["source", "epochs"], values="value")
        assert published.hashes.tolist() == sorted(raw.index)
        for place, epochs in enumerate(EPOCHS):
            mean, sample = (raw.loc[published.hashes, (source, epochs)].to_numpy() for source in (MEANS, SAMPLE))
            both = ~np.isnan(mean) & ~np.isnan(sample)
            assert published.offsets[place] == pytest.approx((sample - mean)[both].mean())
            expected = np.where(np.isnan(mean), sample - published.offsets[place], mean)
            assert np.allclose(published.accuracy[:, place], expected, equal_nan=True)
        assert np.allclose(published.offsets, [0.0096, 0.0062, 0.0008, 0.0031], atol=5e-5)

    def test_what_is_sampled(self, published):
        assert len(published.hashes) == 25_959
        assert published.sampled.sum() == 24_148
        assert not np.isnan(published.accuracy[published.sampled]).any()

    def test_without_cells_in_both_there_is_no_scale(self, bench, monkeypatch):
        frame = bench.frame(accuracy._PUBLISHED, [MEANS, SAMPLE])
        monkeypatch.setattr(bench, "frame", lambda *_: frame[frame["source"] == SAMPLE])
        with pytest.raises(TooFewResults, match="no cell is in both"):
            accuracy.published(bench)


class TestRecovery:
    @pytest.mark.parametrize("place", range(4))
    def test_a_law_is_recovered(self, halves, fitted, place):
        unseen = halves[1]
        predicted = fitted.predict(unseen.table, EPOCHS[place])
        known = ~np.isnan(unseen.accuracy[:, place])
        errors, truth = 1 - predicted["validation_accuracy"][known], 1 - unseen.accuracy[known, place]
        assert np.corrcoef(np.log(errors), np.log(truth))[0, 1] > 0.98
        assert np.median(np.abs(np.log(errors / truth))) < 0.026
        inside = (predicted["low"][known] <= 1 - truth) & (1 - truth <= predicted["high"][known])
        assert 0.84 < inside.mean() < 0.96

    @pytest.mark.parametrize("epochs", EPOCHS)
    def test_time_is_a_start_and_so_much_an_epoch(self, halves, fitted, epochs):
        place = EPOCHS.index(epochs)
        assert fitted.laws[place] == pytest.approx([10 * (1 - epochs / 108), epochs / 108], abs=1e-6)
        known = ~np.isnan(halves[1].time_s[:, place])
        predicted = fitted.predict(halves[1].table, epochs)[known]
        assert np.median(np.abs(predicted["training_time_s"] / halves[1].time_s[known, place] - 1)) < 0.03
        inside = (predicted["time_low"] <= halves[1].time_s[known, place]) & (
            halves[1].time_s[known, place] <= predicted["time_high"]
        )
        assert 0.8 < inside.mean() < 0.98

    def test_bounds(self, fitted):
        """Asked for cells far larger than any it learned from."""
        every = enumerate_cells("7V")
        for predicted in fitted.predict_all(take(every, np.arange(0, len(every), 997))).values():
            assert ((predicted["low"] >= 0) & (predicted["high"] <= 1)).all()
            assert (predicted["low"] <= predicted["validation_accuracy"]).all()
            assert (predicted["validation_accuracy"] <= predicted["high"]).all()
            assert ((predicted["time_low"] > 0) & (predicted["time_low"] <= predicted["training_time_s"])).all()
            assert (predicted["training_time_s"] <= predicted["time_high"]).all()

    def test_no_error_is_larger_than_any_that_was_learned(self, made_up, fitted):
        hopeless = replace(fitted, worst=np.log(np.array([0.5, 0.4, 0.3, 0.2])))
        predicted = hopeless.predict_all(made_up.table)
        assert [frame["validation_accuracy"].min() for frame in predicted.values()] == pytest.approx(
            [0.5, 0.6, 0.7, 0.8]
        )

    def test_in_parts(self, made_up, fitted, monkeypatch):
        whole = fitted.predict(made_up.table)
        monkeypatch.setattr(accuracy, "_ROWS_AT_ONCE", 100)
        pd.testing.assert_frame_equal(fitted.predict(made_up.table), whole, rtol=1e-4)
        assert fitted.predict(take(made_up.table, np.arange(0))).empty


class TestTraining:
    def test_no_network_sees_the_cells_that_calibrate(self, made_up, monkeypatch):
        learned, calibrated = [], []
        train, binned = graph_network.train, conformal.binned

        def seen(cells, targets, *rest):
            learned.append(set(targets[:, 3].tolist()))
            return train(cells, targets, *rest[:2], 1)

        def used(predictions, values, bins):
            calibrated.append(set(values.tolist()))
            return binned(predictions, values, bins)

        monkeypatch.setattr(graph_network, "train", seen)
        monkeypatch.setattr(conformal, "binned", used)
        sampled = np.arange(len(made_up.hashes)) % 2 == 0
        accuracy.fit_to(replace(made_up, sampled=sampled), members=2)
        every = set(np.log(1 - made_up.accuracy[:, 3]).tolist())
        assert learned[0] == learned[1]
        assert learned[0] < every
        longest = calibrated[6]
        assert longest < every - learned[0]
        assert longest <= set(np.log(1 - made_up.accuracy[sampled, 3]).tolist())
        assert len(every - learned[0]) == 253

    def test_progress_and_cancelling(self, halves):
        told = []
        with pytest.raises(Cancelled, match="stopped after 1 of 2"):
            accuracy.fit_to(halves[0], members=2, epochs=2, progress=told.append, cancel=lambda: len(told) == 3)
        assert [(epoch.part, epoch.number) for epoch in told] == [
            ("network 1 of 2", 1),
            ("network 1 of 2", 2),
            ("network 2 of 2", 1),
        ]

    def test_too_few_and_unknown(self, bench, made_up, fitted):
        with pytest.raises(TooFewResults, match="499 cells are too few to learn from; give at least 500"):
            accuracy.fit_to(made_up.take(np.arange(499)))
        without = replace(
            made_up, time_s=np.column_stack([np.full((len(made_up.hashes), 3), np.nan), made_up.time_s[:, 3]])
        )
        told = []
        with pytest.raises(TooFewResults, match="the training time at 4 epochs is published for 0, and 19 are needed"):
            accuracy.fit_to(without, progress=told.append)
        assert told == []
        with pytest.raises(UnknownCell, match="1 of the hashes have no published accuracy, the first is 'ff'"):
            accuracy.fit(bench, cells=["ff"])
        with pytest.raises(UnknownEpochs):
            fitted.predict(made_up.table, 5)

    def test_only_the_cells_that_are_given(self, bench, published, monkeypatch):
        given = []
        monkeypatch.setattr(accuracy, "fit_to", lambda chosen, *_, **__: given.append(chosen))
        accuracy.fit(bench, cells=published.hashes[[9, 3]])
        assert given[0].hashes.tolist() == published.hashes[[3, 9]].tolist()


class TestFiles:
    def test_round_trip(self, made_up, fitted, tmp_path):
        path = fitted.save(tmp_path / "accuracy.safetensors")
        loaded = accuracy.load(path)
        assert loaded.cells == 1900
        assert np.array_equal(loaded.offsets, fitted.offsets)
        for epochs, predicted in fitted.predict_all(made_up.table).items():
            pd.testing.assert_frame_equal(loaded.predict(made_up.table, epochs), predicted)
        assert loaded.save(tmp_path / "again").read_bytes() == path.read_bytes()

    def test_other_features_and_kinds(self, fitted, tmp_path, monkeypatch):
        path = fitted.save(tmp_path / "m")
        monkeypatch.setattr(accuracy, "_fingerprint", lambda: "changed")
        with pytest.raises(OtherFeatures, match="which are changed now"):
            accuracy.load(path)
        other = weights.save(tmp_path / "other", "energy best", "changed", {"a": np.ones(1)}, {})
        with pytest.raises(UnreadableModel, match="is a model 'energy best'"):
            accuracy.load(other)


class TestPredictions:
    def test_of_some_hashes(self, bench, published, fitted):
        wanted = [*published.hashes[[100, 7]], published.hashes[100]]
        predicted = accuracy.predict(bench, fitted, wanted, 36)
        assert predicted["hash"].tolist() == wanted
        expected = fitted.predict(look_up(bench, wanted)[1], 36)
        pd.testing.assert_frame_equal(predicted.drop(columns="hash"), expected)

    def test_rounded_outwards(self, bench, published, fitted, monkeypatch):
        hashes, table = look_up(bench, published.hashes[:300])
        monkeypatch.setattr(accuracy, "look_up", lambda _: (hashes, table))
        stored = accuracy.predictions(bench, fitted).to_pandas()
        assert stored["hash"].tolist() == hashes
        assert list(stored.columns[1:]) == PREDICTED.names
        slack = 1e-7
        for epochs, exact in fitted.predict_all(table).items():
            own = {
                name: stored[f"predicted_{name}_{epochs}"].astype(np.float64)
                for name in ("accuracy", "accuracy_low", "accuracy_high", "time_s", "time_s_low", "time_s_high")
            }
            assert np.abs(own["accuracy"] - exact["validation_accuracy"]).max() <= 0.5e-4 + slack
            assert np.abs(own["time_s"] / exact["training_time_s"] - 1).max() <= 0.5e-3 + slack
            low, high = exact["low"], exact["high"]
            assert ((own["accuracy_low"] <= low + slack) & (own["accuracy_low"] >= low - 1e-4 - slack)).all()
            assert ((own["accuracy_high"] >= high - slack) & (own["accuracy_high"] <= high + 1e-4 + slack)).all()
            low, high = exact["time_low"], exact["time_high"]
            assert ((own["time_s_low"] <= low * (1 + slack)) & (own["time_s_low"] >= low * (1 - 1e-3))).all()
            assert ((own["time_s_high"] >= high * (1 - slack)) & (own["time_s_high"] <= high * (1 + 1e-3))).all()
