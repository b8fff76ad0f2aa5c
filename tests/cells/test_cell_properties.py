from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.cells import OPERATIONS, Cell, CellTable, labelled_graphs


def labelled_cell(row: int) -> Cell:
    return CellTable.from_keys(labelled_graphs("7V").keys[row : row + 1])[0]


cells = st.integers(0, 1_293_207).map(labelled_cell)


@st.composite
def renumberings(draw: st.DrawFn, cell: Cell) -> list[int]:
    """An order of the vertices in which every edge goes forward still."""
    order: list[int] = []
    waiting = set(range(cell.vertices))
    while waiting:
        ready = [v for v in sorted(waiting) if not any(cell.matrix[x][v] for x in waiting)]
        order.append(draw(st.sampled_from(ready)))
        waiting.remove(order[-1])
    return order


@given(cells)
def test_every_form_round_trips(cell):
    assert Cell.from_bits(cell.vertices, cell.edge_bits, cell.ops_digits) == cell
    assert Cell(cell.matrix, cell.ops) == cell
    assert Cell.from_json(cell.to_json()) == cell
    assert Cell.from_text(cell.to_text()) == cell
    assert pickle.loads(pickle.dumps(cell)) == cell
    assert eval(repr(cell), {"Cell": Cell}) == cell
    table = CellTable.from_digits([cell.vertices], [cell.edge_bits], [cell.ops_digits])
    assert (table[0], table.ops_digits) == (cell, [cell.ops_digits])


@given(st.data(), cells)
def test_isomorphic_cells_have_one_hash(data, cell):
    order = data.draw(renumberings(cell))
    matrix = np.array(cell.matrix)[np.ix_(order, order)]
    twin = Cell(matrix, [cell.ops[v] for v in order])
    assert twin.hash == cell.hash
    assert (twin.depth, twin.width, twin.edges) == (cell.depth, cell.width, cell.edges)


@given(cells, st.integers(0, 4), st.integers(0, 2))
def test_another_operation_makes_another_hash(cell, position, digit):
    digits = cell.ops_digits
    changed = digits[:position] + str(digit) + digits[position + 1 :]
    if sorted(changed) != sorted(digits) and len(changed) == len(digits):
        assert Cell.from_bits(cell.vertices, cell.edge_bits, changed).hash != cell.hash


@given(st.data(), cells)
def test_dangling_vertices_change_nothing(data, cell):
    matrix, ops = np.array(cell.matrix), list(cell.ops)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(1, len(ops) - 1))
        matrix = np.insert(np.insert(matrix, place, 0, axis=0), place, 0, axis=1)
        ops.insert(place, data.draw(st.sampled_from(OPERATIONS)))
        if data.draw(st.booleans()):
            matrix[:place, place] = data.draw(st.lists(st.integers(0, 1), min_size=place, max_size=place))
        else:
            after = len(ops) - place - 1
            matrix[place, place + 1 :] = data.draw(st.lists(st.integers(0, 1), min_size=after, max_size=after))
    assert Cell(matrix, ops) == cell
