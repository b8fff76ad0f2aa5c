from __future__ import annotations

import json
import pickle
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.cells import (
    OPERATIONS,
    Cell,
    Draft,
    Dropped,
    History,
    InvalidCell,
    InvalidEdit,
    Reason,
)
from ecnas_core.cells.draft import UNDO_LIMIT
from ecnas_core.errors import EcnasError

CONV3, CONV1, POOL = OPERATIONS
DIAMOND = "1=conv3x3(0) 2=maxpool3x3(0) 3=output(1,2)"


class NoSuchHash(EcnasError):
    pass


def no_hash(digest: str) -> Cell:
    raise NoSuchHash(f"no cell has the hash {digest}")


def read(text: str) -> Draft:
    return Draft.parse(text, no_hash)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    vertices = draw(st.integers(2, 7))
    ops = draw(st.lists(st.sampled_from(OPERATIONS), min_size=vertices - 2, max_size=vertices - 2))
    pairs = [(x, y) for y in range(vertices) for x in range(y)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=len(pairs)))
    return Draft.from_edges(["input", *ops, "output"], edges)


def one_edit(draft: Draft, chance: random.Random) -> Draft:
    kind = chance.choice(["toggle", "cycle", "add", "remove"])
    interior = range(1, draft.vertices - 1)
    if kind == "add" and not draft.is_full:
        return draft.add_vertex()
    if kind == "cycle" and interior:
        return draft.cycle(chance.choice(interior))
    if kind == "remove" and interior:
        return draft.remove_vertex(chance.choice(interior))
    x, y = chance.sample(range(draft.vertices), 2)
    return draft.toggle((x, y))


class TestEdits:
    def test_a_cell_drawn_from_nothing(self):
        draft = Draft.blank()
        assert (draft.vertices, draft.edges, draft.ops) == (2, (), ("input", "output"))
        draft = draft.add_vertex().add_vertex().cycle(2).cycle(2)
        for edge in [(0, 1), (2, 0), (3, 1), (2, 3)]:
            draft = draft.toggle(edge)
        assert draft.ops == ("input", CONV3, POOL, "output")
        assert draft.matrix == ((0, 1, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0))
        assert draft.to_text() == DIAMOND
        assert draft.verdict.cell == Cell.from_text(DIAMOND)

    def test_operations_come_round(self):
        draft = read("1=conv3x3(0) 2=output(1)")
        assert [draft.cycle(1).ops[1], draft.cycle(1).cycle(1).ops[1]] == [CONV1, POOL]
        assert draft.cycle(1).cycle(1).cycle(1) == draft

    def test_an_operation_is_chosen(self):
        draft = read(DIAMOND)
        assert draft.with_operation(1, CONV1).to_text() == "1=conv1x1(0) 2=maxpool3x3(0) 3=output(1,2)"
        assert draft.with_operation(2, POOL) == draft
        with pytest.raises(InvalidCell, match="unknown operation 'input'"):
            draft.with_operation(1, "input")
        with pytest.raises(InvalidEdit, match="3 is no interior vertex"):
            draft.with_operation(3, POOL)

    def test_a_new_vertex_stands_before_the_output_and_keeps_the_edges(self):
        assert read(DIAMOND).add_vertex().to_text() == "1=conv3x3(0) 2=maxpool3x3(0) 3=conv3x3() 4=output(1,2)"

    def test_a_removed_vertex_takes_its_edges_along(self):
        draft = read("1=conv3x3(0) 2=maxpool3x3(0,1) 3=conv1x1(1,2) 4=output(1,3)")
        assert draft.remove_vertex(2).to_text() == "1=conv3x3(0) 2=conv1x1(1) 3=output(1,2)"

    @pytest.mark.parametrize("edge", [(1, 1), (0, 4), (-1, 2)])
    def test_no_edge_outside_the_drawing(self, edge):
        with pytest.raises(InvalidEdit, match=r"two different vertices of 0\.\.3"):
            read(DIAMOND).toggle(edge)

    @pytest.mark.parametrize("vertex", [0, 3, 4, -1])
    def test_input_and_output_have_no_operation_and_stay(self, vertex):
        for edit in (Draft.cycle, Draft.remove_vertex):
            with pytest.raises(InvalidEdit, match=r"choose one of 1\.\.2"):
                edit(read(DIAMOND), vertex)
        with pytest.raises(InvalidEdit, match="add one first"):
            Draft.blank().cycle(1)

    def test_seven_vertices_at_most(self):
        draft = Draft.blank()
        for _ in range(5):
            assert not draft.is_full
            draft = draft.add_vertex()
        assert (draft.vertices, draft.is_full) == (7, True)
        with pytest.raises(InvalidEdit, match="7 vertices are drawn"):
            draft.add_vertex()

    @given(drafts(), st.randoms(use_true_random=False))
    def test_an_edge_toggled_twice_changes_nothing(self, draft, chance):
        edge = tuple(chance.sample(range(draft.vertices), 2))
        once = draft.toggle(edge)
        assert {*once.edges} ^ {*draft.edges} == {(min(edge), max(edge))}
        assert once.toggle(edge) == draft


