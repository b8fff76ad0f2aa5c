"""A small graph network over bare cells: residual layers whose messages run along the edges and against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.cells import CellTable
from ecnas_core.cells.graph import adjacency, levels, predecessors
from ecnas_core.cells.spaces import MAX_VERTICES
from ecnas_core.surrogates.features import composition, kinds_at_vertices
from ecnas_core.surrogates.training import Cancel, Epoch, Progress, one_thread, tell

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

KINDS = 5
WIDTH = 64
LAYERS = 6
EPOCHS = 20
BATCH = 256
LEARNING_RATE = 3e-3
WARM_UP = 0.05
"""Share of the steps in which the learning rate rises to its full value; then it falls along a cosine."""
WEIGHT_DECAY = 0.3
LARGEST_GRADIENT = 1.0
HUBER = 0.05
"""Standardised error from which the loss is linear."""
_ROWS_AT_ONCE = 8_192
_OUTPUT_KIND = 4


@dataclass(frozen=True, eq=False)
class Graphs:
    """Cells as a graph network sees them; the numbering of the vertices does not matter.

    Attributes:
        nodes: shape (cells, 7, 12): what the vertex is (conv3x3, conv1x1, maxpool3x3, input, output), its channels by
            the output's, its longest distance from input and to output, how many paths lead to it and from it, its
            edges in and out; all 0 past a cell's last vertex.
        edges: shape (cells, 7, 7), rows the sources.
        whole: shape (cells, 10): ``features.composition`` and the logarithm of the work that it makes.
    """

    nodes: Singles
    edges: Singles
    whole: Singles

    def __len__(self) -> int:
        return len(self.nodes)

    def take(self, rows: npt.NDArray[np.int64]) -> Graphs:
        """Some of the cells."""
        return Graphs(self.nodes[rows], self.edges[rows], self.whole[rows])


def graphs(table: CellTable) -> Graphs:
    """Encode pruned cells."""
    pairs, of_row = table.graphs()
    kinds = kinds_at_vertices(table.vertices, table.operations()).T
    one_hot = np.eye(KINDS + 1, KINDS, dtype=np.float32)[kinds]
    wired = [_vertices(*pair) for pair in pairs]
    edges = np.zeros((len(pairs), MAX_VERTICES, MAX_VERTICES), np.float32)
    for row, (vertices, edge_bits) in enumerate(pairs):
        edges[row, :vertices, :vertices] = adjacency(vertices, edge_bits)
    found = composition(table)
    branches = found["branches"]
    work = (9 * found["n_conv3x3"] + found["n_conv1x1"]) / branches**2 + found["projections"] / branches
    whole = [*found.values(), np.log1p(work + found["residual"])]
    return Graphs(
        np.concatenate([one_hot, np.array(wired, np.float32).reshape(-1, MAX_VERTICES, 7)[of_row]], axis=2),
        edges[of_row],
        np.column_stack(whole).astype(np.float32),
    )


@dataclass(frozen=True, eq=False)
class GraphNetwork:
    """A trained network.

    Attributes:
        parameters: its weights, and the means and deviations of inputs and targets, by name.
    """

    parameters: Mapping[str, Singles]

    @one_thread()
    def predict(self, cells: Graphs) -> Floats:
        """The targets, shape (cells, targets)."""
        import torch

        parameters = {name: torch.from_numpy(values) for name, values in self.parameters.items()}
        parts = []
        with torch.no_grad():
            for start in range(0, len(cells), _ROWS_AT_ONCE):
                rows = [
                    torch.from_numpy(array[start : start + _ROWS_AT_ONCE])
                    for array in (cells.nodes, cells.edges, cells.whole)
                ]
                parts.append(_forward(parameters, *rows).numpy().astype(np.float64))
        standard = np.concatenate(parts) if parts else np.empty((0, len(self.parameters["target_mean"])))
        return standard * self.parameters["target_deviation"] + self.parameters["target_mean"]


@one_thread()
def train(
    cells: Graphs,
    targets: Floats,
    seed: int,
    part: str,
    epochs: int = EPOCHS,
    progress: Progress = None,
    cancel: Cancel = None,
) -> GraphNetwork:
    """Train by smooth L1 loss over all targets that are known, AdamW, warm-up and cosine.

    Args:
        cells: n cells, at least one.
        targets: shape (n, targets), NaN where not known; each target known of some cell.
        seed: of the first weights and the order of the cells.
        part: what is trained, for ``progress``.
        epochs: how often every cell is seen.
        progress: given each epoch with the mean loss over batches, in standardised units.
        cancel: polled after each epoch.

    Raises:
        Cancelled: it was to stop.
    """
    import torch

    mean = np.nanmedian(targets, axis=0)
    deviation = np.nanmedian(np.abs(targets - mean), axis=0) / 0.6745
    deviation = np.where(deviation > 0, deviation, 1)
    standard = torch.from_numpy(((targets - mean) / deviation).astype(np.float32))
    known = (~standard.isnan()).float()
    standard = standard.nan_to_num(0)
    inputs = [torch.from_numpy(array) for array in (cells.nodes, cells.edges, cells.whole)]
    spread = cells.whole.std(axis=0)
    fixed = {
        "whole_mean": torch.from_numpy(cells.whole.mean(axis=0)),
        "whole_deviation": torch.from_numpy(np.where(spread > 0, spread, 1).astype(np.float32)),
    }
    generator = torch.Generator().manual_seed(seed)
    weights = _first_weights(cells.nodes.shape[2], cells.whole.shape[1], targets.shape[1], generator)
    optimiser = torch.optim.AdamW(weights.values(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    batch = min(BATCH, len(cells))
    steps = epochs * (len(cells) // batch)
    warm = max(1, int(steps * WARM_UP))
    done = 0
    for epoch in range(epochs):
        order = torch.randperm(len(cells), generator=generator)
        losses = []
        for start in range(0, len(cells) - batch + 1, batch):
            rows = order[start : start + batch]
            cosine = 0.5 * (1 + np.cos(np.pi * max(0, done - warm) / max(1, steps - warm)))
            for group in optimiser.param_groups:
                group["lr"] = LEARNING_RATE * min((done + 1) / warm, cosine)
            found = _forward({**weights, **fixed}, *(array[rows] for array in inputs))
            apart = torch.nn.functional.smooth_l1_loss(found, standard[rows], beta=HUBER, reduction="none")
            loss = (apart * known[rows]).sum() / known[rows].sum().clamp_min(1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights.values(), LARGEST_GRADIENT)
            optimiser.step()
            losses.append(float(loss.detach()))
            done += 1
        tell(progress, cancel, Epoch(part, epoch + 1, epochs, float(np.mean(losses))))
    numbers = {name: values.detach().numpy() for name, values in {**weights, **fixed}.items()}
    scale = {"target_mean": mean.astype(np.float32), "target_deviation": deviation.astype(np.float32)}
    return GraphNetwork(numbers | scale)


def _first_weights(nodes: int, whole: int, targets: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    import torch

    shapes = {"embed": (nodes, WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"mix_{layer}": (3 * WIDTH, WIDTH), f"add_{layer}": (WIDTH, WIDTH)}
    shapes |= {"read": (3 * WIDTH + whole, 2 * WIDTH), "heads": (2 * WIDTH, targets)}
    weights = {}
    for name, (entering, leaving) in shapes.items():
        bound = entering**-0.5
        weights[name] = torch.rand((leaving, entering), generator=generator) * 2 * bound - bound
        weights[f"{name}_bias"] = torch.rand(leaving, generator=generator) * 2 * bound - bound
    for norm in (*(f"norm_{layer}" for layer in range(LAYERS)), "norm"):
        weights[norm], weights[f"{norm}_bias"] = torch.ones(WIDTH), torch.zeros(WIDTH)
    return {name: values.requires_grad_() for name, values in weights.items()}


def _forward(
    weights: Mapping[str, torch.Tensor], nodes: torch.Tensor, edges: torch.Tensor, whole: torch.Tensor
) -> torch.Tensor:
    """Standardised targets, shape (cells, targets)."""
    import torch
    from torch.nn.functional import gelu, layer_norm, linear

    def dense(name: str, values: torch.Tensor) -> torch.Tensor:
        return linear(values, weights[name], weights[f"{name}_bias"])

    def norm(name: str, values: torch.Tensor) -> torch.Tensor:
        return layer_norm(values, (WIDTH,), weights[name], weights[f"{name}_bias"]) * there

    there = nodes[:, :, :KINDS].sum(dim=2, keepdim=True)
    backward = edges.transpose(1, 2).contiguous()
    state = dense("embed", nodes)
    for layer in range(LAYERS):
        own = norm(f"norm_{layer}", state)
        heard = torch.cat([own, backward @ own, edges @ own], dim=2)
        state = state + dense(f"add_{layer}", gelu(dense(f"mix_{layer}", heard)))
    state = norm("norm", state)
    output = (state * nodes[:, :, _OUTPUT_KIND, None]).sum(dim=1)
    whole = (whole - weights["whole_mean"]) / weights["whole_deviation"]
    read = torch.cat([output, state[:, 0], state.sum(dim=1) / 3, whole], dim=1)
    return dense("heads", gelu(dense("read", read)))


def _vertices(vertices: int, edge_bits: int) -> Floats:
    """What the graph alone says of its vertices, shape (7, 7)."""
    edges = np.array(adjacency(vertices, edge_bits))
    sources = predecessors(vertices, edge_bits)
    from_input = np.array(levels(vertices, edge_bits))
    to_output = np.zeros(vertices)
    paths_in, paths_out = np.zeros(vertices), np.zeros(vertices)
    paths_in[0] = paths_out[-1] = 1
    for y in range(1, vertices):
        paths_in[y] = sum(paths_in[x] for x in sources[y])
    for y in reversed(range(1, vertices)):
        for x in sources[y]:
            to_output[x] = max(to_output[x], to_output[y] + 1)
            paths_out[x] += paths_out[y]
    channels = np.full(vertices, 1 / max(edges[1:-1, -1].sum(), 1))
    channels[[0, -1]] = 1
    found = np.zeros((MAX_VERTICES, 7))
    found[:vertices] = np.column_stack(
        [
            channels,
            from_input / 6,
            to_output / 6,
            np.log1p(paths_in),
            np.log1p(paths_out),
            edges.sum(axis=0) / 3,
            edges.sum(axis=1) / 3,
        ]
    )
    return found
