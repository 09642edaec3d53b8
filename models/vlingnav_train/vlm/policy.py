"""VLingNav drives: a `Policy` in torch, for rollouts and for a host with a GPU."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import torch

from vlingnav_policy.engines import EngineError
from vlingnav_policy.history import Frame, FrameHistory
from vlingnav_policy.manifest import Manifest, ManifestError
from vlingnav_policy.memory import Memory
from vlingnav_policy.nano import ThinkingConfig
from vlingnav_policy.thesaurus import Wording
from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_train.vlm.generate import respond
from vlingnav_train.vlm.model import VLingNavModel
from vlingnav_train.vlm.sequence import Segment


class VLingNavPolicy:
    """Runs a `VLingNavModel`; a `LearnedPolicy`.

    Args:
        model: put into evaluation mode.
        manifest: of the model, see `export`.
        thinking: what it uses of thinking and remembering; how long a thought may be is the model's own.
        generator: draws trajectories in training rollouts; without one the mean is driven.

    Attributes:
        memory: what was said so far, for the next run if wanted; see `Memory.for_next_run`.
        history: the frames kept.
        step: of the episode, from 1.
    """

    def __init__(
        self,
        model: VLingNavModel,
        manifest: Manifest,
        thinking: ThinkingConfig = ThinkingConfig(),
        generator: torch.Generator | None = None,
    ) -> None:
        self.manifest, self.thinking = manifest, thinking
        self._model, self._generator = model.eval(), generator
        self._told: list[Segment] | None = None
        self.memory = model.writer.memory()

    @classmethod
    def load(
        cls,
        directory: Path,
        threads: int = 2,
        thinking: ThinkingConfig = ThinkingConfig(),
        engine: str = "cpu",
    ) -> VLingNavPolicy:
        """Load and verify what `export.save_policy` wrote to `directory`.

        Args:
            threads: cores that one decision may take; torch counts them for the whole process.
            engine: "cpu" or "cuda"; the others run graphs.

        Raises:
            EngineError: it does not run on `engine`, or there is no GPU.
            ManifestError: see `Manifest.read`, or it holds no VLingNav that can be read.
        """
        if engine not in ("cpu", "cuda"):
            raise EngineError(f"{directory} runs in torch, on cpu or cuda, not on {engine}")
        if engine == "cuda" and not torch.cuda.is_available():
            raise EngineError("torch finds no GPU, or was built without CUDA; use the engine cpu")
        manifest = Manifest.read(directory)
        device = torch.device(engine)
        torch.set_num_threads(threads)
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        try:
            model = VLingNavModel.load(directory, dtype)
        except (OSError, ValueError) as error:
            raise ManifestError(str(error)) from error
        return cls(model.to(device), manifest, thinking)

    @property
    def provider(self) -> str:
        """What it runs on."""
        return f"torch on {self._model.device}"

    def another(self) -> VLingNavPolicy:
        """One more of the same weights, with an episode and a memory of its own."""
        return VLingNavPolicy(self._model, self.manifest, self.thinking, self._generator)

    def wording(self, instruction: str) -> Wording:
        """The instruction as it is: a language model knows more words than a thesaurus."""
        return Wording(instruction)

    def unknown_words(self, instruction: str) -> list[str]:
        """Words that the tokenizer has nothing for; most read everything."""
        return self._model.writer.text.unknown_words(instruction)

    def check(self, goal: Goal) -> None:
        """Whether it can take on `goal` at all.

        Raises:
            ValueError: it was not trained for such a task, cannot read the instruction, or lacks the image.
        """
        learned = self.manifest.tasks
        if goal.task not in learned:
            raise ValueError(f"this model was trained for tasks {', '.join(learned)}, not for {goal.task}")
        if goal.task == "image" and goal.image is None:
            raise ValueError("the goal is an image and there is none; give one, or say what to find")
        writer = self._model.writer
        cells = math.prod(writer.config.history.grid), writer.channels
        writer.instruction(goal.instruction, None if goal.image is None else np.zeros(cells, np.float16))

    def reset(self, goal: Goal, memory: Memory | None = None) -> None:
        """Forget the last episode and take on `goal`.

        Args:
            memory: what an earlier run remembered.

        Raises:
            ValueError: see `check`.
        """
        self.check(goal)
        writer = self._model.writer
        shown = None if goal.image is None else self._model.see(goal.image[None])[0]
        self._told = writer.instruction(goal.instruction, shown)
        self._length = writer.prompt_length(sum(len(segment) for segment in self._told))
        self.history = FrameHistory(writer.config.history)
        self.memory = writer.memory(memory.entries if memory else ())
        self.step, self._calm = 0, 1.0

    def act(self, observation: Observation) -> Decision:
        """Decide on one more frame.

        Raises:
            RuntimeError: no goal was set.
            ValueError: the image is not of the model's camera.
        """
        if self._told is None:
            raise RuntimeError("call reset(goal) before act(observation)")
        begin, model, writer = time.perf_counter(), self._model, self._model.writer
        config = model.config
        self.step += 1
        self._see(observation)
        seen = time.perf_counter()
        frames = self.history.frames if self.thinking.frames else self.history.frames[-1:]
        prompt = writer.prompt(self.memory.text() if self.thinking.words else "", self._told, frames)
        answer = respond(model, writer.pack(prompt), self._length, self.thinking, self._calm)
        action, self._calm = answer.action, answer.calm
        way = action.mean if self._generator is None else action.sample(self._generator)
        thought = summary = memory = None
        if answer.thought is not None and answer.summary is not None:
            thought, summary = writer.text.decode(answer.thought), writer.text.decode(answer.summary)
            self.memory.write(self.step, summary)
            memory = self.memory.text()
        return Decision(
            trajectory=way[0].cpu().numpy() * np.array(config.scale, np.float32),
            dt=config.dt,
            stamp=observation.stamp,
            stop=float(action.stop.sigmoid()) > self.manifest.stop_threshold,
            thought=thought,
            summary=summary,
            memory=memory,
            timings={"see": seen - begin, "decide": time.perf_counter() - seen},
        )

    def _see(self, observation: Observation) -> None:
        camera, rgb = self.manifest.camera, observation.rgb
        if rgb.shape != (camera.height, camera.width, 3) or rgb.dtype != np.uint8:
            raise ValueError(
                f"the policy takes uint8 images of {camera.height}x{camera.width}x3, "
                f"got {rgb.dtype} {'x'.join(map(str, rgb.shape))}"
            )
        pose = observation.odometry.pose if observation.odometry is not None else np.zeros(3)
        self.history.add(Frame(self._model.see(rgb[None])[0], observation.stamp, pose, maxima=0))
