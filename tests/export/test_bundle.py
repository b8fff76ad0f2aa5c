"""An export: its files, its model card, its training script in a process of its own, and how it is written."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile

import pytest

from ecnas_core import Benchmark, Cell
from ecnas_core.analysis.needs import Task
from ecnas_core.benchmark import UnknownCell
from ecnas_core.carbon import Lens, grid
from ecnas_core.cells.source import network_source
from ecnas_core.export import bundle, onnx
from ecnas_core.export.bundle import BudgetOpen, ExportFailed
from ecnas_core.export.onnx import OnnxFailed

SMALL = Cell.from_text("1=maxpool3x3(0) 2=output(1)")
TASK = Task("4V", 36, 10_000, 16, 5, 12, Lens(country="FR"))
NAMES = ["README.md", "network.py", "train.py", "spec.json", "requirements.txt", "LICENSE"]


@pytest.fixture(scope="module")
def bench():
    return Benchmark.open()


@pytest.fixture(scope="module")
def contents(bench):
    return bundle.files(bench, SMALL.hash, TASK)


def run(folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The training script in a process that sees its folder and installed packages only."""
    code = "import runpy, sys; sys.path.insert(0, '.'); runpy.run_path('train.py', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.fixture
def folder(contents, tmp_path):
    bundle.write(contents, tmp_path / "network")
    return tmp_path / "network"


class TestFiles:
    def test_names_and_sources(self, contents):
        assert list(contents) == NAMES
        assert contents["network.py"].decode() == network_source(SMALL, 5)
        assert b"EPOCHS = 36\nSIZE = 16\n" in contents["train.py"]
        for name in ("network.py", "train.py"):
            compile(contents[name], name, "exec")
            assert b"ecnas_core" not in contents[name]
        assert b"MIT License" in contents["LICENSE"]

    def test_specification(self, contents, truth):
        found = json.loads(contents["spec.json"])
        assert Cell.from_json(json.dumps(found["cell"])).hash == found["hash"] == SMALL.hash
        cell = truth.cell(SMALL.hash, "4V", 36)
        factor = 10_000 / 40_000 * found["multiply_adds"] / SMALL.multiply_adds
        energy = found["figures"]["energy_kwh"]
        assert energy["value"] == pytest.approx(cell["energy"] * factor, rel=1e-3)
        assert (energy["provenance"], found["figures"]["validation_accuracy"]["provenance"]) == (
            "measured",
            "published",
        )
        year = found["figures"]["kgco2eq_year"]["value"]
        assert year == pytest.approx(12 * cell["energy"] * factor * grid("FR").intensity / 1000, rel=1e-3)
        assert found["trainable_parameters"] == SMALL.trainable_parameters - 5 * 513

    def test_an_open_budget_and_a_cell_of_a_larger_space_are_errors(self, bench):
        with pytest.raises(BudgetOpen):
            bundle.files(bench, SMALL.hash, Task(epochs=None))
        with pytest.raises(UnknownCell):
            bundle.files(bench, "f" * 32, TASK)


