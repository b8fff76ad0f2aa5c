"""The module hash of NAS-Bench-101: alike for isomorphic cells (Ying et al. 2019, section 2 and appendix)."""

from __future__ import annotations

from functools import cache, lru_cache
from hashlib import md5

from ecnas_core.cells.graph import predecessors, successors

INPUT_LABEL = -1
OUTPUT_LABEL = -2

Wiring = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def module_hash(vertices: int, edge_bits: int, ops_digits: str) -> str:
    """Return the NAS-Bench-101 module hash of a pruned cell.

    Args:
        vertices: number of vertices, 2..7.
        edge_bits: the pruned graph.
        ops_digits: one digit for each interior vertex.

    Returns:
        32 hexadecimal digits.
    """
    wiring = _wiring(vertices, edge_bits)
    labels = (INPUT_LABEL, *map(int, ops_digits), OUTPUT_LABEL)
    degrees_and_labels = [
        str((len(fed), len(sources), label)) for (sources, fed), label in zip(wiring, labels, strict=True)
    ]
    hashes = list(map(_recurring_digest, degrees_and_labels))
    hashes = list(map(_recurring_digest, _messages(wiring, hashes)))
    for _ in range(vertices - 1):
        hashes = list(map(_digest, _messages(wiring, hashes)))
    return _digest(str(sorted(hashes)))


@cache
def _wiring(vertices: int, edge_bits: int) -> Wiring:
    return tuple(zip(predecessors(vertices, edge_bits), successors(vertices, edge_bits), strict=True))


def _messages(wiring: Wiring, hashes: list[str]) -> list[str]:
    return [
        _joined(hashes, sources) + "|" + _joined(hashes, fed) + "|" + own
        for (sources, fed), own in zip(wiring, hashes, strict=True)
    ]


def _joined(hashes: list[str], members: tuple[int, ...]) -> str:
    if len(members) == 1:
        return hashes[members[0]]
    return "".join(sorted([hashes[v] for v in members]))


def _digest(message: str) -> str:
    return md5(message.encode(), usedforsecurity=False).hexdigest()


_recurring_digest = lru_cache(maxsize=1 << 15)(_digest)
