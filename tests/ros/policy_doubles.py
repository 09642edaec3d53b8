"""Policies for the tests, named as "policy_doubles:spin": what the policy node runs without knowing it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from vlingnav_policy import Decision, Goal, Observation, PolicyUnavailable

DT = 0.2


class Scripted:
    """Drives a constant body velocity `(3,)`; says stop at the `stop_at`-th look, thinks at every other."""

    def __init__(self, velocity: tuple[float, float, float], stop_at: int | None = None) -> None:
        self._velocity = velocity
        self._stop_at = stop_at

    def reset(self, goal: Goal) -> None:
        assert goal.image is None or goal.image.shape == (96, 128, 3), "not the camera's size"
        self.looks = 0
        self.goal = goal

    def act(self, observation: Observation) -> Decision:
        assert observation.rgb.shape[2] == 3 and observation.odometry is not None
        self.looks += 1
        vx, vy, wz = self._velocity
        t = np.arange(1, 9) * DT
        if abs(wz) > 1e-6:
            x, y = vx / wz * np.sin(wz * t), vx / wz * (1.0 - np.cos(wz * t))
        else:
            x, y = vx * t, vy * t
        trajectory = np.stack([x, y, wz * t], axis=-1).astype(np.float32)
        thought = f"look {self.looks} for {self.goal.instruction!r}" if self.looks % 2 == 0 else None
        return Decision(trajectory, DT, observation.stamp, self.looks == self._stop_at, thought)


class Failing(Scripted):
    """Raises at its third look."""

    def act(self, observation: Observation) -> Decision:
        if self.looks == 2:
            raise RuntimeError("out of ideas")
        return super().act(observation)


class Elsewhere(Scripted):
    """As if on another machine: no decision from the third look on, for so many looks."""

    def __init__(self, away: float) -> None:
        super().__init__((0.0, 0.0, 0.8))
        self._away = away

    def act(self, observation: Observation) -> Decision:
        decision = super().act(observation)
        if 3 <= self.looks < 3 + self._away:
            raise PolicyUnavailable("vlingnav://robot:8450 cannot be reached: no route")
        return decision


class Slow(Scripted):
    """Takes three seconds a look, far more than a plan may be old."""

    def act(self, observation: Observation) -> Decision:
        time.sleep(3.0)
        return super().act(observation)


def spin() -> Scripted:
    """Turns on the spot for ever, which nothing is ever in the way of."""
    return Scripted((0.0, 0.0, 0.8))


def arrive() -> Scripted:
    """Straight on, and there at the fifth look."""
    return Scripted((0.3, 0.0, 0.0), stop_at=5)


def fail() -> Failing:
    """An error in the middle of an episode."""
    return Failing((0.0, 0.0, 0.8))


def hiccup() -> Elsewhere:
    """A server that cannot be reached for a moment, about 1.2 s at 2.5 looks a second."""
    return Elsewhere(3)


def gone() -> Elsewhere:
    """A server that goes away and stays away."""
    return Elsewhere(float("inf"))


def slow() -> Slow:
    """An engine that is far too slow."""
    return Slow((0.0, 0.0, 0.8))


class Patient(Scripted):
    """Takes a quarter of a second a look; told "fail" it fails, told "stop" it is there at once."""

    def act(self, observation: Observation) -> Decision:
        time.sleep(0.25)
        if self.goal.instruction == "fail":
            raise RuntimeError("out of ideas")
        decision = super().act(observation)
        return replace(decision, stop=self.goal.instruction == "stop")


def patient() -> Patient:
    """What several robots ask at once."""
    return Patient((0.4, 0.0, 0.0))


class Aware(Scripted):
    """Thinks of what the robot goes on with."""

    def act(self, observation: Observation) -> Decision:
        under = observation.underway
        thought = "nothing" if under is None else f"{len(under.rows)} rows, {under.delay} behind"
        return replace(super().act(observation), thought=thought)


def aware() -> Aware:
    """Turns on the spot, and says what is under way."""
    return Aware((0.0, 0.0, 0.8))
