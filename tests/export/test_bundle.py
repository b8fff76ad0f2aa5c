"""An export: its files, its model card, its training script, and how it is written."""

from __future__ import annotations

import ast
import io
import json
import runpy
import sys
import zipfile
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

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


@pytest.fixture
def folder(contents, tmp_path):
    bundle.write(contents, tmp_path / "network")
    return tmp_path / "network"


@pytest.fixture
def train(folder, monkeypatch, capsys):
    """Run the training script in this process; its exit status and what it says on stderr."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments, "--untracked"])
        try:
            runpy.run_path("train.py", run_name="__main__")
        except SystemExit as ended:
            if isinstance(ended.code, str):
                return 1, ended.code
            return ended.code or 0, capsys.readouterr().err
        return 0, capsys.readouterr().err

    yield run
    sys.modules.pop("network", None)


@pytest.fixture
def script(train) -> SimpleNamespace:
    """What the training script defines."""
    return SimpleNamespace(**runpy.run_path("train.py", run_name="train"))


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
            "mit",
            "image-classification",
            "pytorch",
        )
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
        assert (
            f"90 % interval {low} to {high}"
            in self.front_matter(contents)["model-index"][0]["results"][0]["metrics"][0]["name"]
        )

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
        for part in (
            "2022 Pedram Bakh.",
            "2022 Raghavendra Selvan",
            "Apache-2.0",
            "arXiv:2210.06015",
            "arXiv:1902.09635",
            "linear in the images",
            "linear in the multiply-adds",
            "accuracy is that on CIFAR-10",
            "no weights",
        ):
            assert part in text, part

    def test_an_artefact_is_warned_of(self, bench, truth):
        every = truth.every_cell("7V", 108)
        contents = bundle.files(bench, every.loc[every["artefact"], "hash"].iloc[0], Task())
        assert "Warning: the surrogate's energy" in contents["README.md"].decode()


class TestTraining:
    def test_torch_alone_is_imported(self, contents):
        named = set()
        for name in ("network.py", "train.py"):
            for node in ast.walk(ast.parse(contents[name])):
                if isinstance(node, ast.Import):
                    named |= {each.name.split(".")[0] for each in node.names}
                elif isinstance(node, ast.ImportFrom):
                    named.add(node.module.split(".")[0])
        assert named - sys.stdlib_module_names == {"torch", "network", "carbontracker", "PIL"}

    def test_on_synthetic_images_and_on_an_image_folder(self, train, folder, tmp_path):
        for part in ("train", "val"):
            for number, name in enumerate(("cat", "dog")):
                images = tmp_path / "images" / part / name
                images.mkdir(parents=True)
                Image.new("RGB", (20, 14), (200 * number, 30, 60)).save(images / "a.png")
                (images / ".DS_Store").write_bytes(b"no image")
        status, said = train("--synthetic", "4", "--epochs", "1", "--batch-size", "2")
        assert status == 0, said
        (epoch,) = json.loads((folder / "history.json").read_text())
        assert 0 < epoch["loss"] < 100 and 0 <= epoch["validation_accuracy"] <= 1
        assert (folder / "weights.pt").stat().st_size > 4 * (SMALL.trainable_parameters - 5 * 513)
        assert not list(folder.glob("*.part"))
        status, said = train(
            "--data", str(tmp_path / "images"), "--epochs", "1", "--batch-size", "2", "--out", str(tmp_path / "trained")
        )
        assert status == 0, said
        assert (tmp_path / "trained" / "weights.pt").is_file()

    def test_what_cannot_be_trained_on_is_told_in_a_line(self, train, tmp_path):
        (tmp_path / "images" / "train" / "cat").mkdir(parents=True)
        (tmp_path / "images" / "train" / "cat" / "broken.png").write_bytes(b"no image")
        for number in range(1, 6):
            (tmp_path / f"data_batch_{number}.bin").write_bytes(bytes(3073))
        rows = [
            (("--synthetic", "0"), 2, "invalid natural value"),
            (("--synthetic", "-3"), 2, "invalid natural value"),
            (("--synthetic", "few"), 2, "invalid natural value"),
            (("--data", str(tmp_path / "images")), 1, "broken.png cannot be read"),
            (("--data", str(tmp_path)), 1, "does not hold 50,000 images"),
            (("--data", str(tmp_path / "network")), 1, "cifar-10-binary.tar.gz"),
        ]
        found = [(arguments, *train(*arguments)) for arguments, *_ in rows]
        wrong = [
            (arguments, status, said)
            for (arguments, status, said), (_, expected, words) in zip(found, rows, strict=True)
            if status != expected or words not in said
        ]
        assert not wrong

    def test_cifar_10_is_split_as_nas_bench_101_does(self, script, tmp_path):
        for number in range(1, 6):
            with (tmp_path / f"data_batch_{number}.bin").open("wb") as batch:
                batch.write(bytes([number]) + bytes([1] * 1024 + [2] * 1024 + [3] * 1024))
                batch.truncate(10_000 * 3073)
        (images, labels), (held, theirs) = script.read(SimpleNamespace(synthetic=None, data=tmp_path))
        assert images.shape == (40_000, 3, 32, 32) and held.shape == (10_000, 3, 32, 32)
        assert labels.nonzero().flatten().tolist() == [0, 10_000, 20_000, 30_000] and theirs[0] == 5
        assert [images[10_000, channel].unique().tolist() for channel in range(3)] == [[1], [2], [3]]

    def test_augmented_images_are_crops_of_the_padded_ones_half_of_them_mirrored(self, script):
        torch.manual_seed(0)
        images = torch.arange(1, 3 * 16 * 16 + 1).float().view(1, 3, 16, 16).repeat(40, 1, 1, 1)
        padded = torch.nn.functional.pad(images[0], (2, 2, 2, 2))
        crops = {
            (y, x, mirrored): crop.flip(2) if mirrored else crop
            for y in range(5)
            for x in range(5)
            for mirrored in (False, True)
            for crop in [padded[:, y : y + 16, x : x + 16]]
        }
        found = [
            next(key for key, crop in crops.items() if torch.equal(crop, image)) for image in script.augment(images)
        ]
        assert len({key[:2] for key in found}) > 10
        assert 8 < sum(key[2] for key in found) < 32

    def test_the_recipe_is_that_of_nas_bench_101(self, contents):
        text = contents["train.py"].decode()
        for part in (
            "RMSprop",
            "momentum=0.9",
            "eps=1.0",
            "weight_decay=1e-4",
            "CosineAnnealingLR",
            "default=0.2",
            "default=256",
            "from carbontracker.tracker import CarbonTracker",
        ):
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
        monkeypatch.setattr(onnx, "_CONVERT", "import network")  # without torch, which is not what fails here
        with pytest.raises(OnnxFailed, match="no network today"):
            onnx.convert("raise SystemExit('no network today')", 32)

    def test_where_they_are_it_is_a_model(self):
        import onnx as library

        library.checker.check_model(library.load_model_from_string(onnx.convert(network_source(SMALL), 32)))
