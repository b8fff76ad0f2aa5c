from __future__ import annotations

import pandas as pd
import pytest

from ecnas_core import Benchmark


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """The bundled figures alone."""
    return Benchmark(tmp_path_factory.mktemp("user"), Benchmark.open().bundled)


@pytest.fixture(scope="session")
def energies(bench: Benchmark) -> dict[str, pd.Series]:
    """By space the published energy of every cell at 4 epochs in kWh, artefacts left out, by rising hash."""
    return {
        space: bench.frame(
            "select hash, energy_kwh from benchmark where space = ? and epochs = 4 and energy_artefact is null "
            "order by hash",
            [space],
        ).set_index("hash")["energy_kwh"]
        for space in ("4V", "5V", "7V")
    }
