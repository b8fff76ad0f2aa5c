"""One step of a cell's network, on the CPU: what it computes, what it reads, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecnas_core.cells import Cell
from ecnas_core.measure.errors import DeviceFailed, NoImages, OutOfMemory
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.workload import Step, cifar_10
from tests.measure.fakes import TINY

CONV = Cell([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv1x1-bn-relu", "output"])
RECORD = 3073


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch's settings as they were; one thread, since the machine may be loaded."""
    threads = torch.get_num_threads()
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


def workload(cell: Cell = TINY, **settings: Any) -> Step:
    return Step(cell, Settings(**{"batch_size": 2, "device": "cpu", **settings}), "cpu")


def parameters(step: Step) -> list[torch.Tensor]:
    return [each.detach().clone() for each in step._network.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> list[bool]:
    return [torch.equal(a, b) for a, b in zip(one, other, strict=True)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_moves_every_parameter_at_every_step(precision):
    step = workload(CONV, precision=precision)
    states = [parameters(step)]
    for _ in range(2):
        step.step()
        step.synchronise()
        states.append(parameters(step))
    for before, after in pairwise(states):
        assert not any(same(before, after))
    assert {each.dtype for each in states[-1]} == {torch.float32}, "bf16 is that of autocast, not of the parameters"
    assert all(torch.isfinite(each).all() for each in states[-1])


def test_inference_moves_nothing_and_keeps_no_gradients():
    step = workload(CONV, mode="inference")
    before = parameters(step), [each.clone() for each in step._network.buffers()]
    for _ in range(2):
        step.step()
        step.synchronise()
    assert all(same(before[0], parameters(step)))
    assert all(same(before[1], list(step._network.buffers()))), "batch-norm's statistics too"
    assert all(each.grad is None for each in step._network.parameters())
    assert not step._network.training


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize("mode", ["train", "inference"])
def test_network_computes_in_the_precision_asked_for(precision, dtype, mode):
    step = workload(precision=precision, mode=mode)
    seen: list[torch.dtype] = []
    step._network.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    step.step()
    assert seen == [dtype]


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_tf32_is_allowed_only_where_asked_for(precision, allowed):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not allowed
    workload(precision=precision, device="auto")
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (allowed, allowed)


def test_it_is_the_cells_own_network():
    assert sum(each.numel() for each in workload(CONV)._network.parameters()) == CONV.trainable_parameters


def test_batch_and_start_are_the_same_each_time():
    one = workload()
    torch.rand(7)  # the state of the generator that others use does not matter
    other = workload()
    assert one._images.shape == (2, 3, 32, 32)
    assert torch.equal(one._images, other._images)
    assert torch.equal(one._labels, other._labels)
    assert all(same(parameters(one), parameters(other)))
    one.step()
    other.step()
    assert all(same(parameters(one), parameters(other)))


@pytest.mark.parametrize(("batch_size", "images"), [(None, 32), (1, 1), (5, 5)])
def test_batch_size(batch_size, images):
    step = workload(batch_size=batch_size)
    assert (step.batch_size, len(step._images), len(step._labels)) == (images, images, images)
    assert set(step._labels.tolist()) <= set(range(10))


def cifar_folder(folder: Path, *counts: int, labels: Callable[[int], int] = lambda number: number % 10) -> np.ndarray:
    """CIFAR-10 in files of so many images; the pixels of them all, (N, 3, 32, 32)."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (sum(counts), 3, 32, 32), dtype=np.uint8)
    number = 0
    for file, count in enumerate(counts, start=1):
        records = b"".join(bytes([labels(each)]) + pixels[each].tobytes() for each in range(number, number + count))
        (folder / f"data_batch_{file}.bin").write_bytes(records)
        number += count
    return pixels


class TestCifar10:
    @pytest.mark.parametrize("counts", [(6,), (4, 2), (1, 1, 1, 1, 1), (100,)])
    def test_first_images_over_all_files_normalised_by_channel(self, tmp_path, counts):
        pixels = cifar_folder(tmp_path, *counts)
        size = min(5, sum(counts))
        images, labels = cifar_10(tmp_path, size)
        mean, std = np.reshape((0.4914, 0.4822, 0.4465), (3, 1, 1)), np.reshape((0.2470, 0.2435, 0.2616), (3, 1, 1))
        truth = (pixels[:size] / 255.0 - mean) / std  # the training images' own, as the literature prints them
        assert images.dtype == torch.float32
        np.testing.assert_allclose(images.numpy(), truth, atol=1e-5)
        assert labels.tolist() == list(range(size))

    def test_workload_takes_its_batch_from_there(self, tmp_path):
        cifar_folder(tmp_path, 4)
        step = workload(images=tmp_path, mode="inference")
        assert torch.equal(step._images, cifar_10(tmp_path, 2)[0])
        assert step._labels.tolist() == [0, 1]
        step.step()

    @pytest.mark.parametrize("counts", [(), (3,), (2, 1)])
    def test_too_few_images(self, tmp_path, counts):
        cifar_folder(tmp_path, *counts)
        with pytest.raises(
            NoImages, match=rf"holds {sum(counts)} images of CIFAR-10 and 4 are needed; name the folder"
        ):
            workload(images=tmp_path, batch_size=4)

    def test_image_cut_off_in_the_middle_does_not_count(self, tmp_path):
        cifar_folder(tmp_path, 3)
        path = tmp_path / "data_batch_1.bin"
        path.write_bytes(path.read_bytes()[: 3 * RECORD - 1])
        assert len(cifar_10(tmp_path, 2)[1]) == 2
        with pytest.raises(NoImages, match="holds 2 images"):
            cifar_10(tmp_path, 3)

    def test_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(NoImages, match="holds 0 images"):
            cifar_10(tmp_path / "absent", 1)

    def test_other_files_do_not_count(self, tmp_path):
        (tmp_path / "test_batch.bin").write_bytes(bytes(RECORD))
        (tmp_path / "data_batch_1").write_bytes(bytes(RECORD))
        with pytest.raises(NoImages, match="holds 0 images"):
            cifar_10(tmp_path, 1)

    def test_label_that_cifar_10_does_not_have(self, tmp_path):
        """CIFAR-100 has records of other length and labels up to 99."""
        cifar_folder(tmp_path, 3, labels=lambda number: 10 if number == 2 else 9)
        assert cifar_10(tmp_path, 2)[1].tolist() == [9, 9]
        with pytest.raises(NoImages, match="a label is 10"):
            cifar_10(tmp_path, 3)

    def test_file_that_cannot_be_read(self, tmp_path):
        (tmp_path / "data_batch_1.bin").mkdir()
        with pytest.raises(NoImages, match=r"cannot be read \(Is a directory\)"):
            cifar_10(tmp_path, 1)


def real_refusal(*_: Any) -> None:
    """Torch's own words where the CPU's memory does not suffice."""
    torch.empty(10**15)


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


OUT_OF_MEMORY = [
    raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")),
    raising(MemoryError()),
    raising(RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported")),
    raising(torch.AcceleratorError("CUDA error: out of memory")),
    raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    raising(RuntimeError("[enforce fail at alloc_cpu.cpp:80] . DefaultCPUAllocator: not enough memory: you tried ...")),
    real_refusal,
]
FAILED = [
    (
        RuntimeError("CUDA error: an illegal memory access was encountered\nfor debugging ..."),
        "an illegal memory access",
    ),
    (torch.AcceleratorError("CUDA error: unspecified launch failure"), "unspecified launch failure"),
    (RuntimeError(), "RuntimeError"),
]


@pytest.mark.parametrize("fail", OUT_OF_MEMORY)
@pytest.mark.parametrize("mode", ["train", "inference"])
def test_want_of_memory_in_a_step(monkeypatch, fail, mode):
    step = workload(batch_size=9, mode=mode)
    monkeypatch.setattr(step, "_network", fail)
    monkeypatch.setattr(step, "_loss", lambda outputs, labels: outputs)
    with pytest.raises(OutOfMemory, match=r"a batch of 9 do not fit .* try a batch of 4$"):
        step.step()


@pytest.mark.parametrize("fail", OUT_OF_MEMORY)
def test_want_of_memory_while_the_network_is_built(monkeypatch, fail):
    monkeypatch.setattr(Cell, "to_module", fail)
    with pytest.raises(OutOfMemory, match=r"a batch of 1 do not fit .* measure on another device$"):
        workload(batch_size=1)


def test_batch_that_the_machine_has_no_memory_for(monkeypatch):
    """At the largest size that settings allow, with images made as large as to need a petabyte."""
    monkeypatch.setattr("ecnas_core.measure.workload.IMAGE_SIZE", 150_000)
    with pytest.raises(OutOfMemory):
        workload(batch_size=4096)


@pytest.mark.parametrize(("error", "reason"), FAILED)
def test_error_of_the_device(monkeypatch, error, reason):
    step = workload()
    monkeypatch.setattr(step, "_network", raising(error))
    with pytest.raises(DeviceFailed) as caught:
        step.step()
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "see nvidia-smi" in str(caught.value)


def test_error_that_shows_when_the_device_is_waited_for(monkeypatch):
    step = workload()
    monkeypatch.setattr(step, "_device", torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "synchronize", raising(RuntimeError("CUDA error: unspecified launch failure")))
    with pytest.raises(DeviceFailed, match="unspecified launch failure"):
        step.synchronise()


def test_interruption_is_no_error_of_the_device(monkeypatch):
    step = workload()
    monkeypatch.setattr(step, "_network", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        step.step()


def test_own_mistake_is_not_called_the_devices(monkeypatch):
    step = workload()
    monkeypatch.setattr(step, "_network", raising(TypeError("out of memory")))
    with pytest.raises(TypeError):
        step.step()