class TestCard:
    def front_matter(self, contents) -> dict:
        yaml = pytest.importorskip("yaml")
        _, head, body = contents["README.md"].decode().split("---\n", 2)
        assert body.strip().startswith("# ec-nas-")
        return yaml.safe_load(head)

    def test_metadata(self, contents, truth):
        found = self.front_matter(contents)
        assert (found["license"], found["pipeline_tag"], found["library_name"]) == (
            "mit", "image-classification", "pytorch",
        )  # fmt: skip
        emissions = found["co2_eq_emissions"]
        figures = json.loads(contents["spec.json"])["figures"]
        assert emissions["emissions"] == pytest.approx(1000 * figures["kgco2eq"]["value"], rel=1e-3)
        assert (emissions["geographical_location"], emissions["hardware_used"]) == ("France", "Quadro RTX 6000")
        ((metric,),) = [each["metrics"] for each in found["model-index"][0]["results"]]
        assert metric["value"] == pytest.approx(truth.cell(SMALL.hash, "4V", 36)["validation_accuracy"], abs=5e-5)
        assert metric["verified"] is False
        assert "published" in metric["name"] and "not of weights" in metric["name"]

    def test_a_prediction_comes_with_its_interval(self, bench, truth):
        cells = truth.cells()
        digest = cells.loc[cells["accuracy_provenance"] == "predicted", "hash"].iloc[0]
        contents = bundle.files(bench, digest, Task())
        known = json.loads(contents["spec.json"])["figures"]["validation_accuracy"]
        low, high = known["interval_90"]
        assert low < known["value"] < high
        assert f"| {low:g} to {high:g} | predicted |" in contents["README.md"].decode()
        assert f"90 % interval {low} to {high}" in self.front_matter(contents)["model-index"][0]["results"][0][
            "metrics"][0]["name"]  # fmt: skip

    def test_the_card_says_whose_times_and_how_many_trainings(self, bench, contents):
        text = contents["README.md"].decode()
        assert "| published, mean of 3 trainings |" in text
        assert "time is that of Quadro RTX 6000" in text and "trained 12 times a year" in text
        once = bundle.files(bench, SMALL.hash, Task())["README.md"].decode()
        assert "time is that of NAS-Bench-101's hardware" in once and "trained once a year" in once
        assert json.loads(contents["spec.json"])["figures"]["validation_accuracy"]["repeats"] == 3

    def test_unknown_is_said_and_no_number(self, bench, truth):
        cells = truth.cells()
        digest = cells.loc[cells["accuracy_provenance"] == "predicted", "hash"].iloc[0]
        contents = bundle.files(bench, digest, Task(lens=Lens(scope="GPU", predicted=False)))
        head = self.front_matter(contents)
        assert "model-index" not in head and "co2_eq_emissions" not in head
        assert json.loads(contents["spec.json"])["figures"]["energy_kwh"]["value"] is None
        assert "| Energy of one training | unknown |" in contents["README.md"].decode()

    def test_licences_citations_and_assumptions(self, contents):
        text = contents["README.md"].decode()
        for part in ("2022 Pedram Bakh.", "2022 Raghavendra Selvan", "Apache-2.0", "arXiv:2210.06015",
                     "arXiv:1902.09635", "linear in the images", "linear in the multiply-adds",
                     "accuracy is that on CIFAR-10", "no weights"):  # fmt: skip
            assert part in text, part

    def test_an_artefact_is_warned_of(self, bench, truth):
        every = truth.every_cell("7V", 108)
        contents = bundle.files(bench, every.loc[every["artefact"], "hash"].iloc[0], Task())
        assert "Warning: the surrogate's energy" in contents["README.md"].decode()


