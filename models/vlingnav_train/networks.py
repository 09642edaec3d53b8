"""The nano networks: a vision tower, a language encoder, and a transformer that decides.

The tower sees one frame and is asked once per frame; what it gives is kept. The language encoder turns an
instruction into a query whose inner product with the tower's cells says where the named thing is (dense
vision-language alignment, learned in stage 0). The policy reads the instruction, the similarity and the kept
tokens of all frames, and its action token becomes a Gaussian over waypoints (VLingNav, section 3). Torch
only; the robot runs the ONNX export.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_policy.history import META
from vlingnav_policy.tokenizer import PAD


@dataclass(frozen=True)
class NanoConfig:
    """Sizes of the nano preset.

    Attributes:
        image: height, width [px] of the input.
        channels: of a tower cell; cells lie on a grid of stride 8.
        dim, layers, heads: of the policy transformer.
        waypoints: T of the trajectory. dt: time between them [s].
        scale: metres, metres, radians that count as 1 in the loss.
    """

    image: tuple[int, int] = (96, 128)
    channels: int = 48
    dim: int = 160
    layers: int = 4
    heads: int = 5
    waypoints: int = 8
    dt: float = 0.2
    scale: tuple[float, float, float] = (0.5, 0.25, 1.0)

    @property
    def token_channels(self) -> int:
        """Channels of a visual token: 2 x 2 cells, with one similarity each."""
        return 4 * (self.channels + 1)


class Residual(nn.Module):
    """Two 3 x 3 convolutions, the second dilated, around a skip connection."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(y)))


class VisionTower(nn.Module):
    """`(B, H, W, 3)` uint8 images to `(B, channels, H / 8, W / 8)` cells; normalisation is inside."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()

        def down(i: int, o: int) -> list[nn.Module]:
            return [nn.Conv2d(i, o, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

        self.body = nn.Sequential(
            *down(3, 24), *down(24, 48), Residual(48), *down(48, 112), Residual(112), Residual(112, 2),
            Residual(112, 4), nn.Conv2d(112, config.channels, 1),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        x = image.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return self.body(x)


class LanguageEncoder(nn.Module):
    """Instruction ids `(B, W)` to a query `(B, channels + 1)`: a direction in cell space, and a bias."""

    def __init__(self, vocabulary: int, config: NanoConfig, width: int = 96) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.context = nn.Conv1d(width, width, 3, padding=1)  # "coffee table" is not "dining table"
        self.weight = nn.Linear(width, 1)
        self.head = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, config.channels + 1)
        )

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        x = x + F.relu(self.context(x.transpose(1, 2)).transpose(1, 2))
        weight = self.weight(x).masked_fill((ids == PAD)[..., None], -1e4).softmax(dim=1)
        return self.head((weight * x).sum(dim=1))


def similarity(cells: Tensor, query: Tensor) -> Tensor:
    """How much each cell `(B, C, h, w)` shows what `query (B, Q, C + 1)` names: logits `(B, Q, h, w)`."""
    return torch.einsum("bchw,bqc->bqhw", cells, query[..., :-1]) + query[..., -1, None, None]


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(self, x: Tensor, bias: Tensor, last_only: bool = False) -> Tensor:
        """`(B, N, dim)` to the same, or to `(B, 1, dim)` when only the last token is wanted."""
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if last_only:
            q, x = q[:, :, -1:], x[:, -1:]
        # Spelled out: on CPUs the backward pass of torch's fused attention takes more than all the rest.
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        y = (scores + bias.to(scores.dtype)).softmax(dim=-1).to(v.dtype) @ v
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.mlp(x)


_WAVELENGTHS = (8.0, 4.0, 2.0)  # [m]


def place_features(meta: Tensor) -> Tensor:
    """`meta (B, L, META)` with sines and cosines of its motion, `(B, L, META + 12)`: places told apart."""
    motion = 3.0 * meta[..., 1:3]  # see `history.assemble`
    phases = torch.cat([motion * (2.0 * math.pi / length) for length in _WAVELENGTHS], dim=-1)
    return torch.cat([meta, phases.sin(), phases.cos()], dim=-1)


@dataclass
class Prediction:
    """What the policy network says; `mean` and `log_std` are in units of the config's scale.

    Attributes:
        mean, log_std: `(B, T, 3)` Gaussian over waypoints.
        stop: `(B,)` logit.
        found: `(B, 4)`: logit that the target has been seen, x and y of its middle in the body frame
            [`nano.FOUND_UNIT_M`], and the logit that it is in view.
    """

    mean: Tensor
    log_std: Tensor
    stop: Tensor
    found: Tensor


class PolicyNetwork(nn.Module):
    """Instruction, frame tokens and own velocity in; trajectory and stop out."""

    def __init__(self, vocabulary: int, config: NanoConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.words = nn.Embedding(vocabulary, dim, padding_idx=PAD)
        self.position = nn.Parameter(torch.zeros(1, 64, dim))
        self.projector = nn.Sequential(nn.Linear(config.token_channels, dim), nn.GELU(), nn.Linear(dim, dim))
        places = META + 4 * len(_WAVELENGTHS)
        self.place = nn.Sequential(nn.Linear(places, dim), nn.GELU(), nn.Linear(dim, dim))
        self.action = nn.Sequential(nn.Linear(3, dim), nn.GELU(), nn.Linear(dim, dim))
        self.blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.trajectory = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, config.waypoints * 6)
        )
        self.stop = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 1))
        self.found = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 4))

    def forward(
        self, words: Tensor, tokens: Tensor, meta: Tensor, used: Tensor, velocity: Tensor
    ) -> Prediction:
        """Decide.

        Args:
            words: `(B, W)` ids.
            tokens: `(B, L, token_channels)`; similarities are their last 4 channels.
            meta: `(B, L, META)` when and where each token was seen.
            used: `(B,)` how many of the L are real.
            velocity: `(B, 3)` own body velocity [m/s, m/s, rad/s].
        """
        frames = self.projector(tokens) + self.place(place_features(meta))
        instruction = self.words(words) + self.position[:, : words.shape[1]]
        x = torch.cat([instruction, frames, self.action(velocity)[:, None]], dim=1)
        padded = torch.arange(tokens.shape[1], device=tokens.device)[None] >= used[:, None]
        mask = torch.cat([words == PAD, padded, torch.zeros_like(padded[:, :1])], dim=1)
        bias = torch.where(mask, -1e4, 0.0).to(x.dtype)[:, None, None]
        for i, block in enumerate(self.blocks, start=1):
            x = block(x, bias, last_only=i == len(self.blocks))
        hidden = self.norm(x[:, -1])
        mean, log_std = self.trajectory(hidden).unflatten(-1, (2, self.config.waypoints, 3)).unbind(1)
        return Prediction(mean, log_std.clamp(-5.0, 1.0), self.stop(hidden).squeeze(-1), self.found(hidden))
