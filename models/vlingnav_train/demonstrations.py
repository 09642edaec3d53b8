"""Episodes to imitate: the expert of the task labels every step, whoever drives.

Round 0 is driven by the expert with random detours (recovery data); later rounds mostly by the policy itself
(DAgger, Ross et al., 2011), so that the expert is asked about the states the policy really gets into.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets import Demonstration
from vlingnav_datasets.annotate import AnnotationConfig, OracleAnnotator, annotate_episode
from vlingnav_datasets.facts import StepFacts, Target
from vlingnav_policy.nano import FOUND_UNIT_M, NanoPolicy
from vlingnav_policy.types import Decision, Goal, Observation, Policy, Task
from vlingnav_sim.episode import run_episode
from vlingnav_sim.evaluate import expert_for
from vlingnav_sim.experts.baselines import arc
from vlingnav_sim.experts.trajectories import TrajectoryConfig
from vlingnav_sim.facts import FactsRecorder
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.lexicon import LEXICON
from vlingnav_sim.parallel import over_houses
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import NavigationTask, sample_task

TaskMix = tuple[tuple[Task, str], ...]
"""Tasks, and the split of each."""
ALL_TASKS: TaskMix = (
    ("object", "seen"), ("image", "plain"), ("follow", "alone"), ("route", "plain"),
    ("object", "paraphrase"), ("image", "plain"), ("follow", "lookalikes"), ("route", "plain"),
)  # fmt: skip
"""All four in equal shares: two episodes of eight each."""


@dataclass(frozen=True)
class DriverConfig:
    """Who drives.

    Attributes:
        policy_share: of the stretches of an episode, driven by the policy.
        detour_share: of the expert's stretches, driven at random for `detour_s` [s].
        stretch_s: mean length of a stretch [s]; in long ones a policy gets into circles of its own.
        steps_at_target: the episode goes on for so many steps after the expert first says stop. One that
            follows somebody never does: time ends the episode, and a policy learns not to stop there.
        max_steps: of one episode that a stop can end.
    """

    policy_share: float = 0.0
    detour_share: float = 0.25
    detour_s: tuple[float, float] = (0.6, 2.0)
    stretch_s: float = 15.0
    steps_at_target: int = 4
    max_steps: int = 400


@dataclass
class Demonstrator:
    """Drives, asks the expert about every step, and writes it down; a `Policy`."""

    policy: NanoPolicy
    expert: Policy
    recorder: FactsRecorder
    task: NavigationTask
    config: DriverConfig
    rng: np.random.Generator
    rows: list[tuple[object, ...]] = field(default_factory=list)
    facts: list[StepFacts] = field(default_factory=list)

    def reset(self, goal: Goal) -> None:
        """Reset both drivers."""
        self.policy.reset(goal)
        self.expert.reset(goal)
        self.recorder.reset(self.task)
        self._until, self._driver = 0.0, "expert"
        self._arrived = 0

    def act(self, observation: Observation) -> Decision:
        """Record the expert's decision; return that of whoever drives."""
        assert observation.odometry is not None
        label = self.expert.act(observation)
        self.policy.see(observation)
        facts = self.recorder.step(observation, label)
        decision = self._drive(observation, label)
        by_policy = self._driver == "policy"
        row = (
            observation.rgb.copy(),
            observation.stamp,
            observation.odometry.pose.copy(),
            observation.odometry.velocity.astype(np.float32),
            label.trajectory,
            label.stop,
            found_at(facts.target),
            by_policy,
            (decision.thought or "") if by_policy else "",
            (decision.summary or "") if by_policy else "",
        )
        self.rows.append(row)
        self.facts.append(facts)
        self._arrived += label.stop
        over = self._arrived > self.config.steps_at_target or len(self.rows) >= self.config.max_steps
        return Decision(decision.trajectory, decision.dt, observation.stamp, stop=bool(over))

    def _drive(self, observation: Observation, label: Decision) -> Decision:
        config, rng = self.config, self.rng
        if observation.stamp >= self._until:
            self._driver = "policy" if rng.random() < config.policy_share else "expert"
            length = rng.exponential(config.stretch_s)
            if self._driver == "expert" and rng.random() < config.detour_share:
                self._driver, length = "detour", rng.uniform(*config.detour_s)
                shape = TrajectoryConfig()
                self._detour = arc(rng.choice([0.0, 0.4]), rng.uniform(-1.2, 1.2), shape), shape.dt
            self._until = observation.stamp + length
        if self._driver == "policy":
            return self.policy.decide(observation)
        if self._driver == "detour" and not label.stop:
            return Decision(self._detour[0], self._detour[1], observation.stamp)
        return label


