"""Nano learns all four tasks: their demonstrations, goal images, and what older files have to do with it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vlingnav_datasets import Demonstration
from vlingnav_policy import Goal, Observation, Odometry, load_policy
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.sight import sought
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.types import TASKS, Task
from vlingnav_sim.evaluate import EvaluationConfig, evaluate_house
from vlingnav_sim.house import HouseConfig
from vlingnav_train.checkpoint import Nano
from vlingnav_train.demonstrations import Collection, DriverConfig, demonstrate
from vlingnav_train.export import export_model
from vlingnav_train.imitation import ImitationConfig, Round, losses
from vlingnav_train.networks import NanoConfig
from vlingnav_train.policy_network import GOAL_TOKENS, Prompt
from vlingnav_train.samples import Demonstrations, SampleConfig
from vlingnav_train.vocabulary import tokenizer

TINY = NanoConfig(channels=16, dim=32, layers=2, heads=2)
MIX = (("object", "paraphrase"), ("image", "plain"), ("follow", "alone"), ("route", "plain"))


def untrained(tasks: tuple[Task, ...]) -> Nano:
    torch.manual_seed(0)
    nano = Nano.untrained(TINY)
    for weight in (nano.policy.goal, nano.tower.body[-1].weight):  # so that it tells images apart
        torch.nn.init.normal_(weight)  # type: ignore[arg-type]
    nano.tasks = tasks
    return nano


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    export_model(out, untrained(TASKS))
    return out


@pytest.fixture(scope="module")
def demonstrations(model: Path) -> dict[str, Demonstration]:
    """Of each task an episode, half of it driven by a policy that knows nothing."""
    house = HouseConfig(min_rooms=2, max_rooms=2)
    collection = Collection(model, 0, len(MIX), MIX, DriverConfig(policy_share=0.5), house)
    return {d.task: d for d in demonstrate(8, collection)}


def look(step: int) -> Observation:
    rng = np.random.default_rng(step)
    odometry = Odometry(rng.normal(size=3), rng.normal(size=3))
    return Observation(rng.integers(0, 256, (96, 128, 3), np.uint8), 0.4 * step, odometry=odometry)


def picture(seed: int) -> Goal:
    return Goal("find the thing in the image", "image", look(1000 + seed).rgb)


def test_every_task_is_demonstrated(demonstrations: dict[str, Demonstration]) -> None:
    words = tokenizer()
    assert set(demonstrations) == set(TASKS)
    by_policy = np.concatenate([seen.by_policy for seen in demonstrations.values()])
    assert by_policy.any() and not by_policy.all()
    for task, seen in demonstrations.items():
        assert seen.thoughts[0] and not any(words.unknown(str(text)) for text in seen.thoughts)
        assert not words.unknown(seen.instruction)
        assert (seen.image.shape == seen.frames.shape[1:]) == (task == "image")
        assert seen.found[:, 0].any() and (seen.found[:, 3] <= seen.found[:, 0]).all()
        assert seen.found[seen.stops, 0].all()  # nobody stops at what was never seen


def test_following_never_stops_and_knows_where_somebody_is(demonstrations: dict[str, Demonstration]) -> None:
    seen = demonstrations["follow"]
    assert not seen.stops.any() and len(seen) > 20
    assert seen.found[0, 3] == 1.0  # they begin in the robot's view, 1.2 to 2.2 m away
    assert 0.3 < np.hypot(*seen.found[0, 1:3]) < 0.9


def test_training_sees_the_goal_that_the_robot_sees(
    model: Path, demonstrations: dict[str, Demonstration]
) -> None:
    """Up to what bfloat16 rounds; in the mirror the goal is another."""
    sight = load_policy(model).sight
    for task, seen in demonstrations.items():
        nano = untrained(TASKS)
        tokens, shown = nano.tokens(seen.goal, seen.frames[:2])
        goal = sight.encode_goal(seen.goal)
        assert np.allclose(sight.encode(seen.frames[0], goal), tokens[0], atol=0.03)
        assert len(shown) == (GOAL_TOKENS if task == "image" else 0)
        if task == "image":
            assert np.allclose(goal.tokens, shown, atol=0.03)
            reflected = seen.mirrored()
            assert not np.allclose(nano.tokens(reflected.goal, reflected.frames[:2])[1], shown, atol=0.03)


def test_a_batch_has_goal_images_only_if_a_sample_has(demonstrations: dict[str, Demonstration]) -> None:
    nano = untrained(TASKS)
    data = Demonstrations(nano.history, nano.memory, TINY.scale)
    for task in ("object", "image"):
        seen = demonstrations[task]
        data.add(seen, *nano.tokens(seen.goal, seen.frames))
    first = len(demonstrations["object"])  # of the image task
    alone, both = data.batch(np.array([5])), data.batch(np.array([5, first + 5]))
    assert alone["goal"].shape == (1, 0, TINY.token_channels)
    assert both["goal"].shape == (2, GOAL_TOKENS, TINY.token_channels)
    assert not both["goal"][0].any() and both["goal"][1].any(dim=1).all()
    names = [field.name for field in dataclasses.fields(Prompt)]
    with torch.no_grad():
        network = nano.policy.eval()
        hidden = [network(Prompt(**{n: b[n] for n in names}), b["answer"])[0, 0] for b in (alone, both)]
        shown = network(Prompt(**{n: both[n] for n in names}), both["answer"])[1, 0]
        blind = Prompt(**{n: both[n] for n in names if n != "goal"})
        unshown = network(blind, both["answer"])[1, 0]
    assert torch.allclose(hidden[0], hidden[1], atol=1e-5)  # nobody else's goal image matters
    assert not torch.allclose(shown, unshown, atol=1e-3)
    torch.stack(list(losses(network, both).values())).sum().backward()
    assert network.goal.grad is not None and network.goal.grad.any()


def test_tasks_are_drawn_as_balanced_as_asked(demonstrations: dict[str, Demonstration]) -> None:
    def share(balance: float) -> float:
        config = SampleConfig(balance=balance, stop=1.0, found=1.0, thought=1.0)
        data = Demonstrations(nano.history, nano.memory, TINY.scale, config)
        for task in ("object", "object", "object", "image"):
            seen = demonstrations[task]
            data.add(seen, *tokens[task])
        few = 3 * len(demonstrations["object"])
        return float((data.draw(64, 100, (0,)) >= few).mean())

    nano = untrained(TASKS)
    pair = {task: demonstrations[task] for task in ("object", "image")}
    tokens = {task: nano.tokens(seen.goal, seen.frames) for task, seen in pair.items()}
    steps = {task: len(seen) for task, seen in pair.items()}
    assert share(0.0) == pytest.approx(steps["image"] / (3 * steps["object"] + steps["image"]), abs=0.02)
    assert share(1.0) == pytest.approx(0.5, abs=0.02)


def test_it_decides_by_the_goal_image_as_the_network_does(model: Path) -> None:
    def decide(goal: Goal, thinking: ThinkingConfig) -> np.ndarray:
        policy = NanoPolicy.load(model, thinking=thinking)
        policy.reset(goal)
        return policy.act(look(3)).trajectory

    for thinking in (ThinkingConfig("never"), ThinkingConfig("always", longest=6)):
        same = decide(picture(1), thinking)
        assert np.array_equal(same, decide(picture(1), thinking))
        assert not np.allclose(same, decide(picture(2), thinking), atol=1e-4)

    nano, policy = untrained(TASKS), NanoPolicy.load(model)
    policy.reset(picture(1))
    assert policy._goal is not None and policy._goal.tokens.shape == (GOAL_TOKENS, TINY.token_channels)
    with torch.no_grad():
        cells = nano.tower.eval()(torch.from_numpy(picture(1).image[None]))  # type: ignore[index]
        assert np.allclose(nano.goal.eval()(cells)[0].numpy(), policy._goal.query, atol=1e-4)


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (Goal("find the thing in the image", "image"), "the goal is an image and there is none"),
        (replace(picture(1), image=np.zeros((4, 4, 3), np.uint8)), "96x128x3, got uint8 4x4x3"),
    ],
)
def test_goal_images_it_cannot_use_are_refused(model: Path, goal: Goal, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_policy(model).reset(goal)


def test_the_query_of_a_route_is_what_it_ends_at(model: Path) -> None:
    for told, end in (
        ("take the left door, then pass the bed, then stop at the sofa", "stop at the sofa"),
        ("go through the door then stop at the bed.", "stop at the bed"),
        ("stop at the plant", "stop at the plant"),
        ("then", "then"),
    ):
        assert sought(Goal(told, "route")) == end
    assert sought(Goal("please, find the bed")) == "please, find the bed"
    sight = load_policy(model).sight
    left, right, other = (
        sight.encode_goal(Goal(f"take the {side} door, stop at the {end}", "route"))
        for side, end in (("left", "plant"), ("right", "plant"), ("left", "bed"))
    )
    assert np.array_equal(left.query, right.query) and not np.array_equal(left.words, right.words)
    assert not np.allclose(left.query, other.query)


def test_an_older_checkpoint_learns_goal_images_and_forgets_nothing(tmp_path: Path) -> None:
    untrained(("object",)).save(tmp_path / "nano.pt")
    data = torch.load(tmp_path / "nano.pt", weights_only=True)
    del data["goal"], data["tasks"], data["policy"]["goal"]
    torch.save(data, tmp_path / "old.pt")
    old = Nano.load(tmp_path / "old.pt")
    assert old.tasks == ("object",)
    plain = export_model(tmp_path / "plain", old)
    assert "goal" not in plain.graphs and "goal" not in plain.graphs["read"]["inputs"]
    old.tasks = ("object", "image")
    shown = export_model(tmp_path / "shown", old)
    assert "goal" in shown.graphs and "goal" in shown.graphs["read"]["inputs"]

    def drive(folder: Path) -> np.ndarray:
        policy = load_policy(folder, thinking=ThinkingConfig("always", longest=6))
        policy.reset(Goal("find the red chair"))
        return np.stack([policy.act(look(step)).trajectory for step in range(4)])

    assert np.allclose(drive(tmp_path / "plain"), drive(tmp_path / "shown"), atol=1e-5)
    with pytest.raises(ValueError, match="trained for tasks object, not for image"):
        load_policy(tmp_path / "plain").reset(picture(1))


def test_training_may_not_use_what_is_held_out() -> None:
    with pytest.raises(ValueError, match="may not use split 'unseen' of task 'object'"):
        Round(houses=1, steps=1, policy_share=0.0, tasks=(("object", "unseen"),))
    config = ImitationConfig(
        rounds=(Round(houses=1, steps=1, policy_share=0.0, tasks=(("route", "plain"),)),)
    )
    assert ImitationConfig.of(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    ("task", "split"), [("image", "plain"), ("follow", "lookalikes"), ("route", "plain")]
)
def test_every_task_can_be_evaluated(model: Path, task: Task, split: str) -> None:
    config = EvaluationConfig(
        str(model), max_rooms=2, task=task, split=split, thinking=ThinkingConfig("never")
    )
    outcomes = (evaluate_house(seed, config) for seed in range(4, 14))
    outcome = next(outcome for outcome in outcomes if outcome is not None)
    assert outcome.decisions > 0