class TestTraining:
    def test_a_step_on_synthetic_images(self, folder):
        done = run(folder, "--synthetic", "8", "--epochs", "1", "--batch-size", "4", "--untracked")
        assert done.returncode == 0, done.stderr
        (epoch,) = json.loads((folder / "history.json").read_text())
        assert 0 < epoch["loss"] < 100 and 0 <= epoch["validation_accuracy"] <= 1
        assert (folder / "weights.pt").stat().st_size > 4 * (SMALL.trainable_parameters - 5 * 513)
        assert not list(folder.glob("*.part"))

    def test_an_image_folder(self, folder, tmp_path):
        image = pytest.importorskip("PIL.Image")
        for part in ("train", "val"):
            for number, name in enumerate(("cat", "dog")):
                (tmp_path / "images" / part / name).mkdir(parents=True)
                image.new("RGB", (20, 14), (200 * number, 30, 60)).save(tmp_path / "images" / part / name / "a.png")
                (tmp_path / "images" / part / name / ".DS_Store").write_bytes(b"no image")
        done = run(folder, "--data", str(tmp_path / "images"), "--epochs", "1", "--batch-size", "2", "--untracked",
                   "--out", str(tmp_path / "trained"))  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "trained" / "weights.pt").is_file()

    def test_an_image_that_is_none_is_named(self, folder, tmp_path):
        pytest.importorskip("PIL.Image")
        (tmp_path / "images" / "train" / "cat").mkdir(parents=True)
        (tmp_path / "images" / "train" / "cat" / "broken.png").write_bytes(b"no image")
        done = run(folder, "--data", str(tmp_path / "images"), "--untracked")
        assert done.returncode == 1
        assert "broken.png cannot be read" in done.stderr and "Traceback" not in done.stderr

    def test_cifar_10_is_split_as_nas_bench_101_does(self, folder, tmp_path):
        for number in range(1, 6):
            with (tmp_path / f"data_batch_{number}.bin").open("wb") as batch:
                batch.write(bytes([number]) + bytes([1] * 1024 + [2] * 1024 + [3] * 1024))
                batch.truncate(10_000 * 3073)
        checked = """
import sys; sys.path.insert(0, ".")
import argparse, pathlib
from train import read
(images, labels), (held, theirs) = read(argparse.Namespace(synthetic=None, data=pathlib.Path(sys.argv[1])))
assert images.shape == (40_000, 3, 32, 32) and held.shape == (10_000, 3, 32, 32)
assert labels.nonzero().flatten().tolist() == [0, 10_000, 20_000, 30_000] and theirs[0] == 5
assert [images[10_000, channel].unique().tolist() for channel in range(3)] == [[1], [2], [3]]
"""
        done = subprocess.run([sys.executable, "-I", "-c", checked, str(tmp_path)], cwd=folder, capture_output=True,
                              text=True, timeout=120, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        with (tmp_path / "data_batch_5.bin").open("r+b") as batch:
            batch.truncate(3073)
        done = run(folder, "--data", str(tmp_path), "--untracked")
        assert "does not hold 50,000 images" in done.stderr and "Traceback" not in done.stderr

    @pytest.mark.parametrize("wrong", ["0", "-3", "few"])
    def test_no_images_are_refused(self, folder, wrong):
        done = run(folder, "--synthetic", wrong, "--untracked")
        assert done.returncode == 2 and "invalid natural value" in done.stderr

    def test_augmented_images_are_crops_of_the_padded_ones_half_of_them_mirrored(self, folder):
        checked = """
import sys; sys.path.insert(0, ".")
import torch
from train import augment
torch.manual_seed(0)
images = torch.arange(1, 3 * 16 * 16 + 1).float().view(1, 3, 16, 16).repeat(40, 1, 1, 1)
padded = torch.nn.functional.pad(images[0], (2, 2, 2, 2))
crops = {(y, x, m): (padded[:, y:y + 16, x:x + 16].flip(2) if m else padded[:, y:y + 16, x:x + 16])
         for y in range(5) for x in range(5) for m in (False, True)}
found = [next(key for key, crop in crops.items() if torch.equal(crop, image)) for image in augment(images)]
assert len({key[:2] for key in found}) > 10
assert 8 < sum(key[2] for key in found) < 32
"""
        done = subprocess.run([sys.executable, "-I", "-c", checked], cwd=folder, capture_output=True, text=True,
                              timeout=120, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr

    def test_data_that_is_not_there_is_told_with_where_to_get_it(self, folder, tmp_path):
        done = run(folder, "--data", str(tmp_path), "--untracked")
        assert done.returncode == 1
        assert "cifar-10-binary.tar.gz" in done.stderr

    def test_the_recipe_is_that_of_nas_bench_101(self, contents):
        text = contents["train.py"].decode()
        for part in ("RMSprop", "momentum=0.9", "eps=1.0", "weight_decay=1e-4", "CosineAnnealingLR", "default=0.2",
                     "default=256", "from carbontracker.tracker import CarbonTracker"):  # fmt: skip
            assert part in text, part


class TestWriting:
    def test_a_folder_once(self, contents, tmp_path):
        written = bundle.write(contents, tmp_path / "deep" / "out")
        assert [path.name for path in written] == NAMES
        assert {path.name: path.read_bytes() for path in written} == contents
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
        with pytest.raises(ExportFailed, match="new folder"):
            bundle.write(contents, tmp_path / "deep" / "out")

    def test_a_zip_unpacks_into_one_folder_and_is_reproducible(self, contents, tmp_path):
        (path,) = bundle.write(contents, tmp_path / "mine.zip")
        assert path.read_bytes() == bundle.zipped(contents, "mine")
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            assert archive.namelist() == [f"mine/{name}" for name in NAMES]
            assert archive.read("mine/network.py") == contents["network.py"]
            assert {each.external_attr >> 16 for each in archive.infolist()} == {0o100644}
        assert [each.name for each in tmp_path.iterdir()] == ["mine.zip"]

    def test_where_nothing_can_be_written(self, contents, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ExportFailed):
            bundle.write(contents, tmp_path / "file" / "out")
        with pytest.raises(ExportFailed):
            bundle.write(contents, tmp_path / "file" / "out.zip")


class TestOnnx:
    def test_without_the_exporter_s_packages_it_is_told(self, monkeypatch):
        monkeypatch.setattr(onnx, "NEEDED", ("onnx", "no_such_package_here"))
        with pytest.raises(OnnxFailed, match=r"pip install .*no_such_package_here"):
            onnx.convert(network_source(SMALL), 32)

    def test_a_source_that_fails_is_told(self, monkeypatch):
        monkeypatch.setattr(onnx, "NEEDED", ())
        with pytest.raises(OnnxFailed, match="no network today"):
            onnx.convert("raise SystemExit('no network today')", 32)

    def test_where_they_are_it_is_a_model(self):
        import onnx as library

        library.checker.check_model(library.load_model_from_string(onnx.convert(network_source(SMALL), 32)))
