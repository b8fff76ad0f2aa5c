"""The ten files that EC-NAS-Bench releases: names, checksums, and what their numbers are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from ecnas_core.records import OneOf

Provenance = Literal["measured", "scaled", "surrogate", "published", "predicted"]
EPOCHS = (4, 12, 36, 108)
"""The training budgets of the benchmark."""

Budget = Annotated[int, OneOf(EPOCHS)]

PROVENANCES: tuple[Provenance, ...] = get_args(Provenance)

BASE_URL = (
    "https://media.githubusercontent.com/media/saintslab/EC-NAS-Bench/main/ecnas/ecnas/utils/data/tabular_benchmarks/"
)


def base_url() -> str:
    """Where the official files are fetched from: the environment variable ECNAS_BASE_URL (a mirror), else BASE_URL."""
    return os.environ.get("ECNAS_BASE_URL") or BASE_URL


@dataclass(frozen=True)
class OfficialFile:
    """One released TFRecord file.

    Attributes:
        name: path below the release's folder, also the argument of ``download``.
        bytes: size in bytes.
        sha256: hexadecimal digest of the whole file.
        space: the space whose cells it holds.
        energy_at_4_epochs: provenance of its energies and times at 4 epochs.
        energy_beyond: the same at 12, 36 and 108 epochs.
        accuracy: provenance of its accuracies.
    """

    name: str
    bytes: int
    sha256: str
    space: Literal["4V", "5V", "7V"]
    energy_at_4_epochs: Provenance
    energy_beyond: Provenance
    accuracy: Provenance

    @property
    def file_name(self) -> str:
        """The last part of the name: what the file is called on disk."""
        return self.name.rsplit("/", 1)[-1]

    def energy_provenance(self, epochs: int) -> Provenance:
        """Provenance of energy and time at a training budget in epochs."""
        return self.energy_at_4_epochs if epochs == 4 else self.energy_beyond


_FILES = (
    OfficialFile(
        "energy_4V9E_4epochs.tfrecord",
        893556,
        "eba6c177999103d7c938028e410836c1b62213a076b0e7436de85da8f81d974c",
        "4V",
        "measured",
        "measured",
        "measured",
    ),
    OfficialFile(
        "energy_4V9E_linscale.tfrecord",
        297784,
        "e18becd6aac719a9af4c816940a6bf7bf5fb0a16870d531e78a27c1d8cf89010",
        "4V",
        "measured",
        "scaled",
        "published",
    ),
    OfficialFile(
        "energy_5V9E_4epochs.tfrecord",
        2136916,
        "0be8df1e21dac4e7a927ee13823fb3f30fd900f8dee2a41f1572319e8af702cc",
        "5V",
        "measured",
        "measured",
        "measured",
    ),
    OfficialFile(
        "energy_5V9E_linscale.tfrecord",
        8557792,
        "31d4fdc8998f831e8f8629f3ed8b2837e474dd67da420ff5dcf8641f6bc882fe",
        "5V",
        "measured",
        "scaled",
        "published",
    ),
    OfficialFile(
        "energy_7V9E_4epochs.tfrecord",
        17522300,
        "c296461a59532bd370517b5adcb48dbe447ac56efdd2217eaa611287459ed725",
        "7V",
        "measured",
        "measured",
        "measured",
    ),
    OfficialFile(
        "energy_7V9E_surrogate.tfrecord",
        613992864,
        "93e4a806c737ac077231fa716b13e01d5fbfa3bc261d456284f8a3fdbb322f02",
        "7V",
        "surrogate",
        "surrogate",
        "published",
    ),
    OfficialFile(
        "hardware/energy_4V9E_quadrortx6000.tfrecord",
        297784,
        "b50e93e1ef94275ece211533fe954a7a6629157a4e94bb963f0e896d8bc7be09",
        "4V",
        "measured",
        "scaled",
        "published",
    ),
    OfficialFile(
        "hardware/energy_4V9E_rtx3060.tfrecord",
        290272,
        "30880a853e1bd1f6b54022c5aada8e9c4a150c5c84c88f5e1a21777beac238e5",
        "4V",
        "measured",
        "scaled",
        "published",
    ),
    OfficialFile(
        "hardware/energy_4V9E_rtx3090.tfrecord",
        300232,
        "55a89f91f4906e8c3c2e2578e64b0a62133d25b2e2e8e00f30513c7623f0a2f6",
        "4V",
        "measured",
        "scaled",
        "published",
    ),
    OfficialFile(
        "hardware/energy_4V9E_titanxp.tfrecord",
        292952,
        "ace80dda5f16dafa465b2a3e11c29518d8622884e174c15ed8d826a411f3373d",
        "4V",
        "measured",
        "scaled",
        "published",
    ),
)

OFFICIAL: dict[str, OfficialFile] = {file.name: file for file in _FILES}
_BY_SHA256 = {file.sha256: file for file in _FILES}


def by_sha256(digest: str) -> OfficialFile | None:
    """The official file with this SHA-256 digest (hexadecimal), or None for a user's own file."""
    return _BY_SHA256.get(digest)
