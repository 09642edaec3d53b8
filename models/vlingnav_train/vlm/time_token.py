"""The token before each frame: E_base + RoPE(dT) (VLingNav, arXiv 2601.08665, section 3).

RoPE is a rotation, and the paper does not print what it turns. Here it turns the vector (1, 0) in each plane
by the age of the frame in seconds, with RoPE's own frequencies, so that the inner product of two such tokens
depends on the difference of their ages.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TimeToken(nn.Module):
    """Ages of frames to tokens of the language model.

    Args:
        width: of the language model; even.
        loudness: root mean square of its token embeddings. Both terms get it, for one that drowns the other
            could not be learned away soon.
        base: of RoPE; wavelengths go from 2 pi s to `base` times that.
    """

    frequencies: Tensor
    loudness: Tensor

    def __init__(self, width: int, loudness: float, base: float = 10_000.0) -> None:
        super().__init__()
        self.base = nn.Parameter(loudness * torch.randn(width))
        frequencies = base ** (-torch.arange(0, width, 2) / width)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("loudness", torch.tensor(loudness))

    def forward(self, ages: Tensor) -> Tensor:
        """`(N,)` ages [s] to `(N, width)`."""
        phase = ages.float()[:, None] * self.frequencies
        turned = torch.cat([phase.cos(), phase.sin()], dim=-1) * (2.0**0.5 * self.loudness)
        return self.base + turned.to(self.base.dtype)
