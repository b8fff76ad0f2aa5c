"""The columns of the project's own Parquet files."""

from __future__ import annotations

import pyarrow as pa

from ecnas_core.benchmark.official import EPOCHS

RESULTS = pa.schema(
    [
        ("hash", pa.string()),
        ("epochs", pa.int16()),
        ("repeat", pa.int8()),
        ("device", pa.string()),
        ("source", pa.string()),
        ("official", pa.bool_()),
        ("validation_accuracy", pa.float64()),
        ("test_accuracy", pa.float64()),
        ("train_accuracy", pa.float64()),
        ("training_time_s", pa.float64()),
        ("energy_kwh", pa.float64()),
        ("pue", pa.float64()),
        ("gpu_energy_j", pa.float64()),
        ("cpu_energy_j", pa.float64()),
        ("gpu_power_w", pa.float64()),
        ("cpu_power_w", pa.float64()),
        ("co2eq_g", pa.float64()),
        ("carbon_intensity_g_per_kwh", pa.float64()),
        ("energy_provenance", pa.string()),
        ("accuracy_provenance", pa.string()),
        ("time_provenance", pa.string()),
    ]
)

EVALUATIONS = pa.schema(
    [
        ("study", pa.string()),
        ("space", pa.string()),
        ("algorithm", pa.string()),
        ("trial", pa.int16()),
        ("evaluation", pa.int32()),
        ("individual", pa.int32()),
        ("valid", pa.bool_()),
        ("hash", pa.string()),
        ("epochs", pa.int16()),
        ("trainable_parameters", pa.int32()),
        ("energy_kwh", pa.float64()),
        ("validation_accuracy", pa.float64()),
        ("test_accuracy", pa.float64()),
        ("training_time_s", pa.float64()),
        ("co2eq_g", pa.float64()),
        ("source", pa.string()),
    ]
)

MEASUREMENTS = pa.schema(
    [
        ("measurement", pa.string()),
        ("measured_at", pa.timestamp("us")),
        ("hash", pa.string()),
        ("device", pa.string()),
        ("device_uuid", pa.string()),
        ("driver", pa.string()),
        ("software", pa.string()),
        ("mode", pa.string()),
        ("batch_size", pa.int32()),
        ("precision", pa.string()),
        ("effort", pa.string()),
        ("images", pa.string()),
        ("images_per_epoch", pa.int32()),
        ("repeats", pa.int32()),
        ("steps_per_repeat", pa.int32()),
        ("seconds_per_step", pa.float64()),
        ("seconds_per_step_low", pa.float64()),
        ("seconds_per_step_high", pa.float64()),
        ("seconds_cv", pa.float64()),
        ("gpu_energy_j_per_step", pa.float64()),
        ("gpu_energy_j_per_step_low", pa.float64()),
        ("gpu_energy_j_per_step_high", pa.float64()),
        ("gpu_energy_cv", pa.float64()),
        ("gpu_net_energy_j_per_step", pa.float64()),
        ("gpu_power_w", pa.float64()),
        ("gpu_idle_power_w", pa.float64()),
        ("cpu_energy_j_per_step", pa.float64()),
        ("cpu_energy_j_per_step_low", pa.float64()),
        ("cpu_energy_j_per_step_high", pa.float64()),
        ("cpu_energy_cv", pa.float64()),
        ("cpu_net_energy_j_per_step", pa.float64()),
        ("cpu_power_w", pa.float64()),
        ("cpu_idle_power_w", pa.float64()),
        ("dram_energy_j_per_step", pa.float64()),
        ("carbontracker_j_per_step", pa.float64()),
        ("gpu_counter", pa.string()),
        ("cpu_counter", pa.string()),
        ("gpu_tick_s", pa.float64()),
        ("temperature_c", pa.float64()),
        ("temperature_max_c", pa.float64()),
        ("sm_clock_mhz", pa.float64()),
        ("power_limit_w", pa.float64()),
        ("stable", pa.bool_()),
        ("flags", pa.string()),
        ("source", pa.string()),
    ]
)

PREDICTED = pa.schema(
    [
        (f"predicted_{name}_{epochs}", kind)
        for epochs in EPOCHS
        for name, kind in (
            ("accuracy", pa.decimal128(5, 4)),
            ("accuracy_low", pa.decimal128(5, 4)),
            ("accuracy_high", pa.decimal128(5, 4)),
            ("time_s", pa.decimal128(7, 2)),
            ("time_s_low", pa.decimal128(7, 2)),
            ("time_s_high", pa.decimal128(7, 2)),
        )
    ]
)
"""What the accuracy surrogate says of every cell at every budget, with 90 % intervals (surrogates.accuracy)."""

CELLS = pa.schema(
    [
        ("hash", pa.string()),
        ("space", pa.string()),
        ("vertices", pa.int8()),
        ("edges", pa.int8()),
        ("edge_bits", pa.int32()),
        ("ops", pa.string()),
        ("n_conv3x3", pa.int8()),
        ("n_conv1x1", pa.int8()),
        ("n_maxpool3x3", pa.int8()),
        ("depth", pa.int8()),
        ("width", pa.int8()),
        ("trainable_parameters", pa.int32()),
        ("multiply_adds", pa.int64()),
        ("surrogate_energy_wh_4_epochs", pa.float32()),
        *PREDICTED,
    ]
)

DEVICES = pa.schema(
    [
        ("device", pa.string()),
        ("measured_cells", pa.int16()),
        ("space", pa.string()),
        ("row", pa.int32()),
        ("energy_kwh", pa.float32()),
        ("energy_kwh_low", pa.float32()),
        ("energy_kwh_high", pa.float32()),
        ("gpu_energy_j", pa.float32()),
        ("gpu_energy_j_low", pa.float32()),
        ("gpu_energy_j_high", pa.float32()),
    ]
)
"""Energies of 4 epochs on a calibrated device, predicted for every cell (surrogates.devices): ``row`` is that of the
space's file behind the view ``benchmark``, facility energies include the PUE 1.59, ends are of 90 % intervals."""

PRINTED = pa.schema(
    [
        ("exhibit", pa.string()),
        ("subject", pa.string()),
        ("quantity", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
    ]
)
"""What the paper prints: exhibit (figure_2, figure_4, table_1, table_3), subject (a swap, an algorithm, an algorithm's
point, a space), quantity, value and its unit."""
