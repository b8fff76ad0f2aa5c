"""Which tests a change affects: those that reach the changed file, and all where that cannot be told."""

from __future__ import annotations

import pytest

from tests.affected import ROOT, affected, without_browser


def names(*changed: str) -> set[str]:
    return {path.relative_to(ROOT / "tests").as_posix() for path in affected(ROOT / name for name in changed)}


def test_by_imports_at_any_depth():
    found = names("ecnas_core/analysis/swaps.py")
    assert {
        "analysis/test_swaps.py",
        "figures/test_swaps_figures.py",
        "pages/test_swaps_page.py",
        "test_arrows.py",
    } <= found
    assert found.isdisjoint({"cells/test_cell.py", "pages/test_hardware_page.py", "measure/test_nvml.py"})


@pytest.mark.parametrize(
    ("changed", "affects", "spares"),
    [
        ("ecnas_core/benchmark/views.sql", "benchmark/test_store.py", "cells/test_cell.py"),
        ("pages/widgets/cell_editor.js", "pages/test_measure_page.py", "pages/test_data_page.py"),
        ("ecnas_core/surrogates/handler.py", "surrogates/test_runs.py", "cells/test_cell.py"),
        ("pages/data.py", "pages/test_data_page.py", "pages/test_swaps_page.py"),
        ("pages/widgets/sql_box.py", "pages/test_data_page.py", "pages/test_swaps_page.py"),
        ("pages/widgets/session.py", "pages/test_swaps_page.py", "benchmark/test_store.py"),
        ("tests/pages/conftest.py", "pages/test_swaps_page.py", "benchmark/test_store.py"),
        ("tests/carbon/test_lens.py", "carbon/test_lens.py", "carbon/test_countries.py"),
    ],
)
def test_by_files_that_a_module_names_and_pages_that_a_test_opens(changed, affects, spares):
    found = names(changed)
    assert affects in found
    assert spares not in found


@pytest.mark.parametrize("changed", ["data/benchmark/7V.parquet", "requirements-dev.txt", "ecnas_core/of_nobody.py"])
def test_what_cannot_be_placed_affects_all(changed):
    assert len(names(changed)) == len(without_browser())


@pytest.mark.parametrize("changed", ["README.md", "tests/journeys/test_home.py", "tests/analysis/test_deleted.py"])
def test_what_no_test_without_a_browser_depends_on_affects_none(changed):
    assert names(changed) == set()
