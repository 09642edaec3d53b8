"""VLingNav drives: a `Policy` in torch, for rollouts and for a host with a GPU."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from vlingnav_policy.history import Frame, FrameHistory
from vlingnav_policy.memory import Memory
from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_train.vlm.generate import Thinking, respond
from vlingnav_train.vlm.model import VLingNavModel
from vlingnav_train.vlm.presets import VLingNavConfig
from vlingnav_train.vlm.sequence import Segment


class VLingNavPolicy:
    """Runs a `VLingNavModel`; a `Policy`.

    Args:
        model: put into evaluation mode.
        thinking: forced on or off for ablations.
        generator: draws trajectories in training rollouts; without one the mean is driven.
        config: the model's with another memory or history, for ablations.

    Attributes:
        memory: what was said so far.
        history: the frames kept.
        step: of the episode, from 1.
    """

    def __init__(
        self,
        model: VLingNavModel,
        thinking: Thinking = "adaptive",
        generator: torch.Generator | None = None,
        config: VLingNavConfig | None = None,
    ) -> None:
        self._model, self._thinking, self._generator = model.eval(), thinking, generator
        self._writer = replace(model.writer, config=config or model.config)
        self._told: list[Segment] | None = None

    def reset(self, goal: Goal) -> None:
        """Forget the last episode and take on `goal`.

        Raises:
            ValueError: the instruction cannot be read, see `Writer.instruction`.
        """
        writer = self._writer
        cells = None if goal.image is None else self._model.see(goal.image)
        self._told = writer.instruction(goal.instruction, cells)
        self._length = writer.prompt_length(sum(len(segment) for segment in self._told))
        self.history = FrameHistory(writer.config.history)
        self.memory = writer.memory()
        self.step = 0

    def remember(self, memory: Memory) -> None:
        """Begin with what an earlier run knew; call it after `reset`."""
        writer = self._writer
        self.memory = Memory(writer.config.memory, writer.text.count, memory.for_next_run().entries)

    def act(self, observation: Observation) -> Decision:
        """Decide on one more frame.

        Raises:
            RuntimeError: no goal was set.
        """
        if self._told is None:
            raise RuntimeError("call reset(goal) before act(observation)")
        begin, model, writer, config = time.perf_counter(), self._model, self._writer, self._writer.config
        self.step += 1
        pose = observation.odometry.pose if observation.odometry is not None else np.zeros(3)
        self.history.add(Frame(model.see(observation.rgb), observation.stamp, pose, maxima=0))
        seen = time.perf_counter()
        prompt = writer.prompt(self.memory, self._told, self.history.frames)
        answer = respond(model, writer.pack(prompt), self._length, self._thinking)
        action = answer.action
        way = action.mean if self._generator is None else action.sample(self._generator)
        thought = summary = None
        if answer.thought is not None and answer.summary is not None:
            thought, summary = writer.text.decode(answer.thought), writer.text.decode(answer.summary)
            self.memory.write(self.step, summary)
        return Decision(
            trajectory=way[0].cpu().numpy() * np.array(config.scale, np.float32),
            dt=config.dt,
            stamp=observation.stamp,
            stop=float(action.stop.sigmoid()) > config.stop_threshold,
            thought=thought,
            summary=summary,
            timings={"see": seen - begin, "decide": time.perf_counter() - seen},
        )