def found_at(target: Target | None) -> NDArray[np.float32]:
    """`Demonstration.found` of a step: where a thing is, or where somebody was last seen."""
    if target is None or target.distance is None or target.bearing is None:
        return np.zeros(4, np.float32)
    there = target.distance / FOUND_UNIT_M * np.array([np.cos(target.bearing), np.sin(target.bearing)])
    return np.array([1.0, *there, float(target.in_view)], np.float32)


@dataclass(frozen=True)
class Collection:
    """Where demonstrations come from and go to.

    Attributes:
        out: folder of the exported model that drives, and of the demonstrations.
        round: number of the round they are for. episodes: in each house.
        tasks: tasks and their splits, taken in turn; one that is there twice is drawn twice as often.
        driver: who drives. house: how houses are.
    """

    out: Path
    round: int
    episodes: int
    tasks: TaskMix
    driver: DriverConfig
    house: HouseConfig

    def folder(self, seed: int) -> Path:
        """That of the demonstrations in one house."""
        return self.out / "demonstrations" / f"round{self.round}" / str(seed)


def demonstrate(seed: int, collection: Collection) -> list[Demonstration]:
    """The episodes in the house of `seed`, fewer where it has nothing for a task."""
    policy = _load(collection.out)
    built = generate(seed, collection.house)
    grid = OccupancyGrid.from_house(built)
    oracle, annotation = OracleAnnotator(LEXICON), AnnotationConfig(LEXICON)
    done = []
    for episode in range(collection.episodes):
        number = seed * collection.episodes + episode
        kind, split = collection.tasks[number % len(collection.tasks)]
        try:
            task = sample_task(built, grid, episode, task=kind, split=split)
            policy.check(task.goal)
        except ValueError:  # nothing to be asked for here, or in more words than it reads
            continue
        rng = np.random.default_rng([seed, episode, 1])
        with Simulator(task.populated(built), seed=seed) as simulator:
            expert = expert_for(simulator, task)
            recorder = FactsRecorder(simulator, expert)
            demonstrator = Demonstrator(policy, expert, recorder, task, collection.driver, rng)
            outcome = run_episode(simulator, demonstrator, task, grid)
        labels, _ = annotate_episode(task.goal, demonstrator.facts, oracle, annotation, episode=number)
        frames, stamps, poses, velocities, trajectories, stops, found, by_policy, said, noted = zip(
            *demonstrator.rows, strict=True
        )
        demonstration = Demonstration(
            seed,
            task.goal.instruction,
            np.stack(frames),
            np.array(stamps),
            np.stack(poses),
            np.stack(velocities),
            np.stack(trajectories),
            np.array(stops),
            np.stack(found),
            np.array([label.thought if label else "" for label in labels]),
            np.array([label.summary if label else "" for label in labels]),
            np.array(by_policy),
            np.array(said),
            np.array(noted),
            outcome.measures.success,
            kind,
        )
        if task.goal.image is not None:
            demonstration.image = task.goal.image
        done.append(demonstration)
    return done


_loaded: dict[Path, NanoPolicy] = {}


def _load(model: Path) -> NanoPolicy:
    """One model a process, kept between houses."""
    if model not in _loaded:
        _loaded.clear()
        _loaded[model] = NanoPolicy.load(model, threads=1)
    return _loaded[model]


def collect(seeds: range, collection: Collection, label: str) -> None:
    """Demonstrate in many houses, in all processes there are cores; those that are there stay."""
    left = [seed for seed in seeds if not collection.folder(seed).is_dir()]
    for _ in over_houses(partial(_collect, collection=collection), left, label):
        pass


def read(out: Path, round_number: int, seeds: range) -> Iterator[Demonstration]:
    """The demonstrations of a round, in the order of their houses."""
    for seed in seeds:
        yield from _episodes(out / "demonstrations" / f"round{round_number}" / str(seed))


def _episodes(folder: Path) -> Iterator[Demonstration]:
    for episode in sorted(folder.iterdir(), key=lambda path: int(path.stem)):
        yield Demonstration.load(episode)


def read_all(out: Path) -> Iterator[Demonstration]:
    """The demonstrations of all rounds of a training, in the order of rounds and houses.

    Raises:
        ValueError: `out` holds none.
    """
    rounds = sorted((out / "demonstrations").glob("round*"), key=lambda path: int(path.name[5:]))
    if not rounds:
        raise ValueError(f"{out} holds no demonstrations")
    for folder in rounds:
        for seed in sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal()):
            yield from _episodes(folder / str(seed))


def _collect(seed: int, collection: Collection) -> None:
    folder = collection.folder(seed)
    new = folder.with_name(f"{seed}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for number, demonstration in enumerate(demonstrate(seed, collection)):
        demonstration.save(new / f"{number}.npz")
    new.rename(folder)
