"""The standalone source of a network against ``Cell.to_module``: same weights, same output, with torch alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from ecnas_core.cells import Cell, enumerate_cells
from ecnas_core.cells.source import network_source

TEXTS = [
    "1=output(0)",
    "1=maxpool3x3(0) 2=output(1)",
    "1=conv3x3(0) 2=conv1x1(0) 3=output(0,1,2)",
    "1=conv3x3(0) 2=conv3x3(0) 3=maxpool3x3(0,1,2) 4=output(0,3)",
    "1=maxpool3x3(0) 2=conv1x1(0) 3=conv3x3(2) 4=conv1x1(3) 5=conv3x3(0,4) 6=output(1,4,5)",
]
ALONE = """\
import importlib, json, sys
import torch
torch.set_num_threads(1)
outputs, parameters = [], []
for name in ("first", "second"):
    network = importlib.import_module(name).Network()
    network.load_state_dict(torch.load(name + ".pt"))
    outputs.append({})
    with torch.inference_mode():
        for mode in ("eval", "train"):
            getattr(network, mode)()
            outputs[-1][mode] = network(torch.load("images.pt"))
    parameters.append(sum(each.numel() for each in network.parameters()))
torch.save(outputs, "outputs.pt")
foreign = {name.split(".")[0] for name in sys.modules} & set(json.loads(sys.argv[1]))
assert not foreign, foreign
print(*parameters)
"""
FOREIGN = [
    "ecnas_core",
    "pages",
    "streamlit",
    "pandas",
    "duckdb",
    "pyarrow",
    "pymoo",
    "scipy",
    "sklearn",
    "carbontracker",
]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_same_output_with_the_same_weights_in_a_process_with_torch_alone(tmp_path):
    """The process sees its folder and installed packages only."""
    cells = [Cell.from_text(text) for text in (TEXTS[2], TEXTS[4])]
    torch.manual_seed(1)
    modules = [cell.to_module() for cell in cells]
    images = torch.randn(2, 3, 16, 16)
    torch.save(images, tmp_path / "images.pt")
    for name, cell, module in zip(("first", "second"), cells, modules, strict=True):
        torch.save(module.state_dict(), tmp_path / f"{name}.pt")
        (tmp_path / f"{name}.py").write_text(network_source(cell))
    (tmp_path / "alone.py").write_text(ALONE)
    code = "import sys; sys.path.insert(0, '.'); exec(open('alone.py').read())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, json.dumps(FOREIGN)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [int(count) for count in done.stdout.split()] == [cell.trainable_parameters for cell in cells]
    for outputs, module in zip(torch.load(tmp_path / "outputs.pt"), modules, strict=True):
        with torch.inference_mode():
            for mode in ("eval", "train"):
                assert torch.equal(outputs[mode], getattr(module, mode)()(images)), mode


def test_every_kind_of_cell_has_the_parameters_of_its_module(uninitialised):
    cells = enumerate_cells("5V")
    some = [Cell.from_text(text) for text in TEXTS] + [cells[row] for row in range(0, len(cells), 400)]
    for cell in some:
        namespace: dict = {"__name__": "network"}
        with torch.device("meta"):
            exec(compile(network_source(cell), "network.py", "exec"), namespace)
            network, module = namespace["Network"](), cell.to_module()
            shapes = {name: each.shape for name, each in module.state_dict().items()}
            assert {name: each.shape for name, each in network.state_dict().items()} == shapes, cell
            assert network(torch.empty(1, 3, 64, 64)).shape == (1, 10)


def test_classes():
    namespace: dict = {"__name__": "network"}
    cell = Cell.from_text(TEXTS[1])
    source = network_source(cell, 7)
    with torch.device("meta"):
        exec(compile(source, "network.py", "exec"), namespace)
        network = namespace["Network"]()
    parameters = sum(each.numel() for each in network.parameters())
    assert parameters == cell.trainable_parameters - 3 * 513
    assert f"{parameters:,} trainable parameters with 7 classes" in source


def test_it_says_which_cell_it_is_and_fits_the_width():
    for text in TEXTS:
        cell = Cell.from_text(text)
        source = network_source(cell)
        assert cell.hash in source and cell.to_text() in source
        assert max(map(len, source.splitlines())) <= 120
