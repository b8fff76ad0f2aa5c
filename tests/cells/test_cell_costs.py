from __future__ import annotations

import pytest

from ecnas_core.cells import Cell
from ecnas_core.cells.costs import vertex_channels

PLAIN = Cell.from_text("1=output(0)")


def test_parameters_of_the_two_vertex_cell():
    assert PLAIN.trainable_parameters == 882_570


def test_multiply_adds_of_the_two_vertex_cell():
    projections = [(128, 128, 32)] * 3 + [(128, 256, 16)] + [(256, 256, 16)] * 2 + [(256, 512, 8)] + [(512, 512, 8)] * 2
    expected = 27 * 128 * 32**2 + sum(i * o * size**2 for i, o, size in projections) + 512 * 10
    assert PLAIN.multiply_adds == expected


def test_memory_traffic_of_the_two_vertex_cell():
    stem = (3 + 128) * 32**2
    stacks = 3 * 256 * 32**2 + (384 + 2 * 512) * 16**2 + (768 + 2 * 1024) * 8**2
    pools = 128 * (32**2 + 16**2) + 256 * (16**2 + 8**2) + 512 * (8**2 + 1)
    dense = 512 + 10
    assert PLAIN.memory_traffic_bytes == 4 * (882_570 + stem + stacks + pools + dense)


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("1=output(0)", (128, 256)),
        ("1=conv3x3(0) 2=output(0,1)", (128, 256, 256)),
        ("1=conv3x3(0) 2=conv3x3(0) 3=conv1x1(0) 4=output(1,2,3)", (128, 86, 85, 85, 256)),
        ("1=conv3x3(0) 2=conv3x3(1) 3=conv1x1(1) 4=output(2,3)", (128, 128, 128, 128, 256)),
        ("1=conv3x3(0) 2=conv3x3(0,1) 3=conv1x1(1) 4=conv1x1(0) 5=output(2,3,4)", (128, 86, 86, 85, 85, 256)),
    ],
)
def test_channels_are_divided_among_the_vertices_that_feed_the_output(text, channels):
    assert vertex_channels(128, 256, Cell.from_text(text).matrix) == channels


def test_channels_of_the_first_cell():
    assert Cell.from_text("1=conv3x3(0) 2=conv3x3(0) 3=output(1,2)").channels == (128, 64, 64, 128)
