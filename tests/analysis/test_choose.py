"""Choosing against brute force over the Parquet files: short lists, conflicts, sweeps, devices, tasks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ecnas_core import Benchmark, Cell
from ecnas_core.analysis import candidates, choose, costs, hardware, sensitivity
from ecnas_core.analysis.choose import InvalidTop, NothingKnown
from ecnas_core.analysis.hardware import UnknownDevice
from ecnas_core.analysis.needs import PRESETS, QUANTITIES, ChooseView, Needs, Task, assumptions
from ecnas_core.analysis.preferences import Weights
from ecnas_core.carbon import Lens, grid
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates import devices

TASK = Task(space="5V", trainings=7, lens=Lens(country="FR"))


@pytest.fixture(scope="module")
def bench():
    return Benchmark.open()


@pytest.fixture(scope="module")
def whole(bench):
    """The choice among all cells of 7V."""
    return choose.choose(bench, ChooseView())


@pytest.fixture(scope="module")
def pool(small):
    return candidates.load(small, TASK)


@pytest.fixture(scope="module")
def every(truth):
    """Every cell of the task, from the Parquet file alone."""
    cells = truth.cells("5V").sort_values("hash", ignore_index=True)
    return pd.DataFrame(
        {
            "hash": cells["hash"],
            "energy_kwh": cells["energy"],
            "footprint_kgco2eq": cells["energy"] * 7 * grid("FR").intensity / 1000,
            "time_h": cells["training_time"] / 3600,
            "parameters": cells["parameters"] * 1e6,
            "accuracy": cells["validation_accuracy"],
        }
    )


def keeps(cells: pd.DataFrame, needs: Needs) -> pd.Series:
    kept = cells[["energy_kwh", "accuracy"]].notna().all(axis=1)
    for quantity, limit in needs.limits.items():
        kept &= cells[quantity] >= limit if quantity == "accuracy" else cells[quantity] <= limit
    return kept


def weighed(truth, cells: pd.DataFrame, weights: Weights) -> pd.Series:
    front = truth.front(cells.assign(validation_error=1 - cells["accuracy"]), "energy_kwh")
    total = 0.0
    for name, weight in (("energy_kwh", weights.energy), ("accuracy", weights.accuracy), ("parameters", weights.size)):
        sign = -1 if name == "accuracy" else 1
        least, most = (sign * front[name]).min(), (sign * front[name]).max()
        total = total + weight * (sign * cells[name] - least) / (most - least)
    return total / (weights.energy + weights.accuracy + weights.size)


SHARES = st.tuples(*[st.none() | st.floats(0.0, 1.0)] * len(QUANTITIES))
"""No limit, or the quantile of the cells' values that it lies at."""

WEIGHTS = st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, 3.0])] * 3).filter(any).map(lambda each: Weights(*each))


def drawn(every: pd.DataFrame, shares: tuple[float | None, ...]) -> Needs:
    pairs = zip(QUANTITIES, shares, strict=True)
    return Needs(*(None if share is None else room(name, every[name].quantile(share)) for name, share in pairs))


def room(name: str, limit: float) -> float:
    """A limit that a cell keeps in spite of rounding, whose value it is."""
    return float(limit * (1 - 1e-9) if name == "accuracy" else limit * (1 + 1e-9))


