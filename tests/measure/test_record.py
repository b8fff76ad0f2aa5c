"""A measurement's figures against cases computed by hand, and each flag on and off."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from ecnas_core.measure.protocol import Readings, Settings, Window
from ecnas_core.measure.record import FLAGS, Measurement, MeasurementContext, measurement
from tests.measure.fakes import TINY, FakeMeter

THOROUGH = Settings(repeats=5)
GPU = FakeMeter(name="nvml:0", tick_s=0.1)
PACKAGES = [FakeMeter(name=f"rapl:package-{number}", component="cpu", tick_s=0.001) for number in (0, 1)]
DRAM = FakeMeter(name="rapl:package-0:dram", component="dram", tick_s=0.001)
ON_GPU = MeasurementContext(
    device="NVIDIA T4",
    software="torch 2.13.0",
    device_uuid="GPU-aaaa",
    driver="580.65.06",
    power_limit_w=70,
    temperatures_c=(60, 62, 67),
    sm_clocks_mhz=(1500, 1600),
    tracker_power_w=50,
)
ON_CPU = MeasurementContext(device="A CPU", software="torch 2.13.0")
T_4 = 2.776445


def readings(
    meters: list[FakeMeter], joules: dict[str, list[float]], idle_w: dict[str, tuple[float, float]], steps: int = 20
) -> Readings:
    """Five repeats of 10 s, so of half a second a step."""
    windows = tuple(
        Window(steps, 10.0, {meter.name: joules[meter.name][number] for meter in meters}) for number in range(5)
    )
    return Readings(idle_w, {meter.name: meter.tick_s for meter in meters}, windows)


def on_gpu(settings: Settings = THOROUGH, around: MeasurementContext = ON_GPU, **changed: Any) -> Measurement:
    """500 J a repeat on the GPU, 100 and 60 J in the two packages, 20 J in their memory."""
    meters = [changed.get("gpu", GPU), *PACKAGES, DRAM]
    joules = {
        meters[0].name: changed.get("gpu_j", [500.0] * 5),
        "rapl:package-0": changed.get("cpu_j", [100.0] * 5),
        "rapl:package-1": [60.0] * 5,
        "rapl:package-0:dram": [20.0] * 5,
    }
    idle_w = {
        meters[0].name: changed.get("gpu_idle_w", (10.0, 10.0)),
        "rapl:package-0": changed.get("cpu_idle_w", (4.0, 4.0)),
        "rapl:package-1": (2.0, 2.0),
        "rapl:package-0:dram": (1.0, 1.0),
    }
    return measurement(TINY.hash, settings, 256, readings(meters, joules, idle_w), meters, around)


def on_cpu(settings: Settings = THOROUGH, meters: list[FakeMeter] | None = None) -> Measurement:
    meters = meters or []
    joules = {meter.name: [100.0] * 5 for meter in meters}
    idle_w = {meter.name: (4.0, 4.0) for meter in meters}
    return measurement(TINY.hash, settings, 32, readings(meters, joules, idle_w), meters, ON_CPU)


def test_energies_by_component():
    found = on_gpu()
    assert (found.seconds_per_step, found.seconds_cv, found.repeats, found.steps_per_repeat) == (0.5, 0.0, 5, 20)
    assert (found.gpu_energy_j_per_step, found.gpu_net_energy_j_per_step) == (25.0, 25.0 - 10 * 0.5)
    assert (found.gpu_power_w, found.gpu_idle_power_w) == (50.0, 10.0)
    assert (found.cpu_energy_j_per_step, found.cpu_net_energy_j_per_step) == (8.0, 8.0 - 6 * 0.5)
    assert (found.cpu_power_w, found.cpu_idle_power_w) == (16.0, 6.0)
    assert found.dram_energy_j_per_step == 1.0
    assert found.carbontracker_j_per_step == 25.0


def test_interval_of_the_repeats():
    found = on_gpu(gpu_j=[480.0, 490.0, 500.0, 510.0, 520.0])
    deviation = 0.5 * math.sqrt(2.5)  # of 24, 24.5, 25, 25.5 and 26 J a step
    half = T_4 * deviation / math.sqrt(5)
    assert found.gpu_energy_j_per_step == pytest.approx(25)
    assert (found.gpu_energy_j_per_step_low, found.gpu_energy_j_per_step_high) == pytest.approx(
        (25 - half, 25 + half), rel=1e-6
    )
    assert found.gpu_energy_cv == pytest.approx(deviation / 25)
    assert (found.cpu_energy_j_per_step_low, found.cpu_energy_j_per_step_high, found.cpu_energy_cv) == (8.0, 8.0, 0.0)
    assert (found.seconds_per_step_low, found.seconds_per_step_high) == (0.5, 0.5)


def test_what_the_figures_rest_on():
    found = on_gpu()
    assert (found.hash, found.device, found.device_uuid, found.driver) == (
        TINY.hash,
        "NVIDIA T4",
        "GPU-aaaa",
        "580.65.06",
    )
    assert (found.mode, found.batch_size, found.precision, found.effort) == ("train", 256, "fp32", "thorough")
    assert (found.software, found.source, found.images_per_epoch) == ("torch 2.13.0", "ecnas-explorer", 40_000)
    assert (found.temperature_c, found.temperature_max_c, found.sm_clock_mhz) == (63.0, 67, 1550.0)
    assert (found.power_limit_w, found.gpu_tick_s) == (70, 0.1)
    assert found.gpu_counter == "nvml:0 (counter)"
    assert found.cpu_counter == "rapl:package-0 (counter), rapl:package-1 (counter)"
    assert (found.images, found.on_gpu) == ("synthetic", True)
    assert on_gpu(structs.replace(THOROUGH, images=Path("cifar"))).images == "cifar-10"
    now = datetime.now(UTC).replace(tzinfo=None)
    assert timedelta(0) <= now - found.measured_at < timedelta(minutes=1)
    assert found.measurement != on_gpu().measurement
    assert len(found.measurement) == 12


def test_what_was_not_seen_is_unknown():
    silent = replace(ON_GPU, temperatures_c=(), sm_clocks_mhz=(), power_limit_w=None, driver=None)
    found = on_gpu(around=silent)
    assert (found.temperature_c, found.temperature_max_c, found.sm_clock_mhz) == (None, None, None)


@pytest.mark.parametrize("epochs", [1, 4, 12, 36, 108])
def test_extrapolation(epochs):
    """25 J GPU and 8 J CPU a step of 256 images: an epoch of 40,000 images has 156.25 steps."""
    found = on_gpu()
    assert found.per_image_j("gpu") == 25 / 256
    assert found.seconds_per_epoch == pytest.approx(78.125)
    assert found.energy_j("gpu", epochs) == pytest.approx(3906.25 * epochs)
    assert found.energy_j("cpu", epochs) == pytest.approx(1250 * epochs)
    assert found.energy_j("dram", epochs) == pytest.approx(156.25 * epochs)
    assert found.facility_kwh(epochs, 1.59) == pytest.approx((3906.25 + 1250) * epochs / 3_600_000 * 1.59)


def test_four_epochs_at_the_facility_by_hand():
    assert on_gpu().facility_kwh(4, 1.59) == pytest.approx(0.00910937500, abs=1e-10)
    assert on_gpu().facility_kwh(4, 1.0) == pytest.approx(0.00572916667, abs=1e-10)


def test_epoch_of_other_length():
    found = on_gpu(structs.replace(THOROUGH, images_per_epoch=1000))
    assert found.seconds_per_epoch == pytest.approx(0.5 * 1000 / 256)
    assert found.energy_j("gpu", 2) == pytest.approx(25 * 2000 / 256)


class TestCpu:
    def test_gpu_takes_nothing_and_the_cpu_is_unknown_without_a_counter(self):
        found = on_cpu()
        assert not found.on_gpu
        assert (found.gpu_energy_j_per_step, found.energy_j("gpu", 108)) == (0.0, 0.0)
        assert found.seconds_per_step == 0.5
        unknown = (
            "gpu_energy_j_per_step_low",
            "gpu_energy_j_per_step_high",
            "gpu_energy_cv",
            "gpu_net_energy_j_per_step",
            "gpu_power_w",
            "gpu_idle_power_w",
            "cpu_energy_j_per_step",
            "cpu_energy_j_per_step_low",
            "cpu_energy_j_per_step_high",
            "cpu_energy_cv",
            "cpu_net_energy_j_per_step",
            "cpu_power_w",
            "cpu_idle_power_w",
            "dram_energy_j_per_step",
            "carbontracker_j_per_step",
            "gpu_counter",
            "cpu_counter",
            "gpu_tick_s",
            "temperature_c",
            "temperature_max_c",
            "sm_clock_mhz",
            "power_limit_w",
            "device_uuid",
            "driver",
        )
        assert {name: getattr(found, name) for name in unknown} == dict.fromkeys(unknown)
        assert found.per_image_j("cpu") is found.energy_j("cpu", 4) is found.facility_kwh(4, 1.59) is None
        assert found.tracker_deviation is None
        assert (found.flags, found.stable) == ("", True)

    def test_with_a_counter_the_facility_is_known(self):
        found = on_cpu(meters=PACKAGES[:1])
        assert (found.gpu_energy_j_per_step, found.cpu_energy_j_per_step) == (0.0, 5.0)
        assert found.cpu_net_energy_j_per_step == 5.0 - 4 * 0.5
        assert found.facility_kwh(4, 1.5) == pytest.approx(5 / 32 * 160_000 / 3.6e6 * 1.5)

    def test_gpu_without_counted_cpu_has_no_facility_energy(self):
        found = measurement(
            TINY.hash, THOROUGH, 256, readings([GPU], {"nvml:0": [500.0] * 5}, {"nvml:0": (10, 10)}), [GPU], ON_GPU
        )
        assert found.energy_j("gpu", 4) == pytest.approx(15_625)
        assert found.facility_kwh(4, 1.59) is None
        assert found.cpu_counter is None


class TestFlags:
    CLEAN = on_gpu()

    def test_none_on_a_clean_measurement(self):
        assert (self.CLEAN.flags, self.CLEAN.stable) == ("", True)

    @pytest.mark.parametrize(
        ("flag", "changed"),
        [
            ("quick", {"settings": structs.replace(THOROUGH, effort="quick")}),
            ("integrated power", {"gpu": FakeMeter(name="nvml-power:0", kind="integrated power")}),
            ("unstable", {"gpu_j": [480.0, 490.0, 500.0, 510.0, 540.0]}),
            ("unstable", {"cpu_j": [100.0, 100.0, 100.0, 100.0, 120.0]}),
            ("idle drifted", {"gpu_idle_w": (10.0, 11.01)}),
            ("idle drifted", {"gpu_idle_w": (10.0, 8.9)}),
            ("idle drifted", {"cpu_idle_w": (4.0, 4.7)}),
            ("busy", {"around": replace(ON_GPU, others=True)}),
            ("slowed", {"around": replace(ON_GPU, slowed_by=("thermal limit (software)",))}),
            ("carbontracker disagrees", {"around": replace(ON_GPU, tracker_power_w=55.01)}),
            ("carbontracker disagrees", {"around": replace(ON_GPU, tracker_power_w=44.99)}),
            ("carbontracker missing", {"around": replace(ON_GPU, tracker_power_w=None)}),
        ],
    )
    def test_each_alone(self, flag, changed):
        assert flag in FLAGS
        assert on_gpu(**changed).flags == flag

    @pytest.mark.parametrize(
        "changed",
        [
            {"gpu_j": [490.0, 495.0, 500.0, 505.0, 510.0]},
            {"gpu_idle_w": (10.0, 10.99)},
            {"gpu_idle_w": (10.0, 9.01)},
            {"around": replace(ON_GPU, tracker_power_w=54.99)},
            {"around": replace(ON_GPU, tracker_power_w=45.01)},
        ],
    )
    def test_just_within(self, changed):
        assert on_gpu(**changed).flags == ""

    def test_unstable_is_not_stable(self):
        assert not on_gpu(gpu_j=[480.0, 490.0, 500.0, 510.0, 540.0]).stable

    def test_times_that_vary_are_unstable(self):
        seconds = [10.0, 10.0, 10.0, 10.0, 11.0]
        varying = Readings({}, {}, tuple(Window(20, each, {}) for each in seconds))
        found = measurement(TINY.hash, THOROUGH, 32, varying, [], ON_CPU)
        assert (found.flags, found.stable) == ("unstable", False)

    def test_several_are_in_one_order(self):
        found = on_gpu(
            structs.replace(THOROUGH, effort="quick"),
            replace(ON_GPU, others=True, tracker_power_w=None),
            gpu_idle_w=(10, 20),
        )
        assert found.flags.split(",") == ["quick", "idle drifted", "busy", "carbontracker missing"]

    def test_each_has_a_meaning_and_no_comma(self):
        assert all(meaning and "," not in flag for flag, meaning in FLAGS.items())


@pytest.mark.parametrize(("tracked_w", "deviation"), [(50, 0.0), (60, 0.2), (45, -0.1)])
def test_carbontracker_against_the_counter(tracked_w, deviation):
    found = on_gpu(around=replace(ON_GPU, tracker_power_w=tracked_w))
    assert found.carbontracker_j_per_step == tracked_w * 0.5
    assert found.tracker_deviation == pytest.approx(deviation)


@pytest.mark.parametrize("found", [on_gpu(), on_cpu()], ids=["GPU", "CPU"])
class TestDocument:
    def test_round_trip(self, found):
        assert Measurement.from_document(json.loads(json.dumps(found.to_document()))) == found

    def test_holds_every_column(self, found):
        assert list(found.to_document()) == [each.name for each in fields(Measurement)]

    def test_more_than_the_columns_is_left_out_and_less_is_an_error(self, found):
        document = found.to_document()
        assert Measurement.from_document({**document, "event": "result", "t": 3.2}) == found
        del document["gpu_power_w"]
        with pytest.raises(KeyError, match="gpu_power_w"):
            Measurement.from_document(document)
