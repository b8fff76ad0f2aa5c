"""Why a measurement has no figure: one named state for each reason."""

from __future__ import annotations

from ecnas_core import errors
from ecnas_core.errors import EcnasError


class MeasureError(EcnasError):
    """A measurement that has no figure.

    Attributes:
        state: the reason in one word, as JSON documents carry it.
    """

    exit_status = 1
    state = "failed"


class InvalidSettings(MeasureError):
    """Settings that no measurement can have."""

    exit_status = 2
    state = "invalid_settings"


class NoImages(MeasureError):
    """The folder holds no CIFAR-10 in its binary version."""

    exit_status = 2
    state = "no_images"


class UnknownMeasurement(MeasureError):
    """No measurement of that name is stored."""

    exit_status = 2
    state = "unknown_measurement"


class NotStored(MeasureError):
    """The folder of measurements cannot be written to."""

    state = "not_stored"


class NoDriver(MeasureError):
    """There is no NVIDIA driver, or it does not start."""

    state = "no_driver"


class NoDevice(MeasureError):
    """The device that was asked for is not there."""

    state = "no_device"


class MigDevice(MeasureError):
    """The GPU is cut into instances, of which none has a counter of its own."""

    state = "mig"


class NoCounter(MeasureError):
    """Nothing here counts the device's energy."""

    state = "no_counter"


class NotPermitted(MeasureError):
    """A counter is there and this user must not read it."""

    state = "not_permitted"


class StandsStill(MeasureError):
    """A counter did not move while the device worked."""

    state = "stands_still"


class DeviceBusy(MeasureError):
    """Something else works on the device."""

    state = "device_busy"


class DeviceLocked(MeasureError):
    """Another measurement of this program has the device."""

    state = "device_locked"


class OutOfMemory(MeasureError):
    """The network and its batch do not fit into the device's memory."""

    state = "out_of_memory"


class DeviceFailed(MeasureError):
    """The device or its library reported an error."""

    state = "device_failed"


class TimeLimit(MeasureError):
    """The measurement took longer than it may."""

    state = "time_limit"


class Cancelled(MeasureError, errors.Cancelled):
    """The measurement was cancelled."""

    state = "cancelled"


class WorkerDied(MeasureError):
    """The measuring process ended without a word."""

    state = "died"


def by_name(state: str) -> type[MeasureError]:
    """The error of a state; MeasureError itself where there is none of that name."""
    return next((error for error in MeasureError.__subclasses__() if error.state == state), MeasureError)
