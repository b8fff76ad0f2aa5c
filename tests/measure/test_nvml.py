"""What the code makes of NVML's answers and refusals, over scripted GPUs."""

from __future__ import annotations

import os
from pathlib import Path

import pynvml
import pytest

from ecnas_core.measure import nvml
from ecnas_core.measure.errors import DeviceFailed, MigDevice, NoDevice, NoDriver
from ecnas_core.measure.nvml import Process, Sample
from tests.measure.fakes import (
    FUNCTION_NOT_FOUND,
    LOST,
    NO_PERMISSION,
    NOT_SUPPORTED,
    Board,
    FakeNvml,
    Refused,
    without_driver,
)

T4 = Board("NVIDIA T4", "GPU-aaaa-1")
A100 = Board(b"NVIDIA A100", b"GPU-bbbb-2")
H100 = Board("NVIDIA H100", "GPU-bbcc-3")
UNKNOWN = Refused(pynvml.NVML_ERROR_UNKNOWN)


@pytest.fixture(autouse=True)
def every_device_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def first(board: Board) -> nvml.Gpu:
    fake = FakeNvml(board)
    fake.nvmlInit()
    return nvml.gpu(fake, 0)


def names(*boards: Board) -> list[str]:
    with nvml.driver(FakeNvml(*boards)) as driver:
        return [each.name for each in nvml.gpus(driver)]


def test_driver_is_shut_down_in_the_end_and_after_an_error():
    fake = FakeNvml(T4)
    with nvml.driver(fake) as driver:
        assert fake.open == 1
        assert nvml.gpu(driver, 0).uuid == "GPU-aaaa-1"
    assert fake.open == 0
    with pytest.raises(KeyError), nvml.driver(fake):
        raise KeyError
    assert fake.open == 0


def test_no_driver_where_the_library_is_not_there():
    with (
        pytest.raises(NoDriver, match=r"^no NVIDIA driver \(libnvidia-ml\.so\.1 is not there\); install it"),
        nvml.driver(FakeNvml(init=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)),
    ):
        pass


@without_driver
def test_no_driver_on_this_machine_by_nvml_itself():
    with pytest.raises(NoDriver), nvml.driver():
        pass


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "Driver Not Loaded"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "RM has detected an NVML/RM version mismatch"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "Insufficient Permissions"),
    ],
)
def test_driver_that_does_not_start_is_no_driver_with_its_reason(code, told):
    with pytest.raises(NoDriver, match=r"does not start .*nvidia-smi") as caught, nvml.driver(FakeNvml(init=code)):
        pass
    assert told in str(caught.value)


def test_gpus_are_in_the_drivers_order_and_named_in_text():
    assert names(T4, A100, H100) == ["NVIDIA T4", "NVIDIA A100", "NVIDIA H100"]
    gpu = first(A100)
    assert (gpu.index, gpu.name, gpu.uuid) == (0, "NVIDIA A100", "GPU-bbbb-2")


def test_gpus_that_do_not_answer_are_left_out_and_the_others_keep_their_number():
    with nvml.driver(FakeNvml(Board("lost", handle=LOST), T4, Board(name=UNKNOWN), H100)) as driver:
        assert [(each.index, each.name) for each in nvml.gpus(driver)] == [(1, "NVIDIA T4"), (3, "NVIDIA H100")]


@pytest.mark.parametrize(
    ("allowed", "seen"),
    [
        (None, ["NVIDIA T4", "NVIDIA A100", "NVIDIA H100"]),
        ("", []),
        ("1", ["NVIDIA A100"]),
        ("2,0", ["NVIDIA H100", "NVIDIA T4"]),
        (" 2 , 1 ", ["NVIDIA H100", "NVIDIA A100"]),
        ("GPU-bbbb-2", ["NVIDIA A100"]),
        ("GPU-bbc,GPU-aaaa", ["NVIDIA H100", "NVIDIA T4"]),
        ("NoDevFiles", []),
        ("MIG-bbbb", []),
        ("-1", []),
        ("2,-1,0", ["NVIDIA H100"]),
        ("1,7,0", ["NVIDIA A100"]),
    ],
)
def test_cuda_visible_devices_chooses_and_orders_as_cuda_does(monkeypatch, allowed, seen):
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert names(T4, A100, H100) == seen


