"""Images at the size that a vision tower was made for, as torch resizes them, without torch.

Bicubic with antialias (Keys' kernel, a = -0.5, widened where the image shrinks), which is also what Pillow
calls bicubic. It is linear and works on rows and columns apart, so that it is two products of matrices.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def resize(image: NDArray[np.uint8], size: tuple[int, int]) -> Floats:
    """`(H, W, 3)` bytes to `(rows, columns, 3)` pixels of `size`, in [0, 1]."""
    pixels = image.astype(np.float32) / np.float32(255.0)
    (height, width), (rows, columns) = image.shape[:2], size
    if (height, width) == size:
        return pixels
    tall = (_weights(height, rows) @ pixels.reshape(height, -1)).reshape(rows, width, 3)
    resized: Floats = np.clip(_weights(width, columns) @ tall, 0.0, 1.0)
    return resized


@lru_cache
def _weights(source: int, target: int) -> Floats:
    """`(target, source)`: what each new pixel takes of each old one."""
    step = source / target
    centres = (np.arange(target) + 0.5) * step
    x = np.abs(np.arange(source) + 0.5 - centres[:, None]) / max(step, 1.0)
    near, far = (1.5 * x - 2.5) * x**2 + 1.0, ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    weights = np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