class TestBruteForce:
    @settings(max_examples=12, deadline=None)
    @given(shares=SHARES, weights=WEIGHTS)
    def test_roles_and_conflicts(self, small, pool, every, truth, shares, weights):
        needs = drawn(every, shares)
        view = ChooseView(TASK, needs, weights)
        found = choose.among(small, pool, view)
        kept = every[keeps(every, needs)]
        assert int(found.qualifying.sum()) == len(kept)
        if kept.empty:
            self.conflicts(found, every, needs)
            return
        assert found.conflict is None
        front = truth.front(kept.assign(validation_error=1 - kept["accuracy"]), "energy_kwh")
        listed = candidates.details(small, pool, [*found.front, *found.roles.values()])
        on_front, of_roles = listed.iloc[: len(found.front)], listed.iloc[len(found.front) :]
        assert set(zip(on_front["energy_kwh"], on_front["accuracy"], strict=True)) == set(
            zip(front["energy_kwh"], front["accuracy"], strict=True)
        )
        at = dict(zip(found.roles, of_roles.to_dict("records"), strict=True))
        assert at["cheapest"]["energy_kwh"] == kept["energy_kwh"].min()
        assert at["best"]["accuracy"] == kept["accuracy"].max()
        costly = weighed(truth, every, weights)
        cell = every[every["hash"] == at["preferred"]["hash"]].index[0]
        assert costly[cell] <= costly[kept.index].min() + 1e-7
        assert set(found.shortlist["hash"]) <= set(every["hash"])

    def conflicts(self, found, every, needs):
        told = found.conflict
        known = keeps(every, Needs())
        kept = {name: keeps(every, Needs().having(name, limit)) for name, limit in needs.limits.items()}
        for names in told.binding:
            assert not np.logical_and.reduce([kept[name] for name in names]).any()
            for name in names:
                rest = [kept[other] for other in names if other != name]
                assert not rest or np.logical_and.reduce(rest).any()
        assert told.feasible == {name: int(each.sum()) for name, each in kept.items()}
        changes = pd.DataFrame(
            {
                name: (1 - every[name]) / (1 - limit) - 1 if name == "accuracy" else every[name] / limit - 1
                for name, limit in needs.limits.items()
            }
        )[known]
        assert told.nearest.change == pytest.approx(changes.max(axis=1).min())
        relaxed = needs
        for name, limit in told.nearest.limits.items():
            relaxed = relaxed.having(name, room(name, limit))
        assert keeps(every, relaxed).any()
        for each in told.alone:
            ((name, limit),) = each.limits.items()
            others = np.logical_and.reduce([known, *(kept[other] for other in kept if other != name)])
            best = every[name][others]
            assert limit == pytest.approx(best.max() if name == "accuracy" else best.min(), rel=1e-12)

    @settings(max_examples=9, deadline=None)
    @given(shares=SHARES, weights=WEIGHTS, varied=st.sampled_from([None, *QUANTITIES]))
    def test_sweeps_choose_what_a_new_choice_would(self, small, pool, every, shares, weights, varied):
        view = ChooseView(TASK, drawn(every, shares), weights)
        found = choose.among(small, pool, view)
        sweep = sensitivity.sweep(found, varied)
        for step in list(sweep.steps.itertuples())[:6]:
            inside = [step.start, step.end] if np.isinf(step.end) else [(step.start + step.end) / 2]
            for value in filter(np.isfinite, inside):
                again = moved(view, varied, value)
                if again is None:
                    continue
                qualifying = np.flatnonzero(pool.qualifying(again.needs))
                best = choose.preferred(pool, qualifying, found.scale, again.weights)
                same = [pool.values[name][[best, step.position]] for name in ("energy_kwh", "accuracy")]
                assert all(one == pytest.approx(other, abs=1e-9) for one, other in same)

    def test_the_present_stretch_holds_the_present_choice(self, small, pool):
        view = ChooseView(TASK, Needs(max_energy_kwh=0.5, min_accuracy=0.9))
        found = choose.among(small, pool, view)
        stays = sensitivity.robustness(found)
        assert set(stays) == {None, "energy_kwh", "accuracy"}
        low, high = stays["energy_kwh"]
        for value, same in ((low, True), (low * (1 - 1e-6), False), (min(high, 9) * (1 - 1e-6), True)):
            again = choose.among(small, pool, replace(view, needs=replace(view.needs, max_energy_kwh=value)))
            assert (again.roles["preferred"] == found.roles["preferred"]) is same


def moved(view: ChooseView, varied: str | None, value: float) -> ChooseView | None:
    if varied is not None:
        return replace(view, needs=view.needs.having(varied, value)) if value > 0 else None
    both = view.weights.energy + view.weights.accuracy
    return replace(view, weights=Weights(both * (1 - value), both * value, view.weights.size))


def details(small, pool, position) -> pd.Series:
    return candidates.details(small, pool, [position]).iloc[0]


