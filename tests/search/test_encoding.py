from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.cells import SPACES, Cell, InvalidCell
from ecnas_core.search.encoding import NO_CELL, Genomes, cell_lookup, edge_count

SPACE = st.sampled_from(sorted(SPACES))


@st.composite
def genomes(draw) -> tuple[str, Genomes]:
    space = draw(SPACE)
    vertices = SPACES[space]
    bits = draw(st.lists(st.integers(0, 2 ** edge_count(vertices) - 1), min_size=1, max_size=8))
    ops = [draw(st.lists(st.integers(0, 2), min_size=vertices - 2, max_size=vertices - 2)) for _ in bits]
    return space, Genomes(np.array(bits, np.int32), np.array(ops, np.int8))


def cell_of(genomes: Genomes, place: int) -> Cell | None:
    """By the library's own pruning and validation."""
    try:
        return next(genomes[place : place + 1].cells())
    except InvalidCell:
        return None


@given(genomes())
def test_rows_are_those_of_the_cells_by_their_hashes(drawn):
    space, lot = drawn
    lookup = cell_lookup(space)
    for place, row in enumerate(lookup.rows(lot).tolist()):
        cell = cell_of(lot, place)
        assert (row == NO_CELL) == (cell is None)
        if cell is not None:
            assert lookup.cells[row].hash == cell.hash


@pytest.mark.parametrize("space", ["4V", "5V", "7V"])
def test_thousands_of_random_genomes_have_the_right_cell(space):
    """The share of valid graphs is the paper's problem with uniform bits, so both kinds are plenty."""
    lookup, rng = cell_lookup(space), np.random.default_rng(1)
    lot = Genomes(
        rng.integers(0, 2 ** edge_count(lookup.vertices), 2000, dtype=np.int32),
        rng.integers(0, 3, (2000, lookup.vertices - 2), dtype=np.int8),
    )
    cells = [cell_of(lot, place) for place in range(len(lot))]
    rows = lookup.rows(lot)
    assert [cell is None for cell in cells] == (rows == NO_CELL).tolist()
    assert 400 < (rows == NO_CELL).sum() < 1600 or space == "5V"
    valid = rows[rows != NO_CELL]
    assert lookup.hashes(valid) == [cell.hash for cell in cells if cell is not None]


@pytest.mark.parametrize("space", ["4V", "5V", "7V"])
def test_every_cell_has_a_genome(space):
    lookup = cell_lookup(space)
    rows = np.arange(len(lookup.cells), dtype=np.int32)
    assert np.array_equal(lookup.rows(lookup.genomes(rows)), rows)


def test_bits_are_the_matrix_read_column_by_column():
    """Bit x + y(y-1)/2 is the edge x -> y."""
    lot = Genomes(np.array([0b101101], np.int32), np.array([[2, 0]], np.int8))
    matrix = np.array([[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    assert next(lot.cells()) == Cell(matrix, ["input", "maxpool3x3", "conv3x3-bn-relu", "output"])
