"""The network of the paper's energy surrogate, several trained side by side where several are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.surrogates.training import Cancel, Epoch, Progress, one_thread, tell

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]

HIDDEN = (128, 64, 32, 32)
EPOCHS = 200
BATCH = 32
LEARNING_RATE = 5e-3
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, eq=False)
class Perceptron:
    """A network with GELU between its layers and one output.

    Attributes:
        layers: weights, shape (inputs, outputs), and biases, shape (outputs,), of each layer.
    """

    layers: tuple[tuple[Weights, Weights], ...]

    def predict(self, inputs: Floats) -> Floats:
        """The outputs, shape (n,), for inputs of shape (n, d)."""
        import torch

        layers = [(torch.from_numpy(weight)[None], torch.from_numpy(bias)[None, None]) for weight, bias in self.layers]
        parts = [np.empty(0)]
        with torch.no_grad():
            for start in range(0, len(inputs), _ROWS_AT_ONCE):
                rows = torch.from_numpy(inputs[start : start + _ROWS_AT_ONCE].astype(np.float32))
                parts.append(_forward(layers, rows[None])[0].numpy().astype(np.float64))
        return np.concatenate(parts)


@one_thread()
def train(
    inputs: Floats, targets: Floats, seeds: list[int], part: str, progress: Progress = None, cancel: Cancel = None
) -> list[Perceptron]:
    """Train as the paper does: L1 loss, Adam, batches of 32, 200 epochs, the last weights.

    Args:
        inputs: shape (members, n, d), what each network is trained on, n at least 1.
        targets: shape (members, n).
        seeds: one a member, for its first weights and its order of the rows.
        part: what is trained, for ``progress``.
        progress: given each epoch with the mean loss over batches and members.
        cancel: polled after each epoch.

    Returns:
        One network a seed, each the same as if it were trained alone.

    Raises:
        Cancelled: it was to stop.
    """
    import torch

    x, y = (torch.from_numpy(array.astype(np.float32)) for array in (inputs, targets))
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    sizes = (x.shape[2], *HIDDEN, 1)
    layers = []
    for entering, leaving in pairwise(sizes):
        bound = entering**-0.5
        drawn = [torch.rand((entering + 1, leaving), generator=own) * 2 * bound - bound for own in generators]
        both = torch.stack(drawn)
        layers.append((both[:, :-1].clone().requires_grad_(), both[:, -1:].clone().requires_grad_()))
    optimiser = torch.optim.Adam([tensor for layer in layers for tensor in layer], lr=LEARNING_RATE, fused=True)
    members = torch.arange(len(seeds))[:, None]
    for epoch in range(EPOCHS):
        order = torch.stack([torch.randperm(x.shape[1], generator=own) for own in generators])
        losses = []
        for batch in torch.split(order, BATCH, dim=1):
            found = _forward(layers, x[members, batch])
            loss = (found - y[members, batch]).abs().mean(dim=1).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(float(loss.detach()) / len(seeds))
        tell(progress, cancel, Epoch(part, epoch + 1, EPOCHS, float(np.mean(losses))))
    return [
        Perceptron(tuple((weight[row].detach().numpy(), bias[row, 0].detach().numpy()) for weight, bias in layers))
        for row in range(len(seeds))
    ]


def _forward(layers: list[tuple[torch.Tensor, torch.Tensor]], rows: torch.Tensor) -> torch.Tensor:
    """Shape (members, n) for rows of shape (members, n, d)."""
    import torch

    for weight, bias in layers[:-1]:
        rows = torch.nn.functional.gelu(torch.baddbmm(bias, rows, weight))
    weight, bias = layers[-1]
    return torch.baddbmm(bias, rows, weight)[:, :, 0]
