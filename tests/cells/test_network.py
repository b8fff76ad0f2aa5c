from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from ecnas_core.cells import Cell, enumerate_cells, network
from ecnas_core.cells.costs import BYTES_PER_ELEMENT

TEXTS = [
    "1=output(0)",
    "1=maxpool3x3(0) 2=output(1)",
    "1=conv3x3(0) 2=conv1x1(0) 3=output(0,1,2)",
    "1=conv3x3(0) 2=conv3x3(0) 3=maxpool3x3(0,1,2) 4=output(0,3)",
    "1=maxpool3x3(0) 2=conv1x1(0) 3=conv3x3(2) 4=conv1x1(3) 5=conv3x3(0,4) 6=output(1,4,5)",
]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_parameters_are_those_of_the_formula(uninitialised):
    cells = enumerate_cells("7V")
    for row in np.random.default_rng(3).choice(len(cells), 40, replace=False):
        with torch.device("meta"):
            module = cells[row].to_module()
        assert sum(parameter.numel() for parameter in module.parameters()) == cells[row].trainable_parameters


@pytest.mark.parametrize("text", TEXTS)
def test_multiply_adds_and_memory_traffic_are_those_that_hooks_count(text, uninitialised, monkeypatch):
    cell = Cell.from_text(text)
    with torch.device("meta"):
        module = cell.to_module()
        images = torch.empty(1, 3, 32, 32)
    multiply_adds = moved = 0

    def count_weights(layer, inputs, output):
        nonlocal multiply_adds
        positions = output.shape[2] * output.shape[3] if output.ndim == 4 else 1
        multiply_adds += layer.weight.numel() * positions

    def count_traffic(layer, inputs, output):
        nonlocal moved
        moved += inputs[0].numel() + output.numel() + sum(parameter.numel() for parameter in layer.parameters())

    def count_average_pool(layer, inputs, output):
        nonlocal moved
        moved += output.numel() + output.shape[1]

    def count_several(combine):
        def counting(terms, **options):
            nonlocal moved
            result = combine(terms, **options)
            if len(terms) > 1:
                moved += sum(term.numel() for term in terms) + result.numel()
            return result

        return counting

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count_weights)
        if isinstance(layer, network.ConvBnRelu | nn.MaxPool2d | nn.Linear):
            layer.register_forward_hook(count_traffic)
    module.body.register_forward_hook(count_average_pool)
    monkeypatch.setattr(network, "_sum", count_several(network._sum))
    monkeypatch.setattr(torch, "cat", count_several(torch.cat))
    module(images)
    assert cell.multiply_adds == multiply_adds
    assert cell.memory_traffic_bytes == BYTES_PER_ELEMENT * moved


@pytest.mark.parametrize("text", TEXTS)
def test_forward_and_backward(text):
    torch.manual_seed(0)
    module = Cell.from_text(text).to_module()
    logits = module(torch.randn(2, 3, 8, 8))
    assert logits.shape == (2, 10)
    nn.functional.cross_entropy(logits, torch.tensor([1, 7])).backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
    assert module.classifier.weight.grad.abs().sum() > 0
    assert module.stem[0].weight.grad.abs().sum() > 0


def test_stacks_halve_the_sides_and_double_the_channels():
    with torch.device("meta"):
        body = Cell.from_text("1=conv3x3(0) 2=output(1)").to_module().body
        values = torch.empty(1, 128, 32, 32)
    shapes = []
    for layer in body:
        values = layer(values)
        shapes.append(tuple(values.shape[1:]))
    assert shapes == [(128, 32, 32)] * 3 + [(128, 16, 16)] + [(256, 16, 16)] * 3 + [(256, 8, 8)] + [(512, 8, 8)] * 3


def test_a_cell_adds_cuts_projects_and_concatenates():
    cell = Cell.from_text("1=conv3x3(0) 2=maxpool3x3(0) 3=conv1x1(0,1) 4=output(0,1,2,3)")
    module = network.CellModule(cell, 8, 16).eval()
    assert module.channels == (8, 6, 5, 5, 16)
    x = torch.randn(2, 8, 4, 4)
    project, operate = module.projections, module.operations
    one = operate["1"](project["1"](x))
    two = operate["2"](project["2"](x))
    three = operate["3"](project["3"](x) + one[:, :5])
    expected = torch.cat([one, two, three], dim=1) + project["4"](x)
    torch.testing.assert_close(module(x), expected)


def test_cells_are_imported_without_torch():
    code = "import sys, ecnas_core.cells as c; c.neighbours(c.enumerate_cells('4V')[3]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
