"""The controller between a policy and the motors: the test is the policy, and a robot that does not turn."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from vlingnav import convert, topics
from vlingnav_policy import Decision, Odometry
from vlingnav_policy.se2 import exponential

T, DT, SPEED = 8, 0.2, 0.4


class Road:
    """A robot that goes as fast as it is told, but always straight on."""

    def __init__(self, relay: Any) -> None:
        self.relay, self.began = relay, time.monotonic()
        self.told: list[tuple[float, np.ndarray]] = []
        self.x, self.before = 0.0, self.now()
        self.figures: dict[str, str] = {}
        node = relay.node
        node.create_subscription(
            topics.CMD_VEL_POLICY.type,
            topics.CMD_VEL_POLICY.name,
            lambda m: self.told.append((convert.seconds(m.header.stamp), convert.command(m.twist))),
            topics.CMD_VEL_POLICY.qos,
        )
        node.create_subscription(
            topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, self._hear, topics.DIAGNOSTICS.qos
        )
        self._odometry = relay.publisher(topics.ODOM)
        self._plans = relay.publisher(topics.PLAN)
        node.create_timer(0.02, self._drive)

    def now(self) -> float:
        return 100.0 + time.monotonic() - self.began

    def _drive(self) -> None:
        now, speed = self.now(), self.told[-1][1][0] if self.told else 0.0
        self.x += speed * (now - self.before)
        self.before = now
        odometry = Odometry(np.array([self.x, 0.0, 0.0]), np.array([speed, 0.0, 0.0]))
        self._odometry.publish(convert.odometry_message(odometry, now, "odom", "base_link"))

    def _hear(self, message: Any) -> None:
        for status in message.status:
            if status.name == "/robot/controller":
                self.figures = {value.key: value.value for value in status.values} | {
                    "message": status.message
                }

    def plan(self, wz: float, late_s: float, steps: int = T) -> None:
        """A plan on an image of a while ago: straight on, turning."""
        rows = [exponential(np.array([SPEED, 0.0, wz]) * (k + 1) * DT) for k in range(steps)]
        decision = Decision(np.array(rows, np.float32), DT, self.now() - late_s)
        self._plans.publish(convert.path(decision, "base_link"))

    def swerve(self) -> float:
        """From straight on to a turn, by one plan after another; the largest step of the turn's command."""
        self.plan(0.0, 0.1)
        self.relay.wait(lambda: bool(self.told) and self.told[-1][1][0] > 0.3, "the first plan")
        self.relay.spin(0.3)
        del self.told[:-1]
        self.plan(0.6, 0.1)
        self.relay.wait(lambda: bool(self.told) and self.told[-1][1][2] > 0.6, "the turn")
        # Commands that a busy machine gives late are farther apart: the step is that of one period.
        steps = [
            (b[2] - a[2]) / max(1.0, (after - before) / 0.05)
            for (before, a), (after, b) in pairwise(self.told)
        ]
        return float(max(steps))

    def blend(self, seconds: float) -> None:
        """Configure the controller anew with another time to go from plan to plan."""
        client = self.relay.node.create_client(SetParameters, "controller/set_parameters")
        self.relay.wait(client.service_is_ready, "the parameters")
        value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=seconds)
        answer = client.call_async(SetParameters.Request(parameters=[Parameter(name="blend_s", value=value)]))
        self.relay.wait(answer.done, "the parameter")
        assert answer.result().results[0].successful
        self.relay.change(
            "controller",
            Transition.TRANSITION_DEACTIVATE,
            Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_CONFIGURE,
            Transition.TRANSITION_ACTIVATE,
        )
        self.told.clear()


@pytest.fixture(scope="module")
def road(controller: Any) -> Road:
    return Road(controller)


def test_a_plan_gives_way_to_the_next_without_a_jump(road: Road) -> None:
    road.blend(0.5)
    assert road.swerve() < 0.4


def test_without_the_blend_it_jumps(road: Road) -> None:
    road.blend(0.0)
    try:
        assert road.swerve() > 0.8
    finally:
        road.blend(0.1)


def test_a_plan_that_ends_leaves_a_standing_robot_and_the_time_is_told(road: Road) -> None:
    road.plan(0.0, 0.1, steps=3)
    road.relay.wait(lambda: bool(road.told) and road.told[-1][1][0] > 0.3, "the plan")
    road.relay.wait(lambda: not road.told[-1][1].any(), "zero", 2.0)
    road.relay.wait(lambda: float(road.figures.get("waiting for a plan [%]", 0)) > 80.0, "the share")
    assert "is at its end; the policy is too slow" in road.figures["message"]
    assert all(not command.any() for _, command in road.told[-10:])
    # What came late is begun at its beginning by who stood, 0.9 s after its image.
    road.plan(0.0, 0.9, steps=3)
    road.relay.wait(lambda: road.told[-1][1][0] > 0.1, "the next plan")
    road.relay.wait(lambda: float(road.figures["waiting for a plan [%]"]) > 80.0, "it to end as well")
    road._plans.publish(convert.path(Decision(np.zeros((0, 3), np.float32), 0.0, 0.0), "base_link"))
    road.relay.wait(lambda: road.figures["waiting for a plan [%]"] == "0", "no more waiting")
