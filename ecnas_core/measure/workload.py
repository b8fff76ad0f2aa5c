"""A cell's network at work in torch: one train step or one inference step on one fixed batch."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ecnas_core.cells import Cell
from ecnas_core.cells.costs import CLASSES, IMAGE_CHANNELS, IMAGE_SIZE
from ecnas_core.measure.errors import DeviceFailed, NoImages, OutOfMemory
from ecnas_core.measure.protocol import Settings

SEED = 0
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2470, 0.2435, 0.2616)
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")
_RECORD = 1 + IMAGE_CHANNELS * IMAGE_SIZE**2


class Step:
    """One step of a cell's network, ready on its device.

    Training is that of NAS-Bench-101 (Ying et al. 2019, appendix A): RMSProp with momentum 0.9 and epsilon 1, weight
    decay 1e-4, cross-entropy; the learning rate is held at 0.01, since what a step costs does not depend on it.

    Args:
        cell: whose network.
        settings: mode, batch size, precision and images.
        device: ``cpu`` or ``cuda``.

    Raises:
        OutOfMemory: the network and its batch do not fit.
        DeviceFailed: the device reported an error.
        NoImages: the folder of images holds none.
    """

    def __init__(self, cell: Cell, settings: Settings, device: str) -> None:
        torch.manual_seed(SEED)
        self.batch_size = settings.images_per_step(on_gpu=device != "cpu")
        self._device = torch.device(device)
        self._training = settings.mode == "train"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = settings.precision == "tf32"
        self._autocast: Any = (
            torch.autocast(device, dtype=torch.bfloat16) if settings.precision == "bf16" else nullcontext()
        )
        with _named(self.batch_size):
            images, labels = _batch(settings.images, self.batch_size)
            self._images, self._labels = images.to(self._device), labels.to(self._device)
            self._network: nn.Module = cell.to_module().to(self._device).train(self._training)
            self._optimiser = torch.optim.RMSprop(
                self._network.parameters(), lr=0.01, momentum=0.9, eps=1.0, weight_decay=1e-4
            )
            self._loss = nn.CrossEntropyLoss()

    def step(self) -> None:
        """Start one step.

        Raises:
            OutOfMemory: it does not fit.
            DeviceFailed: the device reported an error.
        """
        with _named(self.batch_size):
            if self._training:
                self._optimiser.zero_grad(set_to_none=True)
                with self._autocast:
                    loss = self._loss(self._network(self._images), self._labels)
                loss.backward()
                self._optimiser.step()
            else:
                with torch.inference_mode(), self._autocast:
                    self._network(self._images)

    def synchronise(self) -> None:
        """Wait for the device.

        Raises:
            DeviceFailed: the device reported an error.
        """
        if self._device.type == "cuda":
            with _named(self.batch_size):
                torch.cuda.synchronize()


class _named:
    """Torch's errors under this project's names."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or (
            isinstance(error, RuntimeError) and any(said in str(error) for said in _OUT_OF_MEMORY)
        ):
            remedy = f"try a batch of {self._batch_size // 2}" if self._batch_size > 1 else "measure on another device"
            raise OutOfMemory(
                f"the network and a batch of {self._batch_size} do not fit into the device's memory; {remedy}"
            ) from None
        if isinstance(error, RuntimeError):
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DeviceFailed(
                f"the device reported an error ({reason}); see nvidia-smi, or measure on another device"
            ) from None


def _batch(folder: Path | None, size: int) -> tuple[Tensor, Tensor]:
    if folder is None:
        generator = torch.Generator().manual_seed(SEED)
        images = torch.randn(size, IMAGE_CHANNELS, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
        return images, torch.randint(CLASSES, (size,), generator=generator)
    return cifar_10(folder, size)


def cifar_10(folder: Path, size: int) -> tuple[Tensor, Tensor]:
    """The first images of CIFAR-10's binary version, normalised by channel, and their labels.

    Args:
        folder: holds ``data_batch_1.bin`` and so on, records of one label byte and 3,072 image bytes.
        size: how many images.

    Returns:
        Images (size, 3, 32, 32) and labels (size).

    Raises:
        NoImages: there are no such files, or too few images in them.
    """
    raw = bytearray()
    try:
        for path in sorted(folder.glob("data_batch_*.bin")):
            with path.open("rb") as file:
                raw += file.read(size * _RECORD - len(raw))
    except OSError as error:
        raise NoImages(f"{folder} cannot be read ({error.strerror})") from None
    if len(raw) < size * _RECORD:
        raise NoImages(
            f"{folder} holds {len(raw) // _RECORD} images of CIFAR-10 and {size} are needed; name the folder with "
            "data_batch_1.bin ... data_batch_5.bin of the binary version, or leave it out for synthetic images"
        )
    records = torch.frombuffer(raw, dtype=torch.uint8).view(size, _RECORD)
    labels = records[:, 0].long()
    if int(labels.max()) >= CLASSES:
        raise NoImages(f"{folder} holds no CIFAR-10: a label is {int(labels.max())}; get its binary version")
    pixels = records[:, 1:].view(size, IMAGE_CHANNELS, IMAGE_SIZE, IMAGE_SIZE).float() / 255
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (CIFAR_MEAN, CIFAR_STD))
    return (pixels - mean) / std, labels
