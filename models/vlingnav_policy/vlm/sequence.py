"""The order of the tokens, as data: what the language model reads and what it is to answer.

VLingNav (arXiv 2601.08665, pipeline figure), left to right:

    memory text | instruction, with the goal image at `<image_goal>` | (T_i, frame i)*, oldest to newest |
    <think_off>  or  <think_on><think> ... </think><summary> ... </summary> | <action>

NumPy only. Frames come from `vlingnav_policy.history`, which sampled and thinned them, and are pooled here at
the stride of their age. No chat template and no marks around pictures: the time token before each frame says
where one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.history import Floats, Frame, HistoryConfig, pool

TAGS = (
    "<think_on>",
    "<think_off>",
    "<think>",
    "</think>",
    "<summary>",
    "</summary>",
    "<image_goal>",
    "<action>",
)
IMAGE_GOAL = "<image_goal>"
WORD, TIME, CELL = range(3)  # what a token is

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Words:
    """Text tokens; `learn` if the model is to say them (they count in the cross-entropy)."""

    ids: tuple[int, ...]
    learn: bool = False
    kind: ClassVar[int] = WORD

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Time:
    """The token before a frame: how old it is, dT [s]."""

    age: float
    kind: ClassVar[int] = TIME

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True)
class Picture:
    """Visual tokens of one frame or goal image: `(rows * columns, C)` pooled cells and their grid."""

    cells: NDArray[np.floating[Any]]
    grid: tuple[int, int]
    kind: ClassVar[int] = CELL

    def __len__(self) -> int:
        return len(self.cells)


Segment = Words | Time | Picture


@dataclass(frozen=True)
class Tags:
    """The ids of `TAGS`, in their order."""

    think_on: int
    think_off: int
    think: int
    end_think: int
    summary: int
    end_summary: int
    image_goal: int
    action: int


def pooled_grid(grid: tuple[int, int], stride: int) -> tuple[int, int]:
    """Rows and columns of `grid` pooled at `stride`."""
    return -(-grid[0] // stride), -(-grid[1] // stride)


def frames_seen(frames: Sequence[Frame], config: HistoryConfig) -> list[Segment]:
    """A time token and the pooled picture of each of `frames` (oldest first, and so is the result).

    As in `history.assemble`, the oldest are left out when there are more cells than `config.capacity`.
    """
    now, used = frames[-1].stamp, 0
    seen: list[Segment] = []
    for frame in reversed(frames):
        age = now - frame.stamp
        stride = config.stride(age)
        picture = Picture(frame.pooled(config.grid, stride), pooled_grid(config.grid, stride))
        used += len(picture.cells)
        if used > config.capacity:
            break
        seen[:0] = (Time(age), picture)
    return seen


def goal_picture(cells: NDArray[np.floating[Any]], grid: tuple[int, int], stride: int) -> Picture:
    """The goal image from its `(rows * columns, C)` cells, pooled at `stride`."""
    return Picture(pool(cells, grid, stride, maxima=0), pooled_grid(grid, stride))


def instruction(text: str, image: Picture | None, encode: Encode, tags: Tags, limit: int) -> list[Segment]:
    """The instruction, with the goal image where the text says `<image_goal>`, or after it.

    Args:
        limit: tokens that the text may have.

    Raises:
        ValueError: the text is too long, or speaks of a goal image that is not there.
    """
    if image is not None and IMAGE_GOAL not in text:
        text = f"{text} {IMAGE_GOAL}"
    if image is None and IMAGE_GOAL in text:
        raise ValueError(
            f"the instruction speaks of {IMAGE_GOAL}, but the goal has no image; give one with it"
        )
    before, _, after = text.partition(IMAGE_GOAL)
    segments: list[Segment] = [Words(tuple(encode(before)))]
    if image is not None:
        segments += [Words((tags.image_goal,)), image, Words(tuple(encode(after)))]
    segments.append(Words(tuple(encode("\n"))))
    length = sum(len(segment) for segment in segments if isinstance(segment, Words))
    if length > limit:
        raise ValueError(
            f"the instruction has {length} tokens and this model reads at most {limit}; say it in fewer words"
        )
    return segments


def prompt(memory: str, told: Sequence[Segment], seen: Sequence[Segment], encode: Encode) -> list[Segment]:
    """All that the model reads before it answers: memory, instruction, frames."""
    remembered = [Words((*encode(memory), *encode("\n")))] if memory else []
    return [*remembered, *told, *seen]


def answer(
    tags: Tags, thought: Sequence[int] | None = None, summary: Sequence[int] | None = None
) -> list[Segment]:
    """What the model is to answer: without a thought, or with a thought and a summary.

    Raises:
        ValueError: there is a thought without a summary, or the reverse.
    """
    if (thought is None) != (summary is None):
        raise ValueError("a thought and its summary come together; give both or neither")
    said: tuple[int, ...] = (tags.think_off,)
    if thought is not None and summary is not None:
        said = (tags.think_on, tags.think, *thought, tags.end_think, tags.summary, *summary, tags.end_summary)
    return [Words(said, learn=True), Words((tags.action,))]


@dataclass(frozen=True)
class Packed:
    """A sequence of `L` tokens as arrays.

    Attributes:
        kinds: `(L,)` int8, `WORD`, `TIME` or `CELL`.
        ids: `(L,)` int64, of words; 0 elsewhere.
        learn: `(L,)` bool, the words that count in the cross-entropy.
        positions: `(3, L)` int64, see `pack`.
        ages: `(number of time tokens,)` float32 [s].
        cells: `(number of cells, C)`, float16 or as they came.
    """

    kinds: NDArray[np.int8]
    ids: NDArray[np.int64]
    learn: NDArray[np.bool_]
    positions: NDArray[np.int64]
    ages: Floats
    cells: NDArray[np.floating[Any]]

    def __len__(self) -> int:
        return len(self.kinds)


def pack(segments: Sequence[Segment], channels: int, grid_positions: bool) -> Packed:
    """The arrays of a sequence; a picture's cells have `channels`.

    Positions are 0, 1, 2 ... in all three rows, or with `grid_positions` those of the Qwen-VL families
    (M-RoPE; time, height, width): a word has the same in all three; the cells of a picture share their time
    and have their row and column added to height and width; what comes after goes on behind the longest
    side. Every frame is thus a still image to the language model, whatever its stride, and *when* it was
    seen is told by its time token alone.
    """
    kinds: list[NDArray[np.int8]] = []
    positions: list[NDArray[np.int64]] = []
    at = 0
    for segment in segments:
        length = len(segment)
        kinds.append(np.full(length, segment.kind, np.int8))
        if isinstance(segment, Picture) and grid_positions:
            rows, columns = segment.grid
            r, c = np.divmod(np.arange(length), columns)
            positions.append(at + np.stack([np.zeros_like(r), r, c]))
            at += max(rows, columns)
        else:
            positions.append(np.tile(at + np.arange(length), (3, 1)))
            at += length
    kind_of = np.concatenate(kinds)
    ids, learn = np.zeros(len(kind_of), np.int64), np.zeros(len(kind_of), np.bool_)
    words = [segment for segment in segments if isinstance(segment, Words)]
    ids[kind_of == WORD] = [i for segment in words for i in segment.ids]
    learn[kind_of == WORD] = [segment.learn for segment in words for _ in segment.ids]
    cells = [segment.cells for segment in segments if isinstance(segment, Picture)]
    return Packed(
        kinds=kind_of,
        ids=ids,
        learn=learn,
        positions=np.concatenate(positions, axis=1),
        ages=np.array([s.age for s in segments if isinstance(s, Time)], np.float32),
        cells=np.concatenate([np.zeros((0, channels), np.float16), *cells]),
    )
