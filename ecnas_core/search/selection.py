"""Who becomes a parent and who survives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecnas_core.search.archive import Places, Points, contributions, nondominated

PRESSURE = 1.9


def linear_ranking(count: int, pressure: float = PRESSURE) -> NDArray[np.float64]:
    """Probabilities of linear ranking (Baker 1985).

    Args:
        count: how many are ranked, at least 1.
        pressure: expected number of times that the best is chosen among ``count`` draws, 1 to 2.

    Returns:
        (count,) probabilities from the worst to the best; they rise evenly and sum to 1.
    """
    if count == 1:
        return np.ones(1)
    least = 2 - pressure
    return (least + (pressure - least) * np.arange(count) / (count - 1)) / count


def ranked_parents(values: Points, count: int, rng: np.random.Generator, pressure: float = PRESSURE) -> Places:
    """Draw parents by linear ranking of the hypervolume contributions on a front.

    Args:
        values: (n, objectives) of mutually non-dominated points, n at least 1.
        count: how many to draw, with replacement.
        rng: where chance comes from; ties are ranked at random.
        pressure: of the linear ranking.

    Returns:
        (count,) places in ``values``.
    """
    order = rng.permutation(len(values))
    order = order[np.argsort(contributions(values)[order], kind="stable")]
    return order[rng.choice(len(values), count, p=linear_ranking(len(values), pressure))]


def layers(values: Points, most: int) -> list[Places]:
    """Non-dominated sorting: the front, the front of the rest, and so on.

    Args:
        values: (n, objectives), finite; of equal points the first comes before the others.
        most: how many layers at most.

    Returns:
        Places in ``values``, one array a layer, each ascending in the first objective; fewer where no point is left.
    """
    left = np.arange(len(values))
    found: list[Places] = []
    while len(left) and len(found) < most:
        on_front = nondominated(values[left])
        found.append(left[on_front])
        left = np.delete(left, on_front)
    return found


def survivors(values: Points, count: int) -> Places:
    """The best of many: layer by layer, and of the last one those left when the least contributor goes, repeatedly.

    Args:
        values: (n, objectives), finite; of equal points the first comes before the others.
        count: how many survive; all where there are fewer.

    Returns:
        Their places, best first: by layer, then by falling hypervolume contribution in it.
    """
    chosen: list[int] = []
    for layer in layers(values, len(values)):
        while len(chosen) + len(layer) > count:
            layer = np.delete(layer, contributions(values[layer]).argmin())
        chosen.extend(layer[np.argsort(-contributions(values[layer]), kind="stable")].tolist())
        if len(chosen) == count:
            break
    return np.array(chosen, np.int64)
