"""The network of a cell in torch: NAS-Bench-101's skeleton for CIFAR-10 (Ying et al. 2019, section 2).

Weights are torch's defaults; batch-norm's decay and epsilon are NAS-Bench-101's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecnas_core.cells.costs import CELLS_PER_STACK, CLASSES, IMAGE_CHANNELS, STACKS, STEM_CHANNELS, vertex_channels
from ecnas_core.cells.graph import predecessors

if TYPE_CHECKING:
    from ecnas_core.cells.cell import Cell

BATCH_NORM_MOMENTUM = 1 - 0.997
BATCH_NORM_EPSILON = 1e-5


class ConvBnRelu(nn.Sequential):
    """Convolution that keeps height and width, batch-norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM),
            nn.ReLU(),
        )


class CellModule(nn.Module):
    """One cell: (N, in_channels, H, W) to (N, out_channels, H, W).

    An edge from the input is a 1x1 projection. An interior vertex adds up what it takes in, cut to its own number of
    channels, and applies its operation. The output concatenates the interior vertices that feed it and adds the
    projected input if an edge leads there.
    """

    def __init__(self, cell: Cell, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.sources = predecessors(cell.vertices, cell.edge_bits)
        self.channels = vertex_channels(in_channels, out_channels, cell.matrix)
        self.operations = nn.ModuleDict(
            {str(v): _operation(int(digit), self.channels[v]) for v, digit in enumerate(cell.ops_digits, start=1)}
        )
        self.projections = nn.ModuleDict(
            {
                str(v): ConvBnRelu(in_channels, self.channels[v], kernel_size=1)
                for v in range(1, cell.vertices)
                if 0 in self.sources[v]
            }
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the cell to a batch."""
        values = [inputs]
        for v, operation in self.operations.items():
            terms = [self._edge(values, source, int(v)) for source in self.sources[int(v)]]
            values.append(operation(_sum(terms)))
        last = len(self.sources) - 1
        concatenated = [values[source] for source in self.sources[last] if source]
        terms = [torch.cat(concatenated, dim=1)] if concatenated else []
        if 0 in self.sources[last]:
            terms.append(self._edge(values, 0, last))
        return _sum(terms)

    def _edge(self, values: list[Tensor], source: int, target: int) -> Tensor:
        if source == 0:
            projected: Tensor = self.projections[str(target)](values[0])
            return projected
        return values[source][:, : self.channels[target]]


class Network(nn.Module):
    """The whole network: images (N, 3, 32, 32) to logits (N, 10)."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.stem = ConvBnRelu(IMAGE_CHANNELS, STEM_CHANNELS, kernel_size=3)
        layers: list[nn.Module] = []
        in_channels = out_channels = STEM_CHANNELS
        for stack in range(STACKS):
            if stack:
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
                out_channels *= 2
            for _ in range(CELLS_PER_STACK):
                layers.append(CellModule(cell, in_channels, out_channels))
                in_channels = out_channels
        self.body = nn.Sequential(*layers)
        self.classifier = nn.Linear(out_channels, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of a batch of images."""
        features = self.body(self.stem(images)).mean(dim=(2, 3))
        logits: Tensor = self.classifier(features)
        return logits


def _operation(digit: int, channels: int) -> nn.Module:
    if digit == 2:
        return nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
    return ConvBnRelu(channels, channels, kernel_size=3 if digit == 0 else 1)


def _sum(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
