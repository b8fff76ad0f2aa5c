"""What the network of a cell costs: channels, trainable parameters, multiply-adds, memory traffic.

The network is that of NAS-Bench-101 (Ying et al. 2019, section 2) on a 32 x 32 image of three channels: a 3x3 stem of
128 channels; three stacks of three cells, the channels doubling and the sides halving (2x2 max-pool) from stack to
stack; global average pool; a dense layer to 10 classes. A convolution has no bias and is followed by batch-norm, which
has two trainable parameters a channel, and ReLU.

All costs are sums over the vertices of a part fixed by the graph and a part chosen by the operation, so one small
table for each graph, of which there are few, gives them for any number of cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ecnas_core.cells.graph import adjacency, predecessors
from ecnas_core.cells.spaces import OPERATIONS

IMAGE_SIZE = 32
IMAGE_CHANNELS = 3
STEM_CHANNELS = 128
STACKS = 3
CELLS_PER_STACK = 3
CLASSES = 10
BYTES_PER_ELEMENT = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """What a layer, a cell or a network takes for one image in inference.

    Attributes:
        trainable_parameters: weights, and batch-norm's scale and offset.
        multiply_adds: multiply-accumulate operations of the convolutions and the dense layer; batch-norm, ReLU,
            additions and pooling, a few per mille of these, are not counted.
        elements_moved: numbers read and written, see `memory_traffic_bytes`.
    """

    trainable_parameters: int = 0
    multiply_adds: int = 0
    elements_moved: int = 0

    @property
    def memory_traffic_bytes(self) -> int:
        """Bytes read and written by fp32 inference on one image if nothing stays in a cache between layers.

        Every layer reads its inputs and its trainable parameters once and writes its output once. Convolution,
        batch-norm and ReLU are one layer; a sum of n > 1 tensors reads n and writes one; a concatenation of n > 1
        reads and writes all; truncation is a view and moves nothing.
        """
        return BYTES_PER_ELEMENT * self.elements_moved

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.trainable_parameters + other.trainable_parameters,
            self.multiply_adds + other.multiply_adds,
            self.elements_moved + other.elements_moved,
        )


def vertex_channels(
    input_channels: int, output_channels: int, matrix: Sequence[Sequence[int]] | NDArray[np.integer]
) -> tuple[int, ...]:
    """Return the channels that every vertex of a pruned cell puts out, as NAS-Bench-101 computes them.

    The output's channels are divided among the interior vertices that feed it, the first ones taking the remainder;
    every other interior vertex has as many as the widest one that it feeds.

    Args:
        input_channels: channels of the cell's input.
        output_channels: channels of the cell's output.
        matrix: the pruned adjacency matrix, rows the sources.

    Returns:
        One number for each vertex.
    """
    last = len(matrix) - 1
    channels = [input_channels, *[0] * (last - 1), output_channels]
    feeding_output = [v for v in range(1, last) if matrix[v][last]]
    for position, v in enumerate(feeding_output):
        share, remainder = divmod(output_channels, len(feeding_output))
        channels[v] = share + (position < remainder)
    for v in reversed(range(1, last)):
        if not channels[v]:
            channels[v] = max(channels[y] for y in range(v + 1, last) if matrix[v][y])
    return tuple(channels)


def network_cost(vertices: int, edge_bits: int, ops_digits: str) -> Cost:
    """Return the cost of the whole network of a pruned cell.

    Args:
        vertices: number of vertices, 2..7.
        edge_bits: the pruned graph.
        ops_digits: one digit for each interior vertex.

    Returns:
        The cost for one 32 x 32 image.
    """
    fixed, by_operation = graph_costs(vertices, edge_bits)
    chosen = (choices[int(digit)] for choices, digit in zip(by_operation, ops_digits, strict=True))
    return sum(chosen, start=fixed)


@cache
def graph_costs(vertices: int, edge_bits: int) -> tuple[Cost, tuple[tuple[Cost, ...], ...]]:
    """Return the cost of a network by the parts of its pruned graph.

    Args:
        vertices: number of vertices, 2..7.
        edge_bits: the pruned graph.

    Returns:
        The part that no operation changes, and for each interior vertex the part for each of the operations, summed
        over the nine cells of the network.
    """
    matrix = adjacency(vertices, edge_bits)
    taken_from = predecessors(vertices, edge_bits)
    fixed = _convolution(3, IMAGE_CHANNELS, STEM_CHANNELS, IMAGE_SIZE)
    by_operation = [[Cost()] * len(OPERATIONS) for _ in range(vertices - 2)]
    inputs = channels = STEM_CHANNELS
    size = IMAGE_SIZE
    for stack in range(STACKS):
        if stack:
            fixed += _pooling(channels, size, size // 2)
            channels *= 2
            size //= 2
        for _ in range(CELLS_PER_STACK):
            wide = vertex_channels(inputs, channels, matrix)
            fixed += _wiring(wide, taken_from, size)
            by_operation = [
                [sofar + cost for sofar, cost in zip(row, _operations(own, size), strict=True)]
                for row, own in zip(by_operation, wide[1:-1], strict=True)
            ]
            inputs = channels
    fixed += _pooling(channels, size, 1)
    fixed += _dense(channels, CLASSES)
    return fixed, tuple(map(tuple, by_operation))


def _wiring(channels: tuple[int, ...], taken_from: Sequence[Sequence[int]], size: int) -> Cost:
    cost = Cost()
    for own, sources in zip(channels[1:-1], taken_from[1:-1], strict=True):
        cost += _addition(len(sources), own, size)
        if 0 in sources:
            cost += _convolution(1, channels[0], own, size)
    concatenated = sum(source > 0 for source in taken_from[-1])
    if concatenated > 1:
        cost += Cost(elements_moved=2 * channels[-1] * size**2)
    if 0 in taken_from[-1]:
        cost += _convolution(1, channels[0], channels[-1], size)
        cost += _addition(1 + (concatenated > 0), channels[-1], size)
    return cost


def _operations(channels: int, size: int) -> tuple[Cost, ...]:
    return (
        _convolution(3, channels, channels, size),
        _convolution(1, channels, channels, size),
        _pooling(channels, size, size),
    )


def _convolution(kernel: int, inputs: int, outputs: int, size: int) -> Cost:
    weights = kernel**2 * inputs * outputs
    parameters = weights + 2 * outputs
    return Cost(parameters, weights * size**2, parameters + (inputs + outputs) * size**2)


def _pooling(channels: int, size_before: int, size_after: int) -> Cost:
    return Cost(elements_moved=channels * (size_before**2 + size_after**2))


def _addition(terms: int, channels: int, size: int) -> Cost:
    return Cost(elements_moved=(terms + 1) * channels * size**2) if terms > 1 else Cost()


def _dense(inputs: int, outputs: int) -> Cost:
    parameters = inputs * outputs + outputs
    return Cost(parameters, inputs * outputs, parameters + inputs + outputs)
