"""Models as files: what comes back, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ecnas_core.surrogates import weights
from ecnas_core.surrogates.weights import OtherFeatures, UnreadableModel, UnwritableModel

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1.5], np.float32), "turned": np.arange(6.0).reshape(2, 3).T}
FACTS = {"width": 1.25, "names": ["x"]}


@pytest.fixture
def path(tmp_path):
    return weights.save(tmp_path / "models" / "m.safetensors", "kind", "f1", ARRAYS, FACTS)


def test_round_trip(path):
    arrays, facts = weights.load(path, "kind", "f1")
    assert facts == FACTS
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
    assert weights.kind_of(path) == "kind"
    assert [file.name for file in path.parent.iterdir()] == ["m.safetensors"]


def test_the_same_model_is_the_same_file(path, tmp_path):
    again = weights.save(tmp_path / "again", "kind", "f1", ARRAYS, FACTS)
    assert again.read_bytes() == path.read_bytes()


def test_other_features_and_kinds_are_refused(path):
    with pytest.raises(OtherFeatures, match="features f1, which are f2 now; fit the model again"):
        weights.load(path, "kind", "f2")
    with pytest.raises(UnreadableModel, match="is a model 'kind' of version '1', not 'other'"):
        weights.load(path, "other", "f1")


@pytest.mark.parametrize("content", [b"", b"\0" * 64, pickle.dumps({"a": 1}), b"PK\3\4" + b"x" * 100])
def test_what_is_no_model(tmp_path, content):
    path = tmp_path / "m"
    path.write_bytes(content)
    for read in (weights.kind_of, lambda file: weights.load(file, "kind", "f1")):
        with pytest.raises(UnreadableModel, match="no readable model"):
            read(path)


def test_missing_file_and_foreign_model(tmp_path):
    from safetensors.numpy import save_file

    with pytest.raises(UnreadableModel, match="no readable model"):
        weights.kind_of(tmp_path / "none")
    save_file({"a": np.ones(2)}, tmp_path / "foreign")
    with pytest.raises(UnreadableModel, match="does not say which model"):
        weights.kind_of(tmp_path / "foreign")


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableModel, match="cannot write"):
        weights.save(tmp_path / "file" / "m", "kind", "f1", ARRAYS, FACTS)


def test_a_fingerprint_knows_names_and_values():
    found = {"a": np.arange(3), "b": np.arange(3)}
    same = {"a": np.arange(3.0), "b": np.arange(3, dtype=np.int8)}
    assert weights.fingerprint(found) == weights.fingerprint(same)
    others = [{"a": np.arange(3), "c": np.arange(3)}, {"a": np.arange(3), "b": np.arange(3) + 1}, {"a": np.arange(3)}]
    assert len({weights.fingerprint(each) for each in (found, *others)}) == 4
