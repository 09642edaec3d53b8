"""The nano policy: a transformer that reads, thinks in words when it must, and drives.

It reads its memory, the instruction, the goal image and the kept tokens of all frames, all at once; then it
answers token by token, as VLingNav does (arXiv 2601.08665, section 3):

    <answer>  <think_off> <action>   or   <think_on> thought </think> summary </summary> <action>

The hidden state of the action token becomes a Gaussian over waypoints and a stop. What was read does not see
the answer (a prefix language model), so it is computed once however long the answer gets. Torch only; the
robot runs the ONNX export, `read` once per decision and `write` once per token of a thought.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vlingnav_policy.history import META
from vlingnav_policy.notes import NOTE_META, PATCH
from vlingnav_policy.tokenizer import ACTION, ANSWER, PAD
from vlingnav_train.networks import NanoConfig


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values `(B, heads, N, dim / heads)` of `(B, N, dim)`."""
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v

    def attend(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        """Spelled out: on CPUs the backward pass of torch's fused attention takes more than all the rest."""
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if bias is not None:
            scores = scores + bias.to(scores.dtype)  # of another type it would slow down all that follows
        y = scores.softmax(dim=-1).to(v.dtype) @ v
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.mlp(x)


GOAL_TOKENS = 12
"""Tokens of a goal image: a frame's 6 x 8, pooled by `sight.GOAL_STRIDE`."""
_WAVELENGTHS = (8.0, 4.0, 2.0)  # [m]
PLACES = 4 * len(_WAVELENGTHS)


def place_features(meta: Tensor) -> Tensor:
    """`meta (B, L, M)` with sines and cosines of its motion, `(B, L, M + PLACES)`: places told apart."""
    motion = 3.0 * meta[..., 1:3]  # see `history.assemble` and `notes.read_notes`
    phases = torch.cat([motion * (2.0 * math.pi / length) for length in _WAVELENGTHS], dim=-1)
    return torch.cat([meta, phases.sin(), phases.cos()], dim=-1)


@dataclass
class Prompt:
    """What the policy reads.

    Attributes:
        words: `(B, W)` ids of the instruction.
        notes, notes_meta: `(B, N, PATCH)` ids and `(B, N, NOTE_META)` of what it wrote; see `notes`.
        tokens: `(B, L, token_channels)` of frames; similarities are their last 4 channels.
        meta: `(B, L, META)` when and where each token was seen.
        used: `(B,)` how many of the L are real.
        velocity: `(B, 3)` own body velocity [m/s, m/s, rad/s].
        goal: `(B, G, token_channels)` of a goal image, zeros for who has none; None if nobody has.
    """

    words: Tensor
    notes: Tensor
    notes_meta: Tensor
    tokens: Tensor
    meta: Tensor
    used: Tensor
    velocity: Tensor
    goal: Tensor | None = None


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
    """Reads a prompt, writes an answer; the answer ends in an action."""

    def __init__(self, vocabulary: int, config: NanoConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim

        def two_layers(inputs: int, outputs: int, hidden: int = dim) -> nn.Sequential:
            return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))

        self.words = nn.Embedding(vocabulary, dim, padding_idx=PAD)
        self.position = nn.Parameter(torch.zeros(1, 64, dim))
        self.projector = two_layers(config.token_channels, dim)
        self.place = two_layers(META + PLACES, dim)
        self.goal = nn.Parameter(torch.zeros(1, GOAL_TOKENS, dim))  # instead of a time and a place
        self.note = nn.Linear(PATCH * dim, dim)
        self.note_place = two_layers(NOTE_META + PLACES, dim)
        self.action = two_layers(3, dim)
        self.order = nn.Parameter(torch.zeros(1, config.answer, dim))
        self.blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.trajectory = two_layers(dim, config.waypoints * 6, 2 * dim)
        self.stop = two_layers(dim, 1)
        self.found = two_layers(dim, 4)
        self.vocabulary = nn.Linear(dim, vocabulary)

    @property
    def layers(self) -> list[Block]:
        """The blocks, by their type."""
        return [cast(Block, block) for block in self.blocks]

    def prefix(self, prompt: Prompt) -> tuple[Tensor, Tensor]:
        """Embeddings `(B, P, dim)` of the prompt, and `(B, P)` which of them are padding."""
        frames = self.projector(prompt.tokens) + self.place(place_features(prompt.meta))
        instruction = self.words(prompt.words) + self.position[:, : prompt.words.shape[1]]
        patches = self.words(prompt.notes).reshape(*prompt.notes.shape[:2], PATCH * self.config.dim)
        notes = self.note(patches) + self.note_place(place_features(prompt.notes_meta))
        beyond = torch.arange(frames.shape[1], device=frames.device)[None] >= prompt.used[:, None]
        read, padded = [notes, instruction], [prompt.notes[:, :, 0] == PAD, prompt.words == PAD]
        if prompt.goal is not None:
            read.append(self.projector(prompt.goal) + self.goal[:, : prompt.goal.shape[1]])
            padded.append((prompt.goal == 0).all(dim=2))  # a real token has similarities, all above 0
        return torch.cat([*read, frames], dim=1), torch.cat([*padded, beyond], dim=1)

    def answer(self, ids: Tensor, position: Tensor, velocity: Tensor) -> Tensor:
        """Embeddings `(B, S, dim)` of answer tokens `ids (B, S)` at `position` in it, `(S,)` or `(B, S)`."""
        acts = ((ids == ANSWER) | (ids == ACTION))[..., None].to(velocity.dtype)
        return self.words(ids) + self.order[0, position] + acts * self.action(velocity)[:, None]

    def forward(self, prompt: Prompt, answers: Tensor) -> Tensor:
        """Hidden states `(B, S, dim)` of the answers `(B, S)`, the end of which may be padding."""
        read, padded = self.prefix(prompt)
        count = answers.shape[1]
        order = torch.arange(count, device=answers.device)
        x = torch.cat([read, self.answer(answers, order, prompt.velocity).to(read.dtype)], dim=1)
        bias = self.bias(padded, answers)
        for i, block in enumerate(self.layers, start=1):
            q, k, v = block.project(x)
            if i == len(self.layers):  # of the last one only the answer is wanted
                q, x, bias = q[:, :, -count:], x[:, -count:], bias[:, :, -count:]
            x = block.attend(x, q, k, v, bias)
        return self.norm(x)

    @staticmethod
    def bias(padded: Tensor, answers: Tensor) -> Tensor:
        """Who may not look at whom: `(B, 1, P + S, P + S)`, 0 or -1e4.

        Nobody looks at padding, what is read does not look at the answer, and the answer not ahead.
        """
        read, count = padded.shape[1], answers.shape[1]
        ahead = torch.zeros(read + count, read + count, dtype=torch.bool, device=padded.device)
        ahead[:read, read:] = True
        ahead[read:, read:] = torch.ones_like(ahead[read:, read:]).triu(1)
        hidden = torch.cat([padded, torch.zeros_like(answers, dtype=torch.bool)], dim=1)
        return torch.where(ahead | hidden[:, None, None], -1e4, 0.0)

    def predict(self, hidden: Tensor) -> Prediction:
        """What the hidden state `(B, dim)` of an action token says."""
        mean, log_std = self.trajectory(hidden).unflatten(-1, (2, self.config.waypoints, 3)).unbind(1)
        return Prediction(mean, log_std.clamp(-5.0, 1.0), self.stop(hidden).squeeze(-1), self.found(hidden))
