"""The Gymnasium environment, by Gymnasium's own checker."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from vlingnav_sim.env import EnvConfig, NavigateEnv, make_vector


def test_gymnasium_accepts_it() -> None:
    env = NavigateEnv(EnvConfig(houses=(720_000, 720_050)))
    check_env(env, skip_render_check=True)
    env.close()


def test_the_same_seed_gives_the_same_episode() -> None:
    def run() -> list[float]:
        env = NavigateEnv(EnvConfig(houses=(720_000, 720_050)))
        env.reset(seed=3)
        rng = np.random.default_rng(0)
        rewards = [env.step(rng.uniform(-1, 0.4, 4).astype(np.float32))[1] for _ in range(10)]
        env.close()
        return rewards

    assert run() == run()


def test_progress_is_rewarded_and_stopping_ends() -> None:
    env = NavigateEnv()
    _, info = env.reset(options={"house": 720_001})
    total = 0.0
    for _ in range(5):
        _, reward, terminated, truncated, _ = env.step(np.array([0.5, 0.0, 0.0, -1.0], np.float32))
        total += reward
        assert not terminated and not truncated
    assert abs(total) <= 5 * 0.4 * 0.6 + 1.0
    _, reward, terminated, _, last = env.step(np.array([0.0, 0.0, 0.0, 1.0], np.float32))
    assert terminated and info["house"] == 720_001
    assert (reward > 5.0) == last["measures"].success
    env.close()


def test_the_filter_keeps_a_blind_driver_from_the_wall_and_without_it_he_hits() -> None:
    def collisions(safety: bool) -> int:
        env = NavigateEnv(EnvConfig(safety=safety))
        count = 0
        for house in (720_001, 720_002, 720_003):
            env.reset(options={"house": house})
            for _ in range(40):
                info = env.step(np.array([1.0, 0.0, 0.1, -1.0], np.float32))[4]
            count += info["measures"].collisions
        env.close()
        return count

    assert collisions(safety=True) == 0
    assert collisions(safety=False) > 0


def test_a_wrong_robot_is_named() -> None:
    with pytest.raises(ValueError, match="unknown robot 'car'; choose one of diff"):
        NavigateEnv(EnvConfig(robot="car"))


def test_two_processes_at_once() -> None:
    env = make_vector(2, EnvConfig(houses=(720_000, 720_050)))
    try:
        observation, _ = env.reset(seed=[1, 2])
        assert observation["rgb"].shape == (2, 96, 128, 3)
        observation, reward, *_ = env.step(np.zeros((2, 4), np.float32))
        assert reward.shape == (2,)
        assert (observation["rgb"][0] != observation["rgb"][1]).any()
    finally:
        env.close()
