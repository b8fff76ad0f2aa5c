"""The paper's network: its shape, its learning, and members that do not see each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import multilayer_perceptron


@pytest.fixture(scope="module")
def drawn():
    inputs = np.random.default_rng(0).normal(size=(2, 96, 36))
    return inputs, 10 + 2 * inputs[:, :, 0] - inputs[:, :, 1]


@pytest.fixture(scope="module")
def trained(drawn):
    return multilayer_perceptron.train(*drawn, seeds=[0, 1], part="law")


def test_layers_are_the_papers(trained):
    shapes = [(36, 128), (128, 64), (64, 32), (32, 32), (32, 1)]
    for network in trained:
        assert [weight.shape for weight, _ in network.layers] == shapes
        assert [bias.shape for _, bias in network.layers] == [(leaving,) for _, leaving in shapes]


def test_it_learns(drawn, trained):
    inputs, targets = drawn
    for member, network in enumerate(trained):
        assert np.abs(network.predict(inputs[member]) - targets[member]).mean() < 0.5


def test_it_computes_what_torch_computes(drawn, trained):
    modules = []
    for weight, bias in trained[0].layers:
        linear = torch.nn.Linear(*weight.shape)
        linear.load_state_dict({"weight": torch.from_numpy(weight.T), "bias": torch.from_numpy(bias)})
        modules += [linear, torch.nn.GELU()]
    rows = torch.from_numpy(drawn[0][0].astype(np.float32))
    with torch.no_grad():
        expected = torch.nn.Sequential(*modules[:-1])(rows)[:, 0].numpy()
    assert np.allclose(trained[0].predict(drawn[0][0]), expected, atol=1e-4)


def test_a_member_is_the_same_alone(drawn, trained):
    inputs, targets = drawn
    [alone] = multilayer_perceptron.train(inputs[1:], targets[1:], seeds=[1], part="law")
    assert np.allclose(alone.predict(inputs[1]), trained[1].predict(inputs[1]), atol=0.05)


def test_nothing_to_predict(trained):
    assert trained[0].predict(np.empty((0, 36))).shape == (0,)


def test_progress_and_cancelling(drawn):
    told = []
    with pytest.raises(Cancelled, match="stopped after 20 of 200"):
        multilayer_perceptron.train(
            *drawn, seeds=[0, 1], part="law", progress=told.append, cancel=lambda: len(told) == 20
        )
    assert told[-1].loss < told[0].loss / 2
