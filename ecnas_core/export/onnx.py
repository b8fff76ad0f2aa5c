"""A network's source to ONNX, by torch's exporter in a process of its own, where onnx and onnxscript are installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from ecnas_core.errors import EcnasError

NEEDED = ("onnx", "onnxscript")
_PATIENCE_S = 300
_CONVERT = """\
import sys
import torch
from network import Network
network = Network().eval()
size = int(sys.argv[1])
torch.onnx.export(network, (torch.zeros(2, 3, size, size),), sys.argv[2], input_names=["images"],
                  output_names=["logits"], dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False)
"""


class OnnxFailed(EcnasError):
    """torch's exporter does not work here."""

    exit_status = 1


def missing() -> tuple[str, ...]:
    """The packages that torch's exporter needs and that are not installed."""
    return tuple(name for name in NEEDED if find_spec(name) is None)


def convert(source: str, image_size: int) -> bytes:
    """The untrained network in ONNX.

    Args:
        source: as ``cells.source.network_source`` writes it.
        image_size: side of the images.

    Returns:
        The file: images (batch, 3, size, size) to logits.

    Raises:
        OnnxFailed: a package is missing, or the exporter failed.
    """
    if missing():
        raise OnnxFailed(f"torch's ONNX exporter needs {' and '.join(missing())}; pip install {' '.join(missing())}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "network.py").write_text(source, encoding="utf-8")
        Path(folder, "convert.py").write_text(_CONVERT, encoding="utf-8")
        path = Path(folder, "network.onnx")
        try:
            done = subprocess.run(
                [sys.executable, "convert.py", str(image_size), str(path)],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OnnxFailed(f"torch's ONNX exporter took more than {_PATIENCE_S} s; leave ONNX out") from None
        if done.returncode or not path.is_file():
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise OnnxFailed(f"torch's ONNX exporter failed ({reason}); leave ONNX out")
        return path.read_bytes()