class TestDefault:
    def test_equal_weights_and_no_limits_give_the_paper_s_knee(self, whole, truth):
        front = truth.front(truth.cells())
        first = whole.shortlist.iloc[0]
        assert first["hash"] == truth.knee(front)["hash"]
        assert first["roles"].startswith("preferred,knee")
        assert whole.reference["hash"].item() == front["hash"].iloc[-1]
        saving = costs.saving(whole, first)
        best = front.iloc[-1]
        assert saving.accuracy == pytest.approx(best["validation_accuracy"] - first["accuracy"])
        assert saving.energy == pytest.approx(1 - first["energy_kwh"] / best["energy"])

    def test_top_fills_up_with_the_front_and_cuts(self, small, pool):
        view = ChooseView(TASK)
        roles = choose.among(small, pool, view).shortlist
        ten = choose.among(small, pool, view, 10).shortlist
        assert len(ten) == 10
        assert list(ten["hash"][: len(roles)]) == list(roles["hash"])
        filled = ten["cost"].iloc[len(roles) :]
        assert filled.is_monotonic_increasing
        assert list(choose.among(small, pool, view, 1).shortlist["hash"]) == [ten["hash"].iloc[0]]
        with pytest.raises(InvalidTop):
            choose.among(small, pool, view, 0)

    def test_a_budget_is_chosen_too_where_it_is_open(self, small, truth):
        task = replace(TASK, epochs=None)
        found = choose.choose(small, ChooseView(task, Needs(max_energy_kwh=0.05, min_accuracy=0.85)))
        parts = [truth.cells("5V", epochs).assign(epochs=epochs) for epochs in (4, 12, 36, 108)]
        every = pd.concat(parts)
        kept = every[(every["energy"] <= 0.05) & (every["validation_accuracy"] >= 0.85)]
        assert int(found.qualifying.sum()) == len(kept)
        best = found.shortlist[found.shortlist["position"] == found.roles["best"]].iloc[0]
        assert best["accuracy"] == kept["validation_accuracy"].max()
        assert len(found.candidates) == 4 * 2532

    def test_safest_keeps_the_limits_at_the_unfavourable_ends(self, bench, whole):
        view = ChooseView(needs=Needs(max_time_h=0.2, min_accuracy=0.9))
        found = choose.among(bench, whole.candidates, view)
        row = found.shortlist[found.shortlist["position"] == found.roles["safest"]].iloc[0]
        assert (row["accuracy"] if pd.isna(row["accuracy_low"]) else row["accuracy_low"]) >= 0.9
        assert (row["time_h"] if pd.isna(row["time_h_high"]) else row["time_h_high"]) <= 0.2
        assert found.roles["safest"] != found.roles["preferred"]

    def test_without_predictions_none_is_chosen(self, small, truth):
        view = ChooseView(Task("5V", lens=Lens(predicted=False)))
        found = choose.choose(small, view)
        known = truth.cells("5V", predicted=False)["validation_accuracy"].notna()
        assert int(found.qualifying.sum()) == known.sum() < len(known)
        assert set(found.shortlist["accuracy_provenance"]) == {"published"}

    def test_nothing_known_is_an_error(self, small):
        with pytest.raises(NothingKnown, match="facility or IT"):
            choose.choose(small, ChooseView(Task(lens=Lens(scope="GPU"))))


class TestTask:
    def test_images_size_and_classes(self, small, every, pool):
        task = replace(TASK, images=10_000, image_size=64, classes=100)
        other = candidates.load(small, task)
        row = details(small, pool, 5)
        cell = Cell.from_bits(int(row["vertices"]), int(row["edge_bits"]), row["ops"])
        here = details(small, other, 5)
        assert here["hash"] == cell.hash
        ratio = counted(cell, 64, 100) / counted(cell, 32, 10)
        assert counted(cell, 32, 10) == cell.multiply_adds
        assert here["energy_kwh"] == pytest.approx(row["energy_kwh"] / 4 * ratio)
        assert here["time_h"] == pytest.approx(row["time_h"] / 4 * ratio)
        assert here["multiply_adds"] == counted(cell, 64, 100)
        assert here["parameters"] == cell.trainable_parameters + 90 * 513
        assert here["accuracy"] == row["accuracy"]
        assert len(assumptions(task)) == 3
        assert assumptions(TASK) == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"image_size": 30},
            {"image_size": 4},
            {"classes": 1},
            {"images": 0},
            {"trainings": 0},
            {"epochs": 5},
            {"space": "6V"},
        ],
    )
    def test_out_of_range(self, wrong):
        with pytest.raises(EcnasError):
            Task(**wrong)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"max_energy_kwh": 0},
            {"max_time_h": -1},
            {"max_parameters": float("inf")},
            {"min_accuracy": 1.0},
            {"min_accuracy": float("nan")},
        ],
    )
    def test_impossible_needs(self, wrong):
        with pytest.raises(EcnasError):
            Needs(**wrong)


def counted(cell: Cell, size: int, classes: int) -> int:
    """Multiply-adds of the network, layer by layer from its description."""
    channels_in, total = 128, 9 * 3 * 128 * size**2
    side = size
    for stack in range(3):
        wide = 128 * 2**stack
        side = size // 2**stack
        for _ in range(3):
            total += of_cell(cell, channels_in, wide) * side**2
            channels_in = wide
    return total + 512 * classes


def of_cell(cell: Cell, channels_in: int, wide: int) -> int:
    from ecnas_core.cells.costs import vertex_channels

    channels = vertex_channels(channels_in, wide, cell.matrix)
    kernels = {"conv3x3-bn-relu": 9, "conv1x1-bn-relu": 1, "maxpool3x3": 0}
    operations = sum(kernels[name] * channels[v] ** 2 for v, name in enumerate(cell.ops[1:-1], start=1))
    return operations + sum(channels_in * channels[y] for y, fed in enumerate(cell.matrix[0]) if fed)


