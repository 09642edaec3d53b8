"""The order of the tokens, their positions, and the two small networks beside the backbone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from vlingnav_policy.history import Frame, FrameHistory, HistoryConfig
from vlingnav_policy.vlm.sequence import (
    CELL,
    TAGS,
    TIME,
    WORD,
    Picture,
    Tags,
    Time,
    Words,
    answer,
    frames_seen,
    goal_picture,
    instruction,
    pack,
    prompt,
)
from vlingnav_train.vlm.heads import Action, ActionHead
from vlingnav_train.vlm.time_token import TimeToken

IDS = Tags(*range(100, 100 + len(TAGS)))
HISTORY = HistoryConfig(
    grid=(4, 6), max_rate=1.0, stability=30.0, pooling_time=1.0, max_stride=4, max_frames=32, capacity=60
)


def encode(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def frames(count: int, period: float = 1.0) -> list[Frame]:
    pictures = (np.full((24, 5), number, np.float16) for number in range(count))
    return [Frame(cells, number * period, np.zeros(3), 0) for number, cells in enumerate(pictures)]


def test_importing_it_takes_no_torch() -> None:
    code = "import sys, vlingnav_policy.vlm.graphs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_order_is_the_papers() -> None:
    told = instruction("find a", None, encode, IDS, limit=20)
    segments = [*prompt("mem", told, frames_seen(frames(3), HISTORY), encode), *answer(IDS, [7, 8], [9])]
    packed = pack(segments, 5, grid_positions=False)
    runs = "".join("WTC"[kind] for kind in packed.kinds)
    assert runs == "W" * len("mem\nfind a\n") + "T" + "C" * 2 + "T" + "C" * 6 + "T" + "C" * 24 + "W" * 9
    said = [IDS.think_on, IDS.think, 7, 8, IDS.end_think, IDS.summary, 9, IDS.end_summary, IDS.action]
    assert packed.ids[packed.kinds == WORD].tolist() == [*encode("mem\nfind a\n"), *said]
    assert packed.ids[packed.learn].tolist() == said[:-1]  # the action token is not a word to be learned
    assert packed.ages.tolist() == [2.0, 1.0, 0.0]  # oldest first
    assert packed.cells[:, 0].tolist() == [0.0] * 2 + [1.0] * 6 + [2.0] * 24
    assert packed.positions.tolist() == [list(range(len(packed)))] * 3


def test_without_a_thought_one_word_is_learned() -> None:
    packed = pack(answer(IDS), 5, grid_positions=False)
    assert packed.ids.tolist() == [IDS.think_off, IDS.action] and packed.learn.tolist() == [True, False]
    with pytest.raises(ValueError, match="together"):
        answer(IDS, [1], None)


def test_the_history_is_pooled_by_age_within_its_capacity() -> None:
    segments = frames_seen(frames(9), HISTORY)
    strides = [HISTORY.stride(s.age) for s in segments if isinstance(s, Time)]
    shapes = [s.grid for s in segments if isinstance(s, Picture)]
    assert strides == sorted(strides, reverse=True) and strides[-1] == 1
    assert shapes[-3:] == [(1, 2), (2, 3), (4, 6)]
    assert sum(len(s) for s in segments if isinstance(s, Picture)) <= HISTORY.capacity
    tight = replace(HISTORY, capacity=30)
    assert [s.age for s in frames_seen(frames(9), tight) if isinstance(s, Time)] == [1.0, 0.0]


def test_a_thinned_history_fits() -> None:
    config = replace(HISTORY, capacity=120)
    history = FrameHistory(config)
    for frame in frames(300, period=0.4):
        history.add(frame)
    ages = [s.age for s in frames_seen(history.frames, config) if isinstance(s, Time)]
    assert ages[0] == pytest.approx(0.4 * 299) and ages == sorted(ages, reverse=True)


def test_positions_of_the_qwen_families_are_those_of_still_images() -> None:
    picture = Picture(np.zeros((6, 5), np.float16), (2, 3))
    packed = pack([Words((1, 2)), Time(0.0), picture, Words((3,))], 5, grid_positions=True)
    time, row, column = packed.positions.tolist()
    assert time == [0, 1, 2, 3, 3, 3, 3, 3, 3, 6]
    assert row == [0, 1, 2, 3, 3, 3, 4, 4, 4, 6]
    assert column == [0, 1, 2, 3, 4, 5, 3, 4, 5, 6]


def test_a_goal_image_stands_where_the_instruction_says() -> None:
    image = goal_picture(np.ones((24, 5), np.float16), (4, 6), stride=2)
    assert image.grid == (2, 3)
    packed = pack(instruction("to <image_goal> now", image, encode, IDS, limit=20), 5, grid_positions=False)
    assert packed.kinds.tolist() == [WORD] * 4 + [CELL] * 6 + [WORD] * 5
    assert packed.ids[3] == IDS.image_goal
    behind = pack(instruction("go there", image, encode, IDS, limit=20), 5, grid_positions=False)
    assert behind.kinds.tolist() == [WORD] * 10 + [CELL] * 6 + [WORD]
    assert not (behind.kinds == TIME).any()


def test_an_instruction_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="has 61 tokens and this model reads at most 20"):
        instruction("x" * 60, None, encode, IDS, limit=20)
    with pytest.raises(ValueError, match="the goal has no image"):
        instruction("find the <image_goal>", None, encode, IDS, limit=20)


def test_time_tokens_know_how_far_apart_two_frames_are() -> None:
    torch.manual_seed(0)
    time = TimeToken(64, loudness=0.02)
    turned = (time(torch.tensor([0.0, 1.0, 10.0, 11.0])) - time.base).detach()
    assert turned[0] @ turned[1] == pytest.approx(float(turned[2] @ turned[3]), rel=1e-4)
    assert turned[0] @ turned[1] > turned[0] @ turned[2]
    assert turned.square().mean().sqrt() == pytest.approx(0.02, rel=1e-4)
    assert time.base.requires_grad and len(list(time.parameters())) == 1


def test_the_head_is_a_gaussian_over_waypoints() -> None:
    torch.manual_seed(0)
    action = ActionHead(16, 8, waypoints=5)(torch.randn(3, 16).bfloat16())
    assert action.mean.shape == action.log_std.shape == (3, 5, 3) and action.stop.shape == (3,)
    assert action.mean.dtype == torch.float32
    wide = Action(torch.ones(1, 5, 3), torch.zeros(1, 5, 3), torch.zeros(1))
    draws = torch.cat([wide.sample(torch.Generator().manual_seed(i)) for i in range(400)])
    assert draws.mean() == pytest.approx(1.0, abs=0.1) and draws.std() == pytest.approx(1.0, abs=0.1)
    normal = torch.distributions.Independent(torch.distributions.Normal(wide.mean, wide.log_std.exp()), 2)
    assert torch.allclose(wide.log_prob(draws[:1]), normal.log_prob(draws[:1]))
