"""The nano networks that see and name; `policy_network` has the one that thinks and decides.

The tower sees one frame and is asked once per frame; what it gives is kept. The language encoder turns an
instruction into a query whose inner product with the tower's cells says where the named thing is (dense
vision-language alignment, learned in stage 0); `ImageQuery` does the same with a goal image. Torch only; the
robot runs the ONNX export.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_policy.tokenizer import PAD


@dataclass(frozen=True)
class NanoConfig:
    """Sizes of the nano preset.

    Attributes:
        image: height, width [px] of the input.
        widths: channels of the tower at strides 2, 4 and 8.
        channels: of a tower cell; cells lie on a grid of stride 8.
        dim, layers, heads: of the policy transformer. answer: tokens that its answer may have.
        waypoints: T of the trajectory. dt: time between them [s].
        scale: metres, metres, radians that count as 1 in the loss.
    """

    image: tuple[int, int] = (96, 128)
    widths: tuple[int, int, int] = (32, 96, 192)
    channels: int = 48
    dim: int = 160
    layers: int = 4
    heads: int = 5
    answer: int = 144
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

        a, b, c = config.widths
        self.body = nn.Sequential(
            *down(3, a), *down(a, b), Residual(b), *down(b, c), Residual(c), Residual(c, 2),
            Residual(c, 4), nn.Conv2d(c, config.channels, 1),
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


class ImageQuery(nn.Module):
    """Cells `(B, channels, h, w)` of a goal image to a query `(B, channels + 1)` for what it shows."""

    def __init__(self, config: NanoConfig, width: int = 96) -> None:
        super().__init__()
        h, w = (side // 8 for side in config.image)
        self.weight = nn.Conv2d(config.channels, 1, 1)
        self.middle = nn.Parameter(torch.zeros(1, 1, h, w))  # where that is, it learns
        self.head = nn.Sequential(
            nn.Linear(config.channels, 2 * width), nn.ReLU(), nn.Linear(2 * width, config.channels + 1)
        )

    def forward(self, cells: Tensor) -> Tensor:
        weight = (self.weight(cells) + self.middle).flatten(2).softmax(dim=2)
        return self.head((cells.flatten(2) * weight).sum(dim=2))


def similarity(cells: Tensor, query: Tensor) -> Tensor:
    """How much each cell `(B, C, h, w)` shows what `query (B, Q, C + 1)` names: logits `(B, Q, h, w)`."""
    return torch.einsum("bchw,bqc->bqhw", cells, query[..., :-1]) + query[..., -1, None, None]