class TestVerdict:
    @given(drafts())
    def test_it_is_what_the_cell_says(self, draft):
        verdict = draft.verdict
        try:
            cell = Cell(draft.matrix, draft.ops)
        except InvalidCell as error:
            assert (verdict.cell, verdict.reason) == (None, error.reason)
            assert verdict.message and not verdict.channels
        else:
            assert (verdict.cell, verdict.reason, verdict.message) == (cell, None, "")
            assert verdict.pruned == (cell.vertices < draft.vertices)
            assert len(verdict.dropped) == draft.vertices - cell.vertices
            assert len(verdict.dropped_edges) == len(draft.edges) - cell.edges
            assert verdict.channels.keys() == {*draft.edges} - {*verdict.dropped_edges}

    @given(drafts())
    def test_what_it_drops_could_be_removed_by_hand(self, draft):
        by_hand = draft
        for vertex in sorted(draft.verdict.dropped, reverse=True):
            by_hand = by_hand.remove_vertex(vertex)
        assert by_hand.verdict.cell == draft.verdict.cell
        assert by_hand.verdict.reason == draft.verdict.reason
        assert not by_hand.verdict.pruned
        assert len(draft.edges) - len(by_hand.edges) == len(draft.verdict.dropped_edges)

    def test_why_a_vertex_is_dropped(self):
        verdict = read("1=conv3x3(0) 2=conv3x3(0) 3=conv1x1() 4=maxpool3x3() 5=conv3x3(2) 6=output(1,3)").verdict
        assert verdict.cell == Cell.from_text("1=conv3x3(0) 2=output(1)")
        assert verdict.dropped == {
            2: Dropped.DEAD_END,
            3: Dropped.UNREACHED,
            4: Dropped.UNCONNECTED,
            5: Dropped.DEAD_END,
        }
        assert verdict.dropped_edges == ((0, 2), (2, 5), (3, 6))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1=output()", "nothing leaves the input: draw an edge from it"),
            ("1=conv3x3(0) 2=output()", "nothing reaches the output: draw an edge to it"),
            ("1=conv3x3() 2=output(1)", "nothing leaves the input: draw an edge from it"),
            (
                "1=conv3x3(0) 2=conv3x3(1) 3=conv3x3() 4=output(3)",
                "no path leads from input to output: from the input only 1, 2 can be reached, and the output only "
                "from 3; join them by an edge",
            ),
        ],
    )
    def test_no_path(self, text, message):
        verdict = read(text).verdict
        assert (verdict.reason, verdict.message) == (Reason.DISCONNECTED, message)
        assert not verdict.pruned and not verdict.dropped_edges

    def test_more_than_nine_edges_can_be_drawn_and_are_counted(self):
        full = Draft(np.triu(np.ones((5, 5), int), 1), ["input", CONV3, CONV3, CONV3, "output"])
        verdict = full.verdict
        assert len(full.edges) == 10
        assert verdict.reason == Reason.TOO_MANY_EDGES
        assert verdict.message == "10 edges lie on paths from input to output: remove 1 of them, 9 are allowed"
        assert full.toggle((0, 4)).verdict.cell is not None

    def test_dropped_edges_do_not_count_towards_nine(self):
        full = Draft(np.triu(np.ones((6, 6), int), 1), ["input", *[CONV3] * 4, "output"])
        assert full.verdict.message.startswith("15 edges lie on paths from input to output: remove 6 of them")
        fewer = full
        for y in range(2, 6):
            fewer = fewer.toggle((1, y))
        assert len(fewer.edges) == 11
        assert fewer.verdict.dropped == {1: Dropped.DEAD_END}
        assert fewer.verdict.message.startswith("10 edges lie on paths from input to output: remove 1 of them")

    def test_channels_stand_at_the_numbers_of_the_drawing(self):
        verdict = read("1=conv3x3() 2=conv3x3(0) 3=conv3x3(0) 4=conv3x3(2) 5=output(0,3,4)").verdict
        assert verdict.dropped == {1: Dropped.UNCONNECTED}
        assert verdict.channels == {(0, 2): 64, (0, 3): 64, (2, 4): 64, (3, 5): 64, (4, 5): 64, (0, 5): 128}

    def test_a_remainder_goes_to_the_first(self):
        channels = read("1=conv3x3(0) 2=conv3x3(0) 3=conv3x3(0) 4=output(1,2,3)").verdict.channels
        assert channels == {(0, 1): 43, (0, 2): 43, (0, 3): 42, (1, 4): 43, (2, 4): 43, (3, 4): 42}


