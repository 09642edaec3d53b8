"""How a network answers: think or not, the thought, the summary, and then the action.

The prompt is read once and always at the same length, padded on the left: a step costs the same whether the
episode has just begun or is long. After it tokens are added to the KV cache one by one. Text is greedy; only
plain text may be said, and a thought that grows too long is closed for the network, so that every answer is
well formed: one indicator, both pairs of tags or none, the action token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.vlm.sequence import Packed
from vlingnav_policy.vlm.writer import Writer

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Action:
    """What the head says: a diagonal Gaussian over trajectories, and whether the task is done.

    Attributes:
        mean, log_std: `(T, 3)`, in units of the model's scale.
        stop: logit.
    """

    mean: Floats
    log_std: Floats
    stop: float

    def sample(self, rng: np.random.Generator) -> Floats:
        """`(T, 3)` drawn from the Gaussian."""
        noise = rng.standard_normal(self.mean.shape)
        return (self.mean + np.exp(self.log_std) * noise).astype(np.float32)


class Reading(Protocol):
    """A sequence that has been read, and can be gone on with."""

    def more(self, ids: Sequence[int], position: int) -> None:
        """Read words after it, the first of them at `position` and the others behind."""

    def logits(self) -> Floats:
        """`(V,)`: what may come after its last token; V is the length of the network's text, or more."""

    def action(self) -> Action:
        """What the head makes of its last token."""


class Network(Protocol):
    """What sees, reads and decides, on whatever it runs.

    Attributes:
        writer: writes what it reads.
    """

    writer: Writer

    @property
    def provider(self) -> str:
        """What it runs on."""

    def see(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        """The cells `(N, rows * columns, channels)` of `(N, H, W, 3)`: all of them that is ever kept."""

    def read(self, prompt: Packed, length: int) -> Reading:
        """A prompt, padded on the left to `length`, which is no less than it has."""


@dataclass(frozen=True)
class Answer:
    """What the network said.

    Attributes:
        thought, summary: ids of their text; None when it did not think.
        action: what it decided.
        calm: how likely it is that no thought has fallen due since the last one.
    """

    thought: tuple[int, ...] | None
    summary: tuple[int, ...] | None
    action: Action
    calm: float


class _Speaker:
    """Goes on with a sequence; what is said is read when somebody next listens."""

    def __init__(self, network: Network, prompt: Packed, length: int) -> None:
        self._reading, self._sayable = network.read(prompt, length), network.writer.text.sayable
        self._position = int(prompt.positions.max()) + 1
        self._unread: list[int] = []

    def say(self, *ids: int) -> None:
        """Add tokens."""
        self._unread.extend(ids)

    def listen(self) -> Reading:
        """The sequence with all that was said."""
        if self._unread:
            self._reading.more(self._unread, self._position)
            self._position += len(self._unread)
            self._unread = []
        return self._reading

    def write(self, end: int, limit: int) -> tuple[int, ...]:
        """Say plain text up to the tag `end`, of at most `limit` tokens, and then `end`; returns the text."""
        allowed = self._sayable.copy()
        allowed[end] = True
        written: list[int] = []
        while len(written) < limit:
            logits = self.listen().logits()[: len(allowed)]
            token = int(np.where(allowed, logits, -np.inf).argmax())
            if token == end:
                break
            self.say(token)
            written.append(token)
        self.say(end)
        return tuple(written)


def respond(
    network: Network,
    prompt: Packed,
    length: int,
    thinking: ThinkingConfig = ThinkingConfig(),
    calm: float = 1.0,
) -> Answer:
    """The network's answer to a prompt padded to `length`.

    Args:
        thinking: when it thinks, see `ThinkingConfig.threshold`; how long a thought may be is the model's.
        calm: of the answer before this one.

    Raises:
        ValueError: the prompt is longer than that.
    """
    if len(prompt) > length:
        raise ValueError(f"the prompt has {len(prompt)} tokens, and only {length} were reckoned with")
    tags, config = network.writer.text.tags, network.writer.config
    speaker = _Speaker(network, prompt, length)
    on, off = speaker.listen().logits()[[tags.think_on, tags.think_off]].tolist()
    calm *= 0.5 - 0.5 * math.tanh(0.5 * (on - off))  # the probability of <think_off> among the two
    due = 1.0 - calm > thinking.threshold
    thought = summary = None
    if thinking.think == "always" or (thinking.think == "adaptive" and due):
        calm = 1.0
        speaker.say(tags.think_on, tags.think)
        thought = speaker.write(tags.end_think, config.thought_tokens)
        speaker.say(tags.summary)
        summary = speaker.write(tags.end_summary, config.summary_tokens)
    else:
        speaker.say(tags.think_off)
    speaker.say(tags.action)
    return Answer(thought, summary, speaker.listen().action(), calm)
