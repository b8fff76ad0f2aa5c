"""A search space of one's own: files of every kind of wrong, columns, models that must recover a law."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import kendalltau

from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import own_space, own_table
from ecnas_core.surrogates.own_table import FEWEST_ROWS, Spec, UnusableTable
from ecnas_core.surrogates.weights import UnreadableModel

ROWS = 200
SPEC = Spec("energy", ("width", "depth", "kind"), "J")


def read(text: str | bytes, name: str = "space.csv", size: int | None = None) -> pa.Table:
    content = text.encode() if isinstance(text, str) else text
    return own_table.read(name, io.BytesIO(content), len(content) if size is None else size)


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def space() -> pa.Table:
    """Energy = width x depth, a third more of kind b, with 2 % of noise."""
    generator = np.random.default_rng(0)
    width, depth = generator.uniform(8, 64, ROWS), generator.integers(1, 9, ROWS)
    kind = generator.choice(["a", "b"], ROWS)
    energy = width * depth * np.where(kind == "b", 4 / 3, 1) * np.exp(generator.normal(0, 0.02, ROWS))
    return pa.table(
        {"name": [f"net {row}" for row in range(ROWS)], "width": width, "depth": depth, "kind": kind, "energy": energy}
    )


@pytest.fixture(scope="module")
def outcomes(space):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_space, "DRAWS", 1)
        patch.setattr(own_space, "CURVE", (0.125, 0.25, 1.0))
        patch.setattr(own_space.multilayer_perceptron, "EPOCHS", 100)  # half of the paper's
        return {model: own_space.train(space, SPEC, model) for model in ("best", "paper")}


@pytest.fixture(autouse=True)
def without_curve(monkeypatch):
    """A learning curve takes many fits: where it is not tested it is left out."""
    monkeypatch.setattr(own_space, "CURVE", ())


class TestReading:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_csv_with_each_delimiter(self, delimiter):
        table = read(f"a{delimiter}b\n1{delimiter}x\n2{delimiter}y\n")
        assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}

    def test_parquet_without_its_nested_columns(self):
        table = read(parquet(pa.table({"a": [1, 2], "b": [[1], [2]]})), "x.PARQUET")
        assert table.column_names == ["a"]

    @pytest.mark.parametrize(
        ("content", "name", "said"),
        [
            ("a,b\n1,2\n", "x.xlsx", "must end in .csv or .parquet"),
            ("a,b\n1,2\n", "x", "must end in"),
            ("", "x.csv", "no readable CSV"),
            ("a,b\n", "x.csv", "no rows"),
            ("a,b\n1,2,3\n", "x.csv", "no readable CSV"),
            ("a,a\n1,2\n", "x.csv", "two columns are called 'a'"),
            (b"\xff\xfe\x00a", "x.csv", "no text in UTF-8"),
            ("größe,b\n1,2\n".encode("latin1"), "x.csv", "no text in UTF-8; save it as"),
            ("a,b\nä,2\n".encode("latin1"), "x.csv", "no text in UTF-8; save it as"),
            ("a,b\n1,2\n".encode("utf-16"), "x.csv", "no text in UTF-8; save it as"),
            (b"PAR1 not really", "x.parquet", "no readable PARQUET"),
            ("a,b\n1,2\n", "x.parquet", "no readable PARQUET"),
            (",".join(f"c{n}" for n in range(600)) + "\n" + ",".join("1" * 600), "x.csv", "600 columns"),
        ],
    )
    def test_bad_files_get_a_clear_answer(self, content, name, said):
        with pytest.raises(UnusableTable, match=said):
            read(content, name)

    def test_a_long_line_of_names_may_be_cut_anywhere(self):
        names = [f"{n}{'ä' * 400}" for n in range(200)]
        assert read(";".join(names) + "\n" + ";".join("1" * 200) + "\n").column_names == names

    def test_200_mb_are_refused_unread(self):
        with pytest.raises(UnusableTable, match="200 MB, more than 100"):
            read("a,b\n1,2\n", size=200_000_000)

    def test_a_small_file_of_a_huge_table_is_refused_unread(self):
        table = pa.table({f"c{n}": pa.array(np.zeros(120_000, np.int8)) for n in range(450)})
        content = parquet(table)
        assert len(content) < own_table.MOST_BYTES
        with pytest.raises(UnusableTable, match="million values"):
            read(content, "x.parquet")


class TestColumns:
    def test_each_is_told_what_it_is_good_for(self):
        table = pa.table(
            {
                "number": [1.0, 2.0, None],
                "flag": [True, False, True],
                "text": ["a", "b", "a"],
                "constant": [3, 3, 3],
                "same": ["x", "x", "x"],
                "empty": pa.array([None, None, None]),
                "day": pa.array([0, 1, 2], pa.date32()),
                "infinite": [1.0, float("inf"), 2.0],
                "huge": [1e300, -1e300, 2.0],
            }
        )
        found = {each.name: each for each in own_table.columns(table)}
        kinds = {name: each.kind for name, each in found.items()}
        assert kinds == {
            "number": "numeric",
            "flag": "numeric",
            "text": "categorical",
            "constant": "unusable",
            "same": "unusable",
            "empty": "unusable",
            "day": "unusable",
            "infinite": "numeric",
            "huge": "unusable",
        }
        assert (found["number"].missing, found["infinite"].missing) == (1, 1)
        assert "3 in every row" in found["constant"].why

    def test_row_numbers_without_a_name_are_no_feature(self):
        found = own_table.columns(read(",a\n" + "".join(f"{n},{n % 7}\n" for n in range(60))))
        assert [each.kind for each in found] == ["unusable", "numeric"]
        assert "no name" in found[0].why

    def test_decimal_commas_are_told(self):
        table = read("a;b\n" + "".join(f"{n};0,{n + 100}\n" for n in range(60)))
        [_, found] = own_table.columns(table)
        assert "write 0.5, not 0,5" in found.why

    def test_numbers_with_a_word_among_them_are_told(self):
        table = read("a,b\n" + "".join(f"{n},{n}\n" for n in range(60)) + "60,n/a (broken)\n")
        found = {each.name: each for each in own_table.columns(table)}
        assert found["b"].kind == "unusable"
        assert "61 different texts" in found["b"].why
        assert "correct those that are not" in found["b"].why


class TestPrepare:
    def test_rows_with_gaps_are_left_out_and_counted(self, space):
        width = space["width"].to_pylist()
        width[3] = None
        prepared = own_table.prepare(space.set_column(1, "width", pa.array(width)), SPEC)
        assert prepared.left_out == 1
        assert 3 not in prepared.rows
        assert prepared.inputs.shape == (ROWS - 1, 4)

    def test_levels_become_columns(self, space):
        prepared = own_table.prepare(space, SPEC)
        assert prepared.encoder.columns == {"width": [0], "depth": [1], "kind": [2, 3]}
        is_b = np.array(space["kind"].to_pylist()) == "b"
        np.testing.assert_array_equal(prepared.inputs[:, 3], is_b)
        np.testing.assert_array_equal(prepared.inputs[:, 2], ~is_b)

    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            (Spec("energy", ()), "no feature"),
            (Spec("energy", ("height",)), "no column 'height'"),
            (Spec("energy", ("name",)), "cannot be used"),
            (Spec("kind", ("width",)), "must hold numbers"),
            (Spec("energy", ("energy",)), "target and a feature at once"),
        ],
    )
    def test_impossible_choices_are_refused(self, space, spec, said):
        with pytest.raises(UnusableTable, match=said):
            own_table.prepare(space, spec)

    def test_too_few_rows_are_refused(self, space):
        with pytest.raises(UnusableTable, match=f"at least {FEWEST_ROWS}"):
            own_table.prepare(space.slice(0, FEWEST_ROWS - 1), SPEC)

    def test_a_constant_target_is_refused(self, space):
        flat = space.set_column(4, "energy", pa.array(np.ones(ROWS)))
        with pytest.raises(UnusableTable, match="1 in every row"):
            own_table.prepare(flat, SPEC)


@pytest.mark.parametrize("model", ["best", "paper"])
class TestModels:
    def test_the_law_is_found(self, outcomes, model):
        told = own_space.figures(outcomes[model].held_out)
        assert told["tau"] > 0.93
        assert told["median_relative_error"] < (0.03 if model == "best" else 0.06)
        assert told["coverage"] > 0.75

    def test_figures_are_of_rows_held_out(self, space, outcomes, model):
        held_out = outcomes[model].held_out
        values = np.array(space["energy"].to_pylist())
        np.testing.assert_array_equal(held_out["value"], values[held_out["row"]])
        assert len(held_out) == ROWS // 5
        assert outcomes[model].model.rows == ROWS - ROWS // 5
        tau = kendalltau(held_out["value"], held_out["predicted"]).statistic
        assert own_space.figures(held_out)["tau"] == pytest.approx(tau)

    def test_more_rows_help(self, outcomes, model):
        by_size = outcomes[model].curve.groupby("cells")["mae"].mean()
        assert by_size.index.tolist() == [40, 160]
        assert by_size.iloc[-1] < by_size.iloc[0]

    def test_what_makes_the_law_matters(self, outcomes, model):
        by = outcomes[model].importance.groupby("feature")["increase"].mean()
        assert set(by.index) == set(SPEC.features)
        assert by["depth"] > by["kind"] > 0
        assert by["width"] > by["kind"]

    def test_a_file_gives_the_same_predictions(self, space, outcomes, model, tmp_path):
        fitted = outcomes[model].model
        again = own_space.load(fitted.save(tmp_path / "own.safetensors"))
        np.testing.assert_array_equal(again.predict(space), fitted.predict(space))
        assert (again.spec, again.name, again.rows) == (SPEC, model, 160)

    def test_features_keep_their_order_whatever_their_names(self, space, monkeypatch, model, tmp_path):
        monkeypatch.setattr(own_space.multilayer_perceptron, "EPOCHS", 5)
        spec = Spec("energy", ("width", "kind", "depth"))
        prepared = own_table.prepare(space, spec)
        fitted = own_space.fit(prepared, spec, np.arange(60), model, 0)
        again = own_space.load(fitted.save(tmp_path / "own.safetensors"))
        np.testing.assert_array_equal(again.predict(space), fitted.predict(space))

    def test_tables_that_do_not_fit_are_refused(self, space, outcomes, model):
        fitted = outcomes[model].model
        for changed, said in (
            (space.drop_columns(["width"]), "no column 'width'"),
            (space.set_column(1, "width", pa.array(["x"] * ROWS)), "must hold numbers"),
            (space.set_column(1, "width", pa.array([None] * ROWS, pa.float64())), "no value in 200 rows"),
            (space.set_column(3, "kind", pa.array(["c"] * ROWS)), "'c', which the model was not trained on"),
            (space.set_column(3, "kind", pa.array([1] * ROWS)), "must hold texts"),
        ):
            with pytest.raises(UnusableTable, match=said):
                fitted.predict(changed)


class TestEdges:
    def test_a_target_that_can_be_negative_is_learned_as_it_is(self, space):
        shifted = np.array(space["energy"].to_pylist()) - 100
        table = space.set_column(4, "energy", pa.array(shifted))
        outcome = own_space.train(table, SPEC)
        assert not outcome.model.logarithm
        assert "median_relative_error" not in own_space.figures(outcome.held_out)
        assert own_space.figures(outcome.held_out)["tau"] > 0.9

    def test_a_large_table_is_drawn_from_and_that_is_told(self, space, monkeypatch):
        monkeypatch.setitem(own_space.MOST_ROWS, "best", 100)
        outcome = own_space.train(space, SPEC)
        assert outcome.model.rows == 100
        assert outcome.notes == ("Of 160 rows 100 are learned from, drawn at random.",)

    def test_columns_of_many_texts_are_refused_before_they_fill_the_memory(self, space, monkeypatch):
        monkeypatch.setattr(own_table, "MOST_VALUES", ROWS * 4)
        own_table.prepare(space, SPEC)
        monkeypatch.setattr(own_table, "MOST_VALUES", ROWS * 4 - 1)
        with pytest.raises(UnusableTable, match="are 4 numbers each"):
            own_table.prepare(space, SPEC)

    @pytest.mark.parametrize("model", ["best", "paper"])
    def test_predictions_without_intervals_are_the_same(self, space, outcomes, model):
        fitted = outcomes[model].model
        inputs = fitted.encoder.encode(space)
        assert fitted.expect(inputs) == pytest.approx(fitted.answer(inputs)["predicted"].to_numpy(), rel=1e-12)

    @pytest.mark.parametrize("part", ["intervals", "importances"])
    def test_it_can_be_stopped_where_no_loss_is_told(self, space, monkeypatch, part):
        """Asked for the first time after the last step of the fit."""
        if part == "importances":
            monkeypatch.setattr(own_space, "_unseen_errors", lambda *_: np.ones(ROWS))
        asked = iter([False] * own_space.matern_process.STEPS)
        with pytest.raises(Cancelled):
            own_space.train(space, SPEC, cancel=lambda: next(asked, True))

    def test_it_can_be_stopped(self, space):
        with pytest.raises(Cancelled):
            own_space.train(space, SPEC, cancel=lambda: True)

    def test_another_file_is_no_model(self, tmp_path):
        path = tmp_path / "x.safetensors"
        path.write_bytes(b"nothing")
        with pytest.raises(UnreadableModel):
            own_space.load(path)


class TestExample:
    def test_it_is_the_4v_cells_with_their_measured_energies(self, bench):
        table = own_table.example(bench).to_pandas().set_index("hash")
        assert len(table) == 91
        told = bench.frame(
            "select hash, energy_kwh * 1000 as wh from results where device = 'Titan Xp' and epochs = 4"
        ).set_index("hash")["wh"]
        assert table["energy_wh_titan_xp"].to_dict() == pytest.approx(told.to_dict())
        assert table["energy_wh_rtx_3060"].isna().sum() == 3

    def test_one_gpu_tells_another(self, bench):
        table = own_table.example(bench)
        spec = Spec("energy_wh_titan_xp", ("energy_wh_quadro_rtx_6000", "multiply_adds", "n_conv3x3"), "Wh")
        told = own_space.figures(own_space.train(table, spec).held_out)
        assert told["tau"] > 0.85