class TestParsing:
    @given(drafts())
    def test_every_form_round_trips(self, draft):
        assert read(draft.to_text()) == draft
        assert read(json.dumps({"matrix": draft.matrix, "ops": draft.ops})) == draft
        assert Draft(np.array(draft.matrix), list(draft.ops)) == draft
        assert pickle.loads(pickle.dumps(draft)) == draft

    @given(drafts())
    def test_what_a_cell_writes_is_read(self, draft):
        cell = draft.verdict.cell
        if cell is not None:
            assert read(cell.to_text()) == read(cell.to_json()) == Draft.of(cell)
            assert Draft.of(cell).to_text() == cell.to_text()

    @pytest.mark.parametrize("written", ["{}", " {}\n", '"{}"', "`{}`"])
    def test_a_hash_is_looked_up(self, written):
        cell = Cell.from_text(DIAMOND)
        asked = []

        def by_hash(digest: str) -> Cell:
            asked.append(digest)
            return cell

        assert Draft.parse(written.format(cell.hash.upper()), by_hash) == Draft.of(cell)
        assert asked == [cell.hash]

    def test_an_unknown_hash_says_so(self):
        with pytest.raises(NoSuchHash, match="no cell has the hash " + "a" * 32):
            read("A" * 32)

    def test_an_invalid_cell_is_drawn_for_the_verdict(self):
        draft = read('{"matrix": [[0, 1, 0], [0, 0, 0], [0, 0, 0]], "ops": ["input", "maxpool3x3", "output"]}')
        assert (draft.edges, draft.verdict.reason) == (((0, 1),), Reason.DISCONNECTED)

    def test_a_larger_graph_is_drawn_pruned(self):
        matrix = np.zeros((9, 9), int)
        for x, y in [(0, 3), (3, 8), (0, 2)]:
            matrix[x, y] = 1
        ops = ["input", *[CONV1] * 7, "output"]
        pruned = Draft.of(Cell.from_text("1=conv1x1(0) 2=output(1)"))
        assert read(json.dumps({"matrix": matrix.tolist(), "ops": ops})) == pruned
        assert (
            read(
                "1=conv3x3() 2=conv3x3(0) 3=conv1x1(0) "
                + " ".join(f"{v}=conv3x3()" for v in range(4, 8))
                + " 8=output(3)"
            )
            == pruned
        )

    @pytest.mark.parametrize(
        ("text", "reason", "words"),
        [
            ("", Reason.MALFORMED, "nothing to read: give JSON"),
            ("hello", Reason.MALFORMED, "'hello': give JSON"),
            ("x" * 5000, Reason.MALFORMED, "x…'"),
            ("abcdef0123456789", Reason.MALFORMED, "16 hexadecimal digits: a hash has 32"),
            ("{", Reason.MALFORMED, "not JSON"),
            ("{" * 100_000, Reason.MALFORMED, "not JSON"),
            ('{"matrix": [[0, 1], [0, 0]]}', Reason.MALFORMED, "not an object with matrix and ops"),
            ('{"matrix": [[0, 1]], "ops": ["input", "output"]}', Reason.NOT_SQUARE, "not square"),
            ('{"matrix": [[0, 2], [0, 0]], "ops": ["input", "output"]}', Reason.NOT_BINARY, "must be 0 or 1"),
            ('{"matrix": [[0, 0], [1, 0]], "ops": ["input", "output"]}', Reason.NOT_UPPER_TRIANGULAR, "diagonal"),
            ('{"matrix": [[0, 1], [0, 0]], "ops": ["input"]}', Reason.OPERATIONS_MISMATCH, "1 operations for 2"),
            ('{"matrix": [[0, 1], [0, 0]], "ops": ["input", []]}', Reason.LAST_NOT_OUTPUT, "must be 'output'"),
            ("1=conv5x5(0) 2=output(1)", Reason.UNKNOWN_OPERATION, "'conv5x5'"),
            ("1=conv3x3(2) 2=output(1)", Reason.NOT_UPPER_TRIANGULAR, "vertex 1 takes from 2"),
            ("1=conv3x3(0) 3=output(1)", Reason.MALFORMED, "not like 2=conv3x3(0)"),
            ("1=conv3x3(0)", Reason.LAST_NOT_OUTPUT, "must be 'output'"),
            (" ".join(f"{v}=conv3x3({v - 1})" for v in range(1, 8)) + " 8=output(7)", Reason.TOO_MANY_VERTICES, "9"),
            (" ".join(f"{v}=conv3x3()" for v in range(1, 8)) + " 8=output()", Reason.DISCONNECTED, "no path"),
        ],
    )
    def test_what_cannot_be_drawn_says_why(self, text, reason, words):
        with pytest.raises(InvalidCell) as raised:
            read(text)
        assert raised.value.reason == reason
        assert words in str(raised.value)
        assert len(str(raised.value)) < 300 and "\n" not in str(raised.value)

    def test_eight_vertices_are_no_draft(self):
        with pytest.raises(InvalidCell, match="at most 7 can be drawn") as raised:
            Draft(np.zeros((8, 8), int), ["input", *[CONV3] * 6, "output"])
        assert raised.value.reason == Reason.TOO_MANY_VERTICES

    def test_an_unknown_operation_is_no_draft_even_where_nothing_leads_to_it(self):
        with pytest.raises(InvalidCell, match="unknown operation 'x'"):
            Draft(np.zeros((3, 3), int), ["input", "x", "output"])


