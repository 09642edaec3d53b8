"""VLingNav drives: the `Policy` around a network, whatever that runs on.

Frames are seen once, thinned and pooled by `FrameHistory`; a summary is remembered only when the network
thought (VLingNav, arXiv 2601.08665, section 3 and Algorithm 1). An episode of any length costs the same per
step.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Self

import numpy as np

from vlingnav_policy.history import Frame, FrameHistory
from vlingnav_policy.manifest import Manifest
from vlingnav_policy.memory import Memory
from vlingnav_policy.thesaurus import Wording
from vlingnav_policy.thinking import Resolve, ThinkingConfig
from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_policy.vlm.answer import Network, respond
from vlingnav_policy.vlm.sequence import Segment


class VLMPolicy:
    """Drives with a `Network`; a `LearnedPolicy`.

    Args:
        network: what sees, reads and decides.
        manifest: of the model.
        thinking: what it uses of thinking and remembering; how long a thought may be is the model's own.
        rng: draws trajectories in training rollouts; without one the mean is driven.

    Attributes:
        memory: what was said so far, for the next run if wanted; see `Memory.for_next_run`.
        history: the frames kept.
        step: of the episode, from 1.
    """

    def __init__(
        self,
        network: Network,
        manifest: Manifest,
        thinking: ThinkingConfig = ThinkingConfig(),
        rng: np.random.Generator | None = None,
    ) -> None:
        self.manifest, self.thinking = manifest, thinking
        self._network, self._rng = network, rng
        self._told: list[Segment] | None = None
        self.memory = network.writer.memory()

    @property
    def provider(self) -> str:
        """What it runs on."""
        return self._network.provider

    def another(self) -> Self:
        """One more of the same weights, with an episode and a memory of its own."""
        return type(self)(self._network, self.manifest, self.thinking, self._rng)

    def wording(self, instruction: str) -> Wording:
        """The instruction as it is: a language model knows more words than a thesaurus."""
        return Wording(instruction)

    def unknown_words(self, instruction: str) -> list[str]:
        """Words that the tokenizer has nothing for; most read everything."""
        return self._network.writer.text.unknown_words(instruction)

    def check(self, goal: Goal) -> None:
        """Whether it can take on `goal` at all.

        Raises:
            ValueError: it was not trained for such a task, cannot read the instruction, or lacks the image.
        """
        image, learned = goal.image, self.manifest.tasks
        if goal.task not in learned:
            raise ValueError(f"this model was trained for tasks {', '.join(learned)}, not for {goal.task}")
        if goal.task == "image" and image is None:
            raise ValueError("the goal is an image and there is none; give one, or say what to find")
        if image is not None and (image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8):
            shape = "x".join(map(str, image.shape))
            raise ValueError(f"the goal image is to be uint8 of HxWx3, got {image.dtype} of {shape}")
        writer = self._network.writer
        cells = math.prod(writer.config.history.grid), writer.channels
        writer.instruction(goal.instruction, None if image is None else np.zeros(cells, np.float16))

    def reset(self, goal: Goal, memory: Memory | None = None) -> None:
        """Forget the last episode and take on `goal`.

        Args:
            memory: what an earlier run remembered.

        Raises:
            ValueError: see `check`.
        """
        self.check(goal)
        writer = self._network.writer
        shown = None if goal.image is None else self._network.see(goal.image[None])[0]
        self._told = writer.instruction(goal.instruction, shown)
        self._length = writer.prompt_length(sum(len(segment) for segment in self._told))
        self.history = FrameHistory(writer.config.history)
        self.memory = writer.memory(memory.entries if memory else ())
        self.step, self._calm = 0, 1.0
        self._resolve = Resolve()

    def act(self, observation: Observation) -> Decision:
        """Decide on one more frame.

        Raises:
            RuntimeError: no goal was set.
            ValueError: the image is not of the model's camera.
        """
        if self._told is None:
            raise RuntimeError("call reset(goal) before act(observation)")
        begin, network, writer = time.perf_counter(), self._network, self._network.writer
        config = writer.config
        self.step += 1
        self._see(observation)
        seen = time.perf_counter()
        frames = self.history.frames if self.thinking.frames else self.history.frames[-1:]
        prompt = writer.prompt(self.memory.text() if self.thinking.words else "", self._told, frames)
        answer = respond(network, writer.pack(prompt), self._length, self.thinking, self._calm)
        action, self._calm = answer.action, answer.calm
        way = action.mean if self._rng is None else action.sample(self._rng)
        thought = summary = memory = None
        if answer.thought is not None and answer.summary is not None:
            thought, summary = writer.text.decode(answer.thought), writer.text.decode(answer.summary)
            self.memory.write(self.step, summary)
            memory = self.memory.text()
        decision = Decision(
            trajectory=way * np.array(config.scale, np.float32),
            dt=config.dt,
            stamp=observation.stamp,
            stop=0.5 + 0.5 * math.tanh(0.5 * action.stop) > self.manifest.stop_threshold,
            thought=thought,
            summary=summary,
            memory=memory,
            timings={"see": seen - begin, "decide": time.perf_counter() - seen},
        )
        if observation.odometry is None or self._rng is not None:  # what is drawn is driven as it is
            return decision
        pose = observation.odometry.pose
        return replace(decision, trajectory=self._resolve.trajectory(decision, pose, self.thinking.hold_s))

    def _see(self, observation: Observation) -> None:
        camera, rgb = self.manifest.camera, observation.rgb
        if rgb.shape != (camera.height, camera.width, 3) or rgb.dtype != np.uint8:
            raise ValueError(
                f"the policy takes uint8 images of {camera.height}x{camera.width}x3, "
                f"got {rgb.dtype} {'x'.join(map(str, rgb.shape))}"
            )
        pose = observation.odometry.pose if observation.odometry is not None else np.zeros(3)
        self.history.add(Frame(self._network.see(rgb[None])[0], observation.stamp, pose, maxima=0))
