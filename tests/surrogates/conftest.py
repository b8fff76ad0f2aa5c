from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from ecnas_core import Benchmark
from ecnas_core.surrogates import accuracy, graph_network
from ecnas_core.surrogates.accuracy import Published


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


@pytest.fixture(scope="session")
def published(bench: Benchmark) -> Published:
    """The published accuracies and times."""
    return accuracy.published(bench)


@pytest.fixture(scope="module")
def small_networks() -> Iterator[None]:
    """Graph networks of a size that trains in a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_network, "WIDTH", 24)
        patch.setattr(graph_network, "LAYERS", 3)
        patch.setattr(graph_network, "BATCH", 64)
        yield
