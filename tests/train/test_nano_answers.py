"""Nano thinks as it was taught to: the same words and the same action as the network it was exported from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vlingnav_datasets import Demonstration
from vlingnav_policy import Goal, Observation, Odometry
from vlingnav_policy.engines import Engine
from vlingnav_policy.memory import Memory, MemoryConfig
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.notes import NOTE_META, PATCHES, Note, read_notes
from vlingnav_policy.se2 import compose
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.tokenizer import ACTION, ANSWER, PAD, THINK_OFF, THINK_ON
from vlingnav_train.checkpoint import Nano
from vlingnav_train.export import export_model
from vlingnav_train.networks import NanoConfig
from vlingnav_train.policy_network import Prompt
from vlingnav_train.samples import answer_ids, replay_notes
from vlingnav_train.vocabulary import tokenizer

TINY = NanoConfig(channels=16, dim=32, layers=2, heads=2)
WORDS = tokenizer()


@pytest.fixture(scope="module")
def nano() -> Nano:
    torch.manual_seed(3)
    nano = Nano.untrained(TINY, memory=MemoryConfig(budget=60))
    nano.tasks = ("object",)
    return nano


@pytest.fixture(scope="module")
def model(nano: Nano, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    export_model(out, nano)
    return out


def look(step: int) -> Observation:
    rng = np.random.default_rng(step)
    odometry = Odometry(rng.normal(size=3), rng.normal(size=3))
    return Observation(rng.integers(0, 256, (96, 128, 3), np.uint8), 0.4 * step, odometry=odometry)


def prompt_of(policy: NanoPolicy, observation: Observation) -> Prompt:
    """What the policy is about to read."""
    assert observation.odometry is not None and policy._goal is not None
    tokens, meta, used = policy._history.view()
    notes, where = read_notes(policy._notes(observation.stamp), observation.stamp, observation.odometry.pose)
    arrays = (
        policy._goal.words[0],
        notes,
        where,
        tokens,
        meta,
        np.array(used),
        observation.odometry.velocity,
    )
    rows = [torch.from_numpy(np.asarray(a)[None]) for a in arrays]
    return Prompt(*[row.float() if row.is_floating_point() else row for row in rows])


def test_word_by_word_is_the_same_as_all_at_once(nano: Nano, model: Path) -> None:
    policy = NanoPolicy.load(model, thinking=ThinkingConfig("always", longest=12))
    policy.reset(Goal("find the red chair"))
    network = nano.policy.eval()
    for step in range(12):
        observation = look(step)
        policy.see(observation)
        prompt = prompt_of(policy, observation)
        decision = policy.decide(observation)
        assert decision.thought is not None and decision.summary is not None
        thought, summary = policy._tokenizer.ids(decision.thought), policy._tokenizer.ids(decision.summary)
        answer = torch.tensor([answer_ids(decision.thought, decision.summary, WORDS)])
        with torch.no_grad():
            hidden = network(prompt, answer)
            mean = network.predict(hidden[:, -1]).mean[0].numpy() * policy._scale
            said = network.vocabulary(hidden)[0]
        assert np.allclose(mean, decision.trajectory, atol=1e-4)
        best = 8 + said[:, 8:].argmax(dim=-1).numpy()
        assert best[1 : 1 + len(thought)].tolist() == thought
        assert best[2 + len(thought) : 2 + len(thought) + len(summary)].tolist() == summary


def test_without_a_thought_it_is_the_same_too(nano: Nano, model: Path) -> None:
    policy = NanoPolicy.load(model, thinking=ThinkingConfig("never"))
    policy.reset(Goal("find the bed"))
    for step in range(3):
        observation = look(step)
        policy.see(observation)
        with torch.no_grad():
            answer = torch.tensor([[ANSWER, THINK_OFF, ACTION]])
            hidden = nano.policy.eval()(prompt_of(policy, observation), answer)
            mean = nano.policy.predict(hidden[:, -1]).mean[0].numpy() * policy._scale
        decision = policy.decide(observation)
        assert decision.thought is None and not policy.memory.entries
        assert np.allclose(mean, decision.trajectory, atol=1e-4)


def test_what_is_read_does_not_depend_on_the_answer_nor_on_padding(nano: Nano) -> None:
    network = nano.policy.eval()
    rng = torch.Generator().manual_seed(0)
    prompt = Prompt(
        words=torch.from_numpy(WORDS.encode("find the red chair"))[None],
        notes=torch.randint(9, 20, (1, 4, 4), generator=rng),
        notes_meta=torch.rand(1, 4, NOTE_META, generator=rng),
        tokens=torch.rand(1, 20, TINY.token_channels, generator=rng),
        meta=torch.rand(1, 20, 9, generator=rng),
        used=torch.tensor([12]),
        velocity=torch.rand(1, 3, generator=rng),
    )
    with torch.no_grad():
        off = network(prompt, torch.tensor([[ANSWER, THINK_OFF, ACTION]]))
        on = network(prompt, torch.tensor([[ANSWER, THINK_ON, 9, 10, ACTION, PAD]]))
        cut = replace(prompt, tokens=prompt.tokens[:, :12], meta=prompt.meta[:, :12])
        short = network(cut, torch.tensor([[ANSWER, THINK_OFF, ACTION]]))
        later = network(replace(prompt, used=torch.tensor([11])), torch.tensor([[ANSWER, THINK_OFF, ACTION]]))
    assert torch.allclose(off[:, 0], on[:, 0], atol=1e-5)
    assert torch.allclose(off, short, atol=1e-5)
    assert not torch.allclose(off, later, atol=1e-3)


class Says:
    """A graph whose answers have some of their numbers replaced."""

    def __init__(self, engine: Engine, **numbers: float) -> None:
        self._engine, self._numbers, self.provider = engine, numbers, engine.provider

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        out = dict(self._engine.run(inputs))
        return out | {name: np.full_like(out[name], value) for name, value in self._numbers.items()}


def saying(model: Path, read: Mapping[str, float], write: Mapping[str, float]) -> NanoPolicy:
    policy = NanoPolicy.load(model, thinking=ThinkingConfig(longest=4))
    policy._engines = {
        **policy._engines,
        "read": Says(policy._engines["read"], **read),
        "write": Says(policy._engines["write"], **write),
    }
    policy.reset(Goal("find the bed"))
    return policy


def test_a_thought_that_is_never_likely_at_one_step_still_falls_due(model: Path) -> None:
    policy = saying(model, {"think": float(np.log(0.3 / 0.7))}, {})  # 0.3 at each step: 0.51 after two
    assert [policy.act(look(step)).thought is not None for step in range(6)] == [False, True] * 3


@pytest.mark.parametrize("hold_s", [1.2, 0.0])
def test_the_trajectory_of_a_thought_is_driven_for_a_while(model: Path, hold_s: float) -> None:
    policy = saying(model, {"think": float(np.log(0.3 / 0.7))}, {})
    policy.thinking = replace(policy.thinking, hold_s=hold_s)
    thought, after = [policy.act(look(step)) for step in range(3)][1:]
    assert thought.thought is not None and after.thought is None
    there = compose(look(1).odometry.pose, thought.trajectory)  # rows are 0.2 s apart, decisions 0.4 s
    goes_on = np.vstack([there[2:], there[-1:], there[-1:]])
    same = np.allclose(compose(look(2).odometry.pose, after.trajectory), goes_on, atol=1e-5)
    assert same == (hold_s > 0.0)


@pytest.mark.parametrize(("plain", "thought"), [(5.0, 5.0), (5.0, -5.0), (-5.0, 5.0), (-5.0, -5.0)])
def test_a_stop_must_be_wanted_with_the_thought_and_without(
    model: Path, plain: float, thought: float
) -> None:
    policy = saying(model, {"think": 9.0, "stop": plain}, {"stop": thought})
    decision = policy.act(look(0))
    assert decision.thought is not None
    assert decision.stop == (plain > 0.0 and thought > 0.0)


def test_replayed_notes_equal_lived_notes(model: Path) -> None:
    """A step of the data set gives the network the notes that the running policy would have read."""
    policy = NanoPolicy.load(model, thinking=ThinkingConfig("always", longest=10))
    policy.reset(Goal("find the bed"))
    steps = [look(step) for step in range(30)]
    lived: list[tuple[np.ndarray, np.ndarray]] = []
    thoughts, summaries = [], []
    for number, observation in enumerate(steps):
        policy.thinking = ThinkingConfig("always" if number % 4 == 0 else "never", longest=10)
        policy.see(observation)
        assert observation.odometry is not None
        notes = policy._notes(observation.stamp)
        lived.append(read_notes(notes, observation.stamp, observation.odometry.pose))
        decision = policy.decide(observation)
        thoughts.append(decision.thought or "")
        summaries.append(decision.summary or "")
    count = len(steps)
    poses = np.stack([o.odometry.pose for o in steps if o.odometry is not None])
    other = np.array(["I turn left."] * count)
    for by_policy in (True, False):  # then the label is not what was written
        labels, said = (
            ((other, other), (thoughts, summaries)) if by_policy else ((thoughts, summaries), (other, other))
        )
        d = Demonstration(
            1, "find the bed", np.zeros((count, 96, 128, 3), np.uint8),
            np.array([o.stamp for o in steps]), poses, np.zeros((count, 3), np.float32),
            np.zeros((count, 8, 3), np.float32), np.zeros(count, bool), np.zeros((count, 4), np.float32),
            *map(np.array, labels), np.full(count, by_policy), *map(np.array, said), True,
        )  # fmt: skip
        replayed = replay_notes(d, WORDS, MemoryConfig(**policy.manifest.memory))
        for i, notes in enumerate(replayed):
            ids, where = read_notes(notes, d.stamps[i], d.poses[i])
            assert np.array_equal(ids, lived[i][0]) and np.allclose(where, lived[i][1])
    assert policy.memory.entries[0].step > 1  # more was written than the budget lets stay


def test_switched_off_memories_are_not_read(model: Path) -> None:
    def drive(thinking: ThinkingConfig, first: int) -> np.ndarray:
        policy = NanoPolicy.load(model, thinking=ThinkingConfig("always", longest=8))
        policy.reset(Goal("find the bed"))
        policy.act(look(first))
        policy.thinking = thinking
        return policy.act(replace(look(9), stamp=4.0)).trajectory

    both, words, frames, none = (
        ThinkingConfig("never", words=w, frames=f)
        for w, f in ((True, True), (True, False), (False, True), (False, False))
    )
    assert np.allclose(drive(none, 1), drive(none, 2), atol=1e-6)
    for kept in (both, words, frames):
        assert not np.allclose(drive(kept, 1), drive(kept, 2), atol=1e-4)


def test_a_memory_goes_on_into_the_next_run(model: Path, tmp_path: Path) -> None:
    policy = NanoPolicy.load(model, thinking=ThinkingConfig("always", longest=8))
    policy.reset(Goal("find the bed"))
    policy.act(look(1))
    policy.memory.for_next_run().save(tmp_path / "memory.json")
    before = policy.memory.entries[0].summary
    policy.reset(Goal("find the sofa"), Memory.load(tmp_path / "memory.json"))
    assert [e.summary for e in policy.memory.entries] == [before]
    policy.see(look(2))
    (note,) = policy._notes(0.8)
    assert note.pose is None  # odometry of another run means nothing now
    policy.reset(Goal("find the sofa"))
    assert not policy.memory.entries


def test_notes_too_long_lose_their_oldest_words() -> None:
    notes = [Note(tuple(range(10, 110)), float(k), np.zeros(3)) for k in range(4)]
    ids, where = read_notes(notes, 5.0, np.zeros(3))
    assert ids.shape == (PATCHES, 4) and ids[-1].tolist() == [106, 107, 108, 109]
    assert where[-1, 0] == pytest.approx(2.0 / 30.0)
    empty, _ = read_notes([], 0.0, np.zeros(3))
    assert not empty.any()


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (Goal("go to the place in the image", "image"), "trained for tasks object, not for image"),
        (Goal("find the bed " + "and the sofa " * 25), "has 78 words and this model reads 64 at most"),
        (Goal("trouve la poubelle"), "knows none of the words"),
    ],
)
def test_goals_it_cannot_take_on_are_refused_in_words(model: Path, goal: Goal, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NanoPolicy.load(model).reset(goal)
