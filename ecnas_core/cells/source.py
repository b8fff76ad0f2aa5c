"""The network of a cell as Python source that needs torch and nothing else.

It computes what ``cells.network`` does, in the same order, and its weights have the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template
from typing import TYPE_CHECKING

from ecnas_core.cells import graph
from ecnas_core.cells.costs import CELLS_PER_STACK, CLASSES, IMAGE_CHANNELS, STACKS, STEM_CHANNELS, vertex_channels

if TYPE_CHECKING:
    from ecnas_core.cells.cell import Cell

_TEMPLATE = Template('''\
"""The network of one cell of NAS-Bench-101, an image classifier: images (N, 3, H, W) to logits (N, classes).

Cell $hash:
    $text

A 3x3 stem of $stem channels; $stacks stacks of $cells cells, the channels doubling and the sides halving from stack to
stack; global average pool; a dense layer (Ying et al. 2019, section 2). H and W are any multiples of 4. It has
$parameters trainable parameters with $classes classes.
"""

import torch
from torch import Tensor, nn

CLASSES = $classes

# Output channels of each vertex of the cell, by those of the cell.
CHANNELS = {
$channels}


class ConvBnRelu(nn.Sequential):
    """Convolution that keeps height and width, batch-norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels, eps=1e-5, momentum=1 - 0.997),
            nn.ReLU(),
        )


class Cell(nn.Module):
    """(N, in_channels, H, W) to (N, out_channels, H, W).

    An edge from the input is a 1x1 projection. A vertex adds up what it takes in, cut to its own number of channels,
    and applies its operation.$output
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.channels = CHANNELS[out_channels]
        self.operations = nn.ModuleDict(
            {
$operations            }
        )
        self.projections = nn.ModuleDict(
            {
$projections            }
        )

    def forward(self, inputs: Tensor) -> Tensor:
$locals$forward

class Network(nn.Module):
    """The whole network."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = ConvBnRelu($images, $stem, kernel_size=3)
        self.body = nn.Sequential(
$body        )
        self.classifier = nn.Linear($features, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.body(self.stem(images)).mean(dim=(2, 3)))


if __name__ == "__main__":
    network = Network()
    print(network)
    print(sum(each.numel() for each in network.parameters()), "trainable parameters")
''')
_LOCALS = {"operate": "operations", "project": "projections", "channels": "channels"}


def network_source(cell: Cell, classes: int = CLASSES) -> str:
    """A module with the classes ``Network``, ``Cell`` and ``ConvBnRelu``.

    Args:
        cell: whose network.
        classes: of images.

    Returns:
        The source; ``Network().load_state_dict`` takes the weights of ``cell.to_module()`` where both have 10 classes.
    """
    sources = graph.predecessors(cell.vertices, cell.edge_bits)
    last = cell.vertices - 1
    stacks = [STEM_CHANNELS * 2**stack for stack in range(STACKS)]
    widths = [vertex_channels(wide, wide, cell.matrix) for wide in stacks]
    projected = [vertex for vertex in range(1, cell.vertices) if 0 in sources[vertex]]
    concatenated = [source for source in sources[last] if source]
    forward = "".join(
        f'        v{vertex} = operate["{vertex}"]({_sum(sources[vertex], vertex, widths)})\n'
        for vertex in range(1, last)
    )
    forward += f"        return {_output(concatenated, last in projected, last)}\n"
    return _TEMPLATE.substitute(
        hash=cell.hash,
        text=cell.to_text(),
        stem=STEM_CHANNELS,
        stacks=STACKS,
        cells=CELLS_PER_STACK,
        images=IMAGE_CHANNELS,
        classes=classes,
        features=stacks[-1],
        parameters=f"{cell.trainable_parameters + (stacks[-1] + 1) * (classes - CLASSES):,}",
        channels="".join(f"    {wide[-1]}: {dict(enumerate(wide[1:], start=1))},\n" for wide in widths),
        output=_output_told(concatenated, last in projected),
        operations="".join(
            f'                "{vertex}": {_operation(int(digit), vertex)},\n'
            for vertex, digit in enumerate(cell.ops_digits, start=1)
        ),
        projections="".join(
            f'                "{vertex}": ConvBnRelu(in_channels, self.channels[{vertex}], kernel_size=1),\n'
            for vertex in projected
        ),
        locals="".join(f"        {short} = self.{name}\n" for short, name in _LOCALS.items() if f"{short}[" in forward),
        forward=forward,
        body="".join(f"            {line},\n" for line in _body(stacks)),
    )


def _operation(digit: int, vertex: int) -> str:
    if digit == 2:
        return "nn.MaxPool2d(kernel_size=3, stride=1, padding=1)"
    kernel = 3 if digit == 0 else 1
    return f"ConvBnRelu(self.channels[{vertex}], self.channels[{vertex}], kernel_size={kernel})"


def _sum(sources: Sequence[int], vertex: int, widths: Sequence[Sequence[int]]) -> str:
    terms = []
    for source in sources:
        cut = f"[:, : channels[{vertex}]]" if any(wide[source] > wide[vertex] for wide in widths) else ""
        terms.append(f"v{source}{cut}" if source else _projection(vertex))
    return " + ".join(terms)


def _projection(vertex: int) -> str:
    return f'project["{vertex}"](inputs)'


def _output(concatenated: list[int], projected: bool, last: int) -> str:
    values = ", ".join(f"v{source}" for source in concatenated)
    parts = [f"torch.cat([{values}], dim=1)"] if concatenated else []
    return " + ".join([*parts, *([_projection(last)] if projected else [])])


def _output_told(concatenated: list[int], projected: bool) -> str:
    concat = "the concatenation of " + ", ".join(map(str, concatenated)) if concatenated else ""
    told = " plus ".join(filter(None, [concat, "the projected input" if projected else ""]))
    return f" The output is {told}."


def _body(stacks: list[int]) -> list[str]:
    lines = []
    before = STEM_CHANNELS
    for number, wide in enumerate(stacks):
        if number:
            lines.append("nn.MaxPool2d(kernel_size=2, stride=2)")
        for _ in range(CELLS_PER_STACK):
            lines.append(f"Cell({before}, {wide})")
            before = wide
    return lines