class TestDevices:
    @pytest.fixture
    def calibrated(self, tmp_path, few):
        bench = Benchmark(tmp_path, few)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(devices, "SPACES", {"4V": 4})
            devices.save(bench, "Titan Xp", hardware.measured_on(bench, "Titan Xp"))
        return bench

    def test_4v_has_what_was_measured_on_a_released_gpu(self, calibrated):
        measured = hardware.measured_on(calibrated, "Titan Xp").set_index("hash")["energy_kwh"].dropna()
        for epochs, provenance in ((4, "measured"), (108, "scaled")):
            pool = candidates.load(calibrated, Task("4V", epochs, lens=Lens(device="Titan Xp")))
            found = candidates.details(calibrated, pool, range(len(pool))).set_index("hash")
            known = found.loc[measured.index]
            assert known["energy_kwh"].to_numpy() == pytest.approx(measured.to_numpy() * epochs / 4)
            assert set(known["energy_provenance"]) == {provenance}
            assert known["energy_kwh_low"].isna().all()
            rest = found.drop(measured.index)
            assert (rest["energy_provenance"] == "predicted").all()
            assert len(found) == 91

    def test_the_gpu_alone_has_its_own_joules_at_every_budget(self, tmp_path, few):
        bench = Benchmark(tmp_path, few)
        for name in ("RTX 3060", "RTX 3090"):
            measured = hardware.measured_on(bench, name)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(devices, "SPACES", {"4V": 4})
                devices.save(bench, name, measured)
            joules = measured.set_index("hash")["gpu_energy_j"].dropna()
            assert len(joules) > 70
            pool = candidates.load(bench, Task("4V", None, 999_999_937, 508, 99_999, lens=Lens("GPU", device=name)))
            found = candidates.details(bench, pool, range(len(pool)))
            assert len(found) == 4 * 91
            for row in found[found["hash"].isin(joules.index)].itertuples():
                cell = Cell.from_bits(row.vertices, row.edge_bits, row.ops)
                images = 999_999_937 / 40_000 * counted(cell, 508, 99_999) / counted(cell, 32, 10)
                expected = joules[row.hash] / 3.6e6 * row.epochs / 4 * images
                assert row.energy_kwh == pytest.approx(expected, rel=1e-9)

    def test_times_are_told_to_be_of_the_benchmark_s_hardware(self):
        assert assumptions(Task()) == []
        (told,) = assumptions(Task(lens=Lens(device="RTX 3090")))
        assert "NAS-Bench-101" in told
        (told,) = assumptions(Task("4V", lens=Lens(device="RTX 3090")))
        assert "Quadro RTX 6000" in told

    def test_one_that_is_not_calibrated_is_named(self, small):
        with pytest.raises(UnknownDevice, match="calibrate"):
            choose.choose(small, ChooseView(Task(lens=Lens(device="Abacus"))))


class TestCosts:
    def test_once_and_a_year(self, small, pool, every):
        found = choose.among(small, pool, ChooseView(TASK))
        table = costs.table(found).set_index("hash")
        expected = every.set_index("hash")
        for row in table.itertuples():
            cell = expected.loc[row.Index]
            assert row.energy_kwh_year == pytest.approx(7 * cell["energy_kwh"])
            assert row.kgco2eq_year == pytest.approx(cell["footprint_kgco2eq"])
            assert row.kgco2eq == pytest.approx(cell["footprint_kgco2eq"] / 7)
            assert row.time_h_year == pytest.approx(7 * cell["time_h"])
        assert [roles for roles in table["roles"] if "reference" in roles] == ["best,reference"]


class TestView:
    @pytest.mark.parametrize(
        "view",
        [
            *PRESETS.values(),
            ChooseView(
                Task("4V", 12, 123, 64, 7, 9, Lens(scope="IT", country=None, g_per_kwh=300.0)),
                Needs(0.1, 0.2, 0.3, 1e6, 0.5),
                Weights(0.0, 2.5, 1.0),
                "time_h",
            ),
        ],
    )
    def test_a_link_and_python_give_the_view_back(self, view):
        assert ChooseView.from_params(view.to_params()) == view
        names = {"ChooseView": ChooseView, "Task": Task, "Needs": Needs, "Weights": Weights, "Lens": Lens}
        source = view.to_python().split("view = ")[1].split("\nchoice")[0]
        assert eval(source, names) == view

    def test_defaults_are_left_out(self):
        assert ChooseView().to_params() == {}

    @pytest.mark.parametrize(
        "params",
        [
            {"epochs": "5"},
            {"size": "x"},
            {"images": "²"},
            {"max_energy_kwh": "much"},
            {"min_accuracy": "2"},
            {"weight_size": "-1"},
            {"varied": "luck"},
            {"weight_energy": "0", "weight_accuracy": "0"},
        ],
    )
    def test_broken_links_are_named_errors(self, params):
        with pytest.raises(EcnasError):
            ChooseView.from_params(params)

    def test_python_runs(self, capsys):
        exec(compile(ChooseView(Task("4V")).to_python(), "copied", "exec"), {})
        assert "[3 rows x" in capsys.readouterr().out