class TestHistory:
    @given(drafts(), st.randoms(use_true_random=False), st.integers(1, 12))
    def test_undo_inverts_and_redo_inverts_undo(self, draft, chance, steps):
        histories = [History(draft)]
        for _ in range(steps):
            history = histories[-1]
            histories.append(history.then(one_edit(history.present, chance)))
        back = histories[-1]
        for before in reversed(histories[:-1]):
            back = back.undo()
            assert (back.present, back.past) == (before.present, before.past)
        assert back.undo() is back
        for after in histories[1:]:
            back = back.redo()
            assert (back.present, back.past) == (after.present, after.past)
        assert back == histories[-1]
        assert back.redo() is back

    def test_a_step_that_changes_nothing_is_none(self):
        history = History(read(DIAMOND))
        assert history.then(read(DIAMOND)) is history

    def test_a_new_step_forgets_what_was_undone(self):
        first = read(DIAMOND)
        history = History(first).then(first.cycle(1)).undo().then(first.cycle(2))
        assert history.redo() is history
        assert history.undo().present == first

    def test_it_is_bounded(self):
        history = History(Draft.blank().add_vertex())
        for _ in range(UNDO_LIMIT + 20):
            history = history.then(history.present.cycle(1))
        assert len(history.past) == UNDO_LIMIT
        for _ in range(UNDO_LIMIT):
            history = history.undo()
        assert (history.undo(), len(history.future)) == (history, UNDO_LIMIT)
