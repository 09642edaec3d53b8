"""The nano policy: small graphs, a memory of frames and one in words, on numpy and an engine.

`language` runs once per goal, `tower` and `read` once per decision, `write` once per word of a thought. The
tower's cells are compared with the goal's query, kept, thinned and pooled by `FrameHistory`; an episode of
any length costs the same per step. A goal image goes through the tower once: `goal` makes a query of it, as
`language` does of words, and its tokens are read beside those of the frames. `read` answers as if no thought
were due and says whether one is; then the thought and its summary are written, and the action comes after
them (VLingNav, arXiv 2601.08665, section 3). A model that was corrected by a person has one more graph,
`edit`, which runs once per decision and changes it a little; see `vlingnav_policy.edit`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.edit import edit_trajectory, features
from vlingnav_policy.engines import Engine, open_engine
from vlingnav_policy.engines.batching import BatchConfig, share
from vlingnav_policy.history import Frame, FrameHistory, HistoryConfig
from vlingnav_policy.manifest import Manifest
from vlingnav_policy.memory import Memory, MemoryConfig
from vlingnav_policy.notes import Note, read_notes
from vlingnav_policy.sight import SIMILARITIES, EncodedGoal, Sight
from vlingnav_policy.thesaurus import FILE as THESAURUS_FILE
from vlingnav_policy.thesaurus import Thesaurus, Wording
from vlingnav_policy.thinking import Resolve, ThinkingConfig
from vlingnav_policy.tokenizer import (
    ACTION,
    END_SUMMARY,
    END_THINK,
    PAD,
    SPECIAL_TOKENS,
    THINK_ON,
    WordTokenizer,
    split_words,
)
from vlingnav_policy.types import Decision, Goal, Observation

Floats = NDArray[np.float32]
FOUND_UNIT_M = 3.0  # what 1 stands for where the policy graph says where the target is


class NanoPolicy:
    """Runs an exported nano model; a `Policy`.

    Attributes:
        memory: what it wrote, for the next run if wanted; see `Memory.for_next_run`.
        sight: what makes tokens of images and goals.
    """

    def __init__(
        self,
        manifest: Manifest,
        engines: Mapping[str, Engine],
        thinking: ThinkingConfig = ThinkingConfig(),
        thesaurus: Thesaurus = Thesaurus({}),
    ) -> None:
        self.manifest, self.thinking = manifest, thinking
        self._thesaurus = thesaurus
        self._engines = engines
        self._tokenizer = WordTokenizer(manifest.vocabulary, manifest.instruction_length)
        config = {**manifest.history, "grid": tuple(manifest.history["grid"])}
        self._config = HistoryConfig(**config)
        self.sight = Sight(engines, self._tokenizer, manifest.camera, self._config.grid)
        self._scale = np.array(manifest.action_scale, dtype=np.float32)
        self._goal: EncodedGoal | None = None
        self.memory = Memory(MemoryConfig(**manifest.memory))

    @classmethod
    def load(
        cls,
        directory: Path,
        threads: int = 2,
        thinking: ThinkingConfig = ThinkingConfig(),
        engine: str = "cpu",
        batching: BatchConfig | None = None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> NanoPolicy:
        """Load and verify the model in `directory`; see `load_policy` for the arguments.

        Raises:
            ManifestError: see `Manifest.read`, `open_engine` and `Thesaurus.read`.
        """
        manifest = Manifest.read(directory)
        engines: dict[str, Engine] = {}
        for name, graph in manifest.graphs.items():
            progress(f"loading {name}.onnx with engine {engine!r}")
            file = directory / f"{name}.onnx"
            engines[name] = open_engine(file, graph, engine, threads, manifest.precision)
        if batching is not None:
            engines = share(engines, manifest.graphs, batching)
        has_thesaurus = THESAURUS_FILE in manifest.sha256
        thesaurus = Thesaurus.read(directory / THESAURUS_FILE) if has_thesaurus else Thesaurus({})
        return cls(manifest, engines, thinking, thesaurus)

    def another(self, edit: Engine | None = None) -> NanoPolicy:
        """One more on the same engines, with an episode and a memory of its own.

        Args:
            edit: what edits its decisions, in place of the model's own graph for that.
        """
        engines = self._engines if edit is None else {**self._engines, "edit": edit}
        return NanoPolicy(self.manifest, engines, self.thinking, self._thesaurus)

    @property
    def edit(self) -> Engine | None:
        """What edits its decisions, if anything does."""
        return self._engines.get("edit")

    @property
    def provider(self) -> str:
        """What the policy graphs run on."""
        return self._engines["read"].provider

    def wording(self, instruction: str) -> Wording:
        """How it reads an instruction: what it never learned in words that it did, where it knows such."""
        return self._thesaurus.reword(instruction, lambda word: not self._tokenizer.unknown(word))

    def unknown_words(self, instruction: str) -> list[str]:
        """Words that the policy neither learned nor knows others for; it ignores them."""
        return self._tokenizer.unknown(self.wording(instruction).text)

    def check(self, goal: Goal) -> None:
        """Whether it can take on `goal` at all.

        Raises:
            ValueError: it was not trained for such a task, or cannot read the instruction.
        """
        words = split_words(self.wording(goal.instruction).text)
        if goal.task not in self.manifest.tasks:
            learned = ", ".join(self.manifest.tasks)
            raise ValueError(f"this model was trained for tasks {learned}, not for {goal.task}")
        if goal.task == "image":
            if goal.image is None:
                raise ValueError("the goal is an image and there is none; give one, or say what to find")
            self.sight.check(goal.image)
        if len(words) > self.manifest.instruction_length:
            raise ValueError(
                f"the instruction has {len(words)} words and this model reads "
                f"{self.manifest.instruction_length} at most; say it in fewer"
            )
        if len(self.unknown_words(goal.instruction)) == len(words):
            raise ValueError(
                f'this model knows none of the words of "{goal.instruction}"; '
                'it learned plain English such as "find the red chair"'
            )

    def reset(self, goal: Goal, memory: Memory | None = None) -> None:
        """Encode the instruction and forget all that was seen and written.

        Args:
            memory: what an earlier run remembered.

        Raises:
            ValueError: see `check`.
        """
        self.check(goal)
        goal = dataclasses.replace(goal, instruction=self.wording(goal.instruction).text)
        self._goal = self.sight.encode_goal(goal)
        self._history = FrameHistory(self._config)
        self.memory = Memory(MemoryConfig(**self.manifest.memory), entries=memory.entries if memory else ())
        self._step = 0
        self._written: dict[int, tuple[float, NDArray[np.float64]]] = {}
        self._thought: Note | None = None
        self._resolve = Resolve()
        self._calm = 1.0  # how likely it is that no thought has fallen due since the last one

    def act(self, observation: Observation) -> Decision:
        """Decide on one more frame.

        Raises:
            RuntimeError: no goal was set.
            ValueError: the image does not have the model's size, or there is no odometry.
        """
        begin = time.perf_counter()
        self.see(observation)
        seen = time.perf_counter()
        decision = self.decide(observation)
        timings = {"see": seen - begin, "decide": time.perf_counter() - seen}
        return dataclasses.replace(decision, timings=timings)

    def see(self, observation: Observation) -> Frame:
        """Encode a frame and add it to the memory; raises as `act`."""
        if observation.odometry is None:
            raise ValueError("the policy places its memories by odometry; the observation has none")
        if self._goal is None:
            raise RuntimeError("call reset(goal) before act(observation)")
        tokens = self.sight.encode(observation.rgb, self._goal)
        frame = Frame(tokens, observation.stamp, observation.odometry.pose, SIMILARITIES)
        self._history.add(frame)
        return frame

    def decide(self, observation: Observation) -> Decision:
        """Decide on what has been seen; `observation` is the newest frame."""
        assert self._goal is not None and observation.odometry is not None
        self._step += 1
        stamp, pose = observation.stamp, observation.odometry.pose
        velocity = observation.odometry.velocity[None].astype(np.float32)
        tokens, meta, used = self._history.view(newest_only=not self.thinking.frames)
        notes, notes_meta = read_notes(self._notes(stamp) if self.thinking.words else (), stamp, pose)
        prompt: dict[str, NDArray[Any]] = {
            "words": self._goal.words,
            "notes": notes[None],
            "notes_meta": notes_meta[None],
            "tokens": tokens[None],
            "meta": meta[None],
            "used": np.array([used], dtype=np.int64),
            "velocity": velocity,
        }
        real = [notes[:, 0] != PAD, self._goal.words[0] != PAD]
        if "goal" in self._engines:
            prompt["goal"] = self._goal.tokens[None]
            real.append(self._goal.tokens.any(axis=1))
        read: Mapping[str, NDArray[Any]] = self._engines["read"].run(prompt)
        out = read
        thought = summary = memory = None
        stops = float(out["stop"][0])
        self._calm *= 1.0 / (1.0 + np.exp(float(out["think"][0])))
        due = 1.0 - self._calm > self.thinking.threshold
        if self.thinking.think == "always" or (due and self.thinking.think == "adaptive"):
            there = np.concatenate([*real, np.arange(len(tokens)) < used, [True]])
            out, said, kept = self._think(
                out["keys"][:, :, :, there], out["values"][:, :, :, there], velocity
            )
            thought, summary = self._tokenizer.text(said), self._tokenizer.text(kept)
            self.memory.write(self._step, summary)
            memory, self._calm = self.memory.text(), 1.0
            self._written[self._step] = stamp, pose.copy()
            self._thought = Note(tuple(said), stamp, pose.copy(), thought=True)
        seen, x, y, _ = out["found"][0]
        decision = Decision(
            trajectory=out["mean"][0] * self._scale,
            dt=self.manifest.dt_s,
            stamp=stamp,
            thought=thought,
            summary=summary,
            memory=memory,
            distance=FOUND_UNIT_M * float(np.hypot(x, y)) if seen > 0.0 else None,
        )
        trajectory = self._resolve.trajectory(decision, pose, self.thinking.hold_s)
        # A stop cannot be taken back, and a thought can talk itself into one: both must want it.
        stops = min(stops, float(out["stop"][0]))
        if "edit" in self._engines:
            seen_by_head = features(read, out, velocity[0])[None]
            speed, turn, readier = self._engines["edit"].run({"features": seen_by_head})["edit"][0].tolist()
            trajectory = edit_trajectory(trajectory, self.manifest.dt_s, speed, turn)
            stops += readier
        stop = bool(1.0 / (1.0 + np.exp(-stops)) > self.manifest.stop_threshold)
        return dataclasses.replace(decision, trajectory=trajectory, stop=stop)

    def _notes(self, stamp: float) -> list[Note]:
        """The memory and the last thought, for `read_notes`."""
        notes = []
        for entry in self.memory.entries:
            when, where = self._written.get(entry.step, (stamp, None))
            notes.append(Note(tuple(self._tokenizer.ids(entry.summary)), when, where))
        return notes if self._thought is None else [*notes, self._thought]

    def _think(
        self, keys: Floats, values: Floats, velocity: Floats
    ) -> tuple[Mapping[str, NDArray[Any]], list[int], list[int]]:
        """Write a thought and a summary after what was read; the likeliest word each time.

        Returns:
            The outputs for the action token, and the ids of thought and summary.
        """
        write, position = self._engines["write"], 0

        def say(token: int) -> Mapping[str, NDArray[Any]]:
            nonlocal keys, values, position
            position += 1
            out = write.run(
                {
                    "token": np.array([token]),
                    "position": np.array([position]),
                    "velocity": velocity,
                    "keys": keys,
                    "values": values,
                }
            )
            keys = np.concatenate([keys, out["new_keys"]], axis=3)
            values = np.concatenate([values, out["new_values"]], axis=3)
            return out

        def sentences(out: Mapping[str, NDArray[Any]], end: int) -> list[int]:
            text: list[int] = []
            while len(text) < self.thinking.longest:
                logits = out["logits"][0]
                token = len(SPECIAL_TOKENS) + int(logits[len(SPECIAL_TOKENS) :].argmax())
                if logits[end] > logits[token]:
                    break
                text.append(token)
                out = say(token)
            return text

        thought = sentences(say(THINK_ON), END_THINK)
        summary = sentences(say(END_THINK), END_SUMMARY)
        say(END_SUMMARY)
        return say(ACTION), thought, summary
