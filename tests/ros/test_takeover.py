"""How the nodes stand to each other: who is in which graph, and that the filter is after people too."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sensor_msgs.msg import Joy, LaserScan

from vlingnav import convert, graph, topics
from vlingnav.arbitration import HELD
from vlingnav_interfaces.msg import Intervention
from vlingnav_policy.types import Odometry

HOLD = 4  # the button of the teleop node's default


def test_the_graph_of_navigate_has_no_arbiter_between() -> None:
    remaps = {node.name: node.remaps for node in graph.members("navigate")}
    assert remaps["controller"] == (("cmd_vel_policy", "cmd_vel_desired"),)
    assert all(not node.remaps for node in graph.members("takeover"))
    assert "policy" not in graph.DEMOS["teleop"]


def test_a_person_is_kept_from_hitting_things_too(guarded: Any) -> None:
    """Full speed ahead with the stick held: on a free floor the base gets it, before a wall it does not."""
    wall = math.inf

    def now() -> float:
        return guarded.node.get_clock().now().nanoseconds * 1e-9

    def scan() -> LaserScan:
        message = LaserScan(angle_increment=0.1, range_min=0.05, range_max=8.0, ranges=[wall] * 63)
        message.header.stamp = convert.stamp(now())
        return message

    def odometry() -> Any:
        return convert.odometry_message(Odometry(np.zeros(3), np.zeros(3)), now(), "odom", "base_link")

    def take() -> bool:
        if guarded.intervention().phase in HELD:
            return True
        for buttons in ([0] * 11, [int(k == HOLD) for k in range(11)]):
            guarded.say(topics.JOY, Joy(axes=[0.0, 1.0, 0.0, 0.0, 0.0, 0.0], buttons=buttons))
        return False

    def state() -> Any:
        return guarded.heard["safety_state"][-1][1]

    guarded.say(topics.ODOM, odometry)
    guarded.say(topics.SCAN, scan)
    guarded.wait(lambda: bool(guarded.heard["intervention"] and guarded.heard["safety_state"]), "the nodes")
    guarded.wait(take, "the takeover")
    guarded.wait_phase(Intervention.HUMAN)
    guarded.wait(lambda: state().desired.linear.x > 0.5 and state().applied.linear.x > 0.05, "it to go")
    wall = 0.21  # [m] from the middle of a robot with a radius of 0.18

    def held_back() -> bool:
        by_the_wall = state().constraint != "input" and state().clearance_m < 0.05
        return by_the_wall and state().applied.linear.x < 0.01 and state().desired.linear.x > 0.5

    guarded.wait(held_back, "it to brake")
