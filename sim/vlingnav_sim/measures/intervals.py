"""95 % confidence intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def wilson_interval(successes: int, episodes: int, z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a proportion (Wilson, 1927)."""
    if episodes == 0:
        return 0.0, 1.0
    p, n = successes / episodes, episodes
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def mean_interval(values: NDArray[np.float64], z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a mean, normal approximation."""
    half = z * float(np.std(values, ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else float("inf")
    return float(np.mean(values)) - half, float(np.mean(values)) + half
