"""Table 3 against sums straight from the Parquet files, and against what the paper prints."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import reduction

DATA = Path(__file__).resolve().parents[2] / "data"
PRINTED = {
    ("4V", "gpu_days"): 3.758,
    ("4V", "kwh"): 48.931,
    ("4V", "kgco2eq"): 6.327,
    ("5V", "gpu_days"): 121.109,
    ("5V", "kwh"): 1970.495,
    ("5V", "kgco2eq"): 252.571,
    ("7V", "gpu_days"): 14037.058,
    ("7V", "kwh"): 259840.907,
}


def one(query: str) -> tuple:
    return duckdb.sql(query.format(data=DATA)).fetchall()[0]


@pytest.fixture(scope="module")
def table():
    return reduction.table_3(Benchmark.open()).set_index(["space", "quantity"])


def test_the_factors_are_the_budgets_that_were_not_trained():
    assert reduction.SCALED == (12 + 36 + 108) / 4
    assert reduction.UNTRAINED == (4 + 12 + 36 + 108) / 4


def test_printed_numbers_stand_beside(table):
    printed = table["printed"].dropna()
    assert printed.to_dict() == PRINTED


@pytest.mark.parametrize(
    ("space", "quantity", "expected"),
    [
        ("5V", "gpu_days", 121.109),
        ("5V", "kwh", 1970.495),
        ("5V", "kgco2eq", 252.572),
        ("4V", "gpu_days", 3.757),
        ("4V", "kwh", 62.198),
        ("4V", "kgco2eq", 5.832),
    ],
)
def test_known_values(table, space, quantity, expected):
    assert round(table.loc[(space, quantity), "recomputed"], 3) == expected


@pytest.mark.parametrize(("space", "cells"), [("4V", 91), ("5V", 2532)])
def test_sums_of_the_files(table, space, cells):
    days, kwh, kilograms = one(
        f"select 39 * sum(training_time_s) / 86400, 39 * sum(energy_kwh), 39 * sum(co2eq_g) / 1000 "
        f"from '{{data}}/results/energy_{space}9E_4epochs.parquet' where epochs = 4 and repeat = 1"
    )
    found = table.loc[space]
    assert found["recomputed"].to_dict() == pytest.approx({"gpu_days": days, "kwh": kwh, "kgco2eq": kilograms})
    assert set(found["cells"]) == {cells}
    assert set(found["factor"]) == {39}


def test_4v_is_the_first_repeat_and_what_linear_scaling_starts_from(table):
    repeats = duckdb.sql(
        f"select repeat, 39 * sum(training_time_s) / 86400, 39 * sum(energy_kwh) "
        f"from '{DATA}/results/energy_4V9E_4epochs.parquet' where epochs = 4 group by repeat order by repeat"
    ).fetchall()
    assert [round(days, 3) for _, days, _ in repeats] == [3.757, 3.754, 3.756]
    assert table.loc[("4V", "kwh"), "recomputed"] == pytest.approx(repeats[0][2])
    scaled = one("select sum(energy_kwh) from '{data}/results/energy_4V9E_linscale.parquet' where epochs > 4")[0]
    assert table.loc[("4V", "kwh"), "recomputed"] == pytest.approx(scaled, rel=1e-5)


def test_no_4_epoch_figures_give_what_is_printed_for_4v():
    sums = duckdb.sql(f"""
        with small as (select hash from '{DATA}/benchmark/7V.parquet' where vertices <= 4)
        select source, repeat, 39 * sum(energy_kwh), 39 * sum(co2eq_g) / 1000
        from read_parquet('{DATA}/results/energy_*.parquet') join small using (hash)
        where epochs = 4 and energy_kwh is not null group by all
    """).fetchall()
    assert len(sums) == 9
    assert all(abs(kwh / 48.931 - 1) > 0.04 and abs(kilograms / 6.327 - 1) > 0.04 for *_, kwh, kilograms in sums)


def test_7v_is_40_times_the_untrained_cells(table):
    cells, kwh = one("""
        select count(*), 40 * sum(round(abs(surrogate_energy_wh_4_epochs::double) / 1000, 6))
        from '{data}/benchmark/7V.parquet' anti join '{data}/results/ec-nas-measured-7v.parquet' using (hash)
    """)
    assert cells == 423_624 - 3_535
    assert reduction.untrained_7v(Benchmark.open()) == (cells, pytest.approx(kwh))
    found = table.loc[("7V", "kwh")]
    assert found["cells"] == 423_624 - 4_310 == 419_314
    assert found["recomputed"] == pytest.approx(kwh * 419_314 / cells)
    assert found["recomputed"] == pytest.approx(259_840.907, rel=2e-3)
    assert found["recomputed"] == pytest.approx(260_204, rel=1e-4)


def test_7v_days_and_footprint_are_no_numbers(table):
    assert table.loc["7V", "recomputed"].isna().to_dict() == {"gpu_days": True, "kwh": False, "kgco2eq": True}


def test_verdicts(table):
    assert table["verdict"].to_dict() == {
        ("4V", "gpu_days"): "agrees",
        ("4V", "kwh"): "differs",
        ("4V", "kgco2eq"): "differs",
        ("5V", "gpu_days"): "agrees",
        ("5V", "kwh"): "agrees",
        ("5V", "kgco2eq"): "agrees",
        ("7V", "gpu_days"): "unknown",
        ("7V", "kwh"): "close",
        ("7V", "kgco2eq"): "unknown",
    }
    row = table.loc[("4V", "kwh")]
    assert row["difference"] == pytest.approx(62.198136 - 48.931)
    assert row["relative"] == pytest.approx(62.198136 / 48.931 - 1)


def test_4v_as_it_was_measured_after_all():
    days, kwh, kilograms = one(
        "select sum(training_time_s) / 3 / 86400, sum(energy_kwh) / 3, sum(co2eq_g) / 3000 "
        "from '{data}/results/energy_4V9E_4epochs.parquet' where epochs in (12, 36, 108)"
    )
    found = reduction.measured_4v(Benchmark.open())
    assert found == pytest.approx({"gpu_days": days, "kwh": kwh, "kgco2eq": kilograms})
    assert round(found["kwh"], 2) == 53.80
