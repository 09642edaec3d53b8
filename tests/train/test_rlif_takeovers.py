"""When a person takes over, and which transition has the reward for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from vlingnav_train.rlif.bc import BehaviourCloning
from vlingnav_train.rlif.dagger import Dagger
from vlingnav_train.rlif.hg_dagger import HgDagger
from vlingnav_train.rlif.human_reward import HumanReward
from vlingnav_train.rlif.method import Setting
from vlingnav_train.rlif.person import NEVER, Person, RandomIntervention, ValueIntervention
from vlingnav_train.rlif.rlif import Rlif
from vlingnav_train.rlif.rlpd import RlpdConfig
from vlingnav_train.rlif.tasks import Task
from vlingnav_train.rlif.trial import Moment, Trial

SETTING = Setting(1, 1, (), 100, RlpdConfig(width=8, critics=2), 0, torch.device("cpu"))
Judge = Callable[[Moment], float]


def right(observation: Any) -> np.ndarray:
    """A robot that goes to the right, where it falls."""
    return np.ones(1, np.float32)


def left(observation: Any) -> np.ndarray:
    return -np.ones(1, np.float32)


@dataclass
class Timed:
    """Takes over at the steps of `times`, and keeps who drove each step."""

    times: set[int]
    hold: int = 3
    asked: list[float] = field(default_factory=list)

    def objects(self, observation: Any, action: Any, rng: Any) -> bool:
        self.asked.append(float(observation[0]))
        return len(self.asked) in self.times


def moments_of(task: Task, times: set[int], steps: int = 60) -> list[Moment]:
    trial = Trial(task, Person(left, Timed(times), seed=0), 0, 0)
    return [moment for _ in range(steps) for moment in trial.step(right)]


def check_rewards(judge: Judge, moments: list[Moment]) -> None:
    """-1 exactly before a takeover, and where it fell.

    Who drove is read off the action, and where an episode began off the place, without asking the moment.
    """
    drove = [moment.action[0] < 0 for moment in moments]
    for now, after in zip(range(len(moments)), range(1, len(moments)), strict=False):
        moment = moments[now]
        fell = abs(moment.observation[0] + 0.25 * moment.action[0]) > 2.0
        same_episode = np.allclose(moment.next_observation, moments[after].observation) and not fell
        begins = not drove[now] and drove[after] and same_episode
        assert judge(moment) == (-1.0 if begins or fell else 0.0), now


def test_the_reward_is_at_the_transition_before_a_takeover_and_nowhere_else(
    task_moments: list[Moment],
) -> None:
    check_rewards(lambda moment: Rlif(SETTING).judge(moment)[0], task_moments)
    rewards = [Rlif(SETTING).judge(moment)[0] for moment in task_moments]
    assert sum(moment.before_takeover for moment in task_moments) == 4
    assert sum(rewards) == -4 - sum(moment.fell for moment in task_moments)


@pytest.mark.parametrize(
    "judge",
    [
        lambda moment: 0.0,
        lambda moment: -float(moment.held),
        lambda moment: -float(moment.before_takeover or moment.held or moment.fell),
        lambda moment: -float(moment.before_takeover),
    ],
    ids=["none", "the takeover itself", "all that leads into a step of the person's", "falls for nothing"],
)
def test_another_labelling_would_be_seen(judge: Judge, task_moments: list[Moment]) -> None:
    with pytest.raises(AssertionError):
        check_rewards(judge, task_moments)


@pytest.fixture
def task_moments(point: Task) -> list[Moment]:
    moments = moments_of(point, times={2, 5, 6, 20})
    assert any(moment.fell for moment in moments) and any(moment.held for moment in moments)
    return moments


def test_a_fall_goes_on_at_the_next_start_and_time_that_is_over_where_it_was(point: Task) -> None:
    falling = moments_of(point, times=set(), steps=40)
    ends = [index for index, moment in enumerate(falling[:-1]) if moment.fell]
    assert ends and all(falling[i].next_observation == falling[i + 1].observation for i in ends)
    assert all(Rlif(SETTING).judge(falling[i]) == (-1.0, 1.0) for i in ends)
    assert all(HumanReward(SETTING).judge(falling[i]) == (falling[i].reward, 0.0) for i in ends)

    still = Trial(point, Person(left, NEVER, 0), 0, 0)
    resting = [
        moment for _ in range(40) for moment in still.step(lambda observation: np.zeros(1, np.float32))
    ]
    assert len(resting) == 40 and not any(moment.fell for moment in resting)
    assert resting[19].next_observation == resting[19].observation != resting[20].observation
    assert all(Rlif(SETTING).judge(moment) == (0.0, 1.0) for moment in resting)


def test_a_takeover_at_the_start_of_an_episode_is_nobodys_fault(point: Task) -> None:
    moments = moments_of(point, times={1}, steps=10)
    assert [moment.held for moment in moments[:4]] == [True, True, True, False]
    assert not any(moment.before_takeover for moment in moments)


def test_the_person_holds_the_stick_and_then_lets_the_robot_do_a_step() -> None:
    person = Person(left, Timed(set(range(100)), hold=3), seed=0)
    drove = [person.drives(np.zeros(1), right(None)) for _ in range(9)]
    assert drove == [True, True, True, False, True, True, True, False, True]
    person.start()
    assert person.drives(np.zeros(1), right(None))


@pytest.mark.parametrize("share, hold", [(0.3, 4), (0.5, 4), (0.85, 8), (0.0, 4)])
def test_random_interventions_take_the_share_they_shall(share: float, hold: int) -> None:
    person = Person(left, RandomIntervention(share, hold), seed=0)
    drove = [person.drives(np.zeros(1), right(None)) for _ in range(15_000)]
    assert abs(np.mean(drove) - share) < 0.02


def test_a_share_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="85% of the time 4 steps"):
        RandomIntervention(0.85, hold=4)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_value_based_interventions_come_where_the_action_is_bad(knowing: Any, sign: float) -> None:
    """Also where all values are negative, for which a ratio of values would be the wrong way round."""

    class Shifted:
        act = staticmethod(knowing.act)

        def values(self, observation: Any, actions: Any) -> Any:
            return knowing.values(observation, actions) - (4.0 if sign < 0 else 0.0)

    intervention = ValueIntervention(Shifted(), tolerance=0.95, attention=1.0)
    rng, place = np.random.default_rng(0), np.array([1.0])
    assert intervention.objects(place, np.array([1.0], np.float32), rng)
    assert not intervention.objects(place, np.array([-1.0], np.float32), rng)
    assert not intervention.objects(place, np.array([-0.95], np.float32), rng)


def test_a_person_overlooks_something_now_and_then(knowing: Any) -> None:
    intervention, rng = ValueIntervention(knowing, tolerance=0.95), np.random.default_rng(0)

    def share(action: float) -> float:
        done = [intervention.objects(np.ones(1), np.array([action], np.float32), rng) for _ in range(2000)]
        return float(np.mean(done))

    assert abs(share(1.0) - 0.95) < 0.02 and abs(share(-1.0) - 0.05) < 0.02


def test_who_learns_what_of_a_moment(point: Task) -> None:
    moments = moments_of(point, times={2})
    held = [moment for moment in moments if moment.held]
    assert len(held) == 3 and held[0].action == -1.0
    driven = next(moment for moment in moments if not moment.held)
    shown = SETTING.__class__(**{**SETTING.__dict__, "demonstrations": held})
    assert BehaviourCloning(shown).imitated(held[0]) is None
    assert Dagger(shown).imitated(driven) == -1.0
    assert HgDagger(shown).imitated(driven) is None and HgDagger(shown).imitated(held[0]) == -1.0
    assert (Rlif.takeovers, HumanReward.takeovers, HgDagger.takeovers) == (True, True, True)
    assert (Dagger.takeovers, BehaviourCloning.takeovers) == (False, False)