def test_number_of_a_gpu_is_its_place_among_the_visible_ones(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bbcc-3,0")
    with nvml.driver(FakeNvml(T4, A100, H100)) as driver:
        assert (nvml.gpu(driver, 0).index, nvml.gpu(driver, 1).index) == (2, 0)
        with pytest.raises(NoDevice, match=r"no GPU cuda:2; there is cuda:0 NVIDIA H100, cuda:1 NVIDIA T4"):
            nvml.gpu(driver, 2)
        with pytest.raises(NoDevice):
            nvml.gpu(driver, -1)


@pytest.mark.parametrize("boards", [(), (Board(handle=LOST),)], ids=["none", "lost"])
def test_no_device_where_no_gpu_answers(boards):
    with nvml.driver(FakeNvml(*boards)) as driver, pytest.raises(NoDevice, match="there is none that answers"):
        nvml.gpu(driver, 0)


def test_driver_that_cannot_count_its_gpus_is_a_failed_device(monkeypatch):
    fake = FakeNvml(T4)

    def fail() -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    monkeypatch.setattr(fake, "nvmlDeviceGetCount", fail)
    with nvml.driver(fake) as driver, pytest.raises(DeviceFailed, match=r"Unknown Error.*nvidia-smi"):
        nvml.gpus(driver)


@pytest.mark.parametrize(
    ("mig", "mig_enabled"),
    [(0, False), (1, True), (NOT_SUPPORTED, False), (NO_PERMISSION, False), (FUNCTION_NOT_FOUND, False)],
)
def test_mig(mig, mig_enabled):
    fake = FakeNvml(Board("NVIDIA A100", mig=mig))
    with nvml.driver(fake) as driver:
        [gpu] = nvml.gpus(driver)
        assert gpu.mig_enabled is mig_enabled
        if mig_enabled:
            with pytest.raises(MigDevice, match=r"NVIDIA A100 is cut into instances \(MIG\).*nvidia-smi -mig 0"):
                nvml.gpu(driver, 0)
        else:
            assert nvml.gpu(driver, 0).name == "NVIDIA A100"


def test_sample_is_in_the_units_it_names():
    busy = Board(milliwatts=123_456, temperature=67, sm_clock=1755, utilisation=98)
    assert first(busy).sample() == Sample(123.456, 67, 1755, 0.98, (), False)


@pytest.mark.parametrize(
    ("reasons", "slowed_by", "capped"),
    [
        (0x01, (), False),
        (pynvml.nvmlClocksEventReasonSwPowerCap, (), True),
        (pynvml.nvmlClocksThrottleReasonHwSlowdown, ("hardware slowdown",), False),
        (pynvml.nvmlClocksEventReasonSwThermalSlowdown, ("thermal limit (software)",), False),
        (
            pynvml.nvmlClocksThrottleReasonHwThermalSlowdown | pynvml.nvmlClocksEventReasonSwPowerCap,
            ("thermal limit (hardware)",),
            True,
        ),
        (pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown, ("power brake",), False),
        (NOT_SUPPORTED, (), False),
    ],
)
def test_why_clocks_are_low(reasons, slowed_by, capped):
    sample = first(Board(reasons=reasons)).sample()
    assert (sample.slowed_by, sample.power_capped) == (slowed_by, capped)


@pytest.mark.parametrize(
    "refused", [NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, Refused(pynvml.NVML_ERROR_NO_DATA)]
)
def test_what_the_driver_does_not_tell_is_unknown(refused):
    silent = Board(
        milliwatts=refused,
        temperature=refused,
        sm_clock=refused,
        utilisation=refused,
        reasons=refused,
        processes=refused,
        power_limit=refused,
        max_sm_clock=refused,
    )
    gpu = first(silent)
    assert gpu.sample() == Sample(None, None, None, None)
    assert gpu.others() == ()
    assert gpu.details() == {
        "name": "NVIDIA T4",
        "uuid": "GPU-aaaa",
        "driver": "580.65.06",
        "power_limit_w": None,
        "max_sm_clock_mhz": None,
    }


@pytest.mark.parametrize("ask", ["sample", "others", "details", "check"])
def test_lost_gpu_is_a_failed_device_whatever_is_asked(ask):
    board = Board("NVIDIA T4")
    gpu = first(board)
    board.lost = True
    with pytest.raises(DeviceFailed, match=r"NVIDIA T4 does not answer \(GPU is lost\); see nvidia-smi"):
        getattr(gpu, ask)()


def test_details():
    details = first(Board("NVIDIA H100", "GPU-1", power_limit=700_000, max_sm_clock=1980)).details()
    assert (details["power_limit_w"], details["max_sm_clock_mhz"], details["driver"]) == (700, 1980, "580.65.06")


def test_others_are_the_processes_that_are_not_this_one():
    parent = os.getppid()
    board = Board(processes=[(os.getpid(), 5_000_000), (parent, 2_500_000_000), (2**22 + 1, None)])
    program = Path(f"/proc/{parent}/comm").read_text().strip()
    assert first(board).others() == (Process(parent, program, 2500), Process(2**22 + 1, "", None))
