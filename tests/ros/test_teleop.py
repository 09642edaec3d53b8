"""Sticks, keys and buttons: what they come to without ROS; then a joystick's driver that can be killed."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifecycle_msgs.msg import Transition
from std_msgs.msg import Bool
from visualization_msgs.msg import InteractiveMarkerFeedback as Feedback

from vlingnav import rviz_target, topics
from vlingnav.arbitration import HELD as BY_A_PERSON
from vlingnav.arbitration import STAND, Phase, Request, Word
from vlingnav.teleoperation import KEYBOARD, Controls, Hand, Layout, read
from vlingnav.terminal import ASKING, STEERING, Keys
from vlingnav_interfaces.msg import Intervention

AHEAD, ROUND = (0.6, 0.0, 0.0), (0.0, 0.0, 1.0)
# That of the parameters' defaults.
LAYOUT = Layout(vx=1, vy=0, wz=3, hold=4, stop=1, pause=6, release=7, resume=0)
TOP = (0.6, 0.5, 1.5)
DEAD_MAN = 0.35
OPEN, HELD = Hand(), Hand(True, AHEAD)


def controls() -> Controls:
    return Controls(("joystick", "keyboard"), ("rviz",), DEAD_MAN)


def buttons(*pressed: int) -> list[int]:
    return [int(k in pressed) for k in range(8)]


# A joystick's message.


def test_a_joystick_is_read_by_its_layout() -> None:
    hand = read(LAYOUT, [1.0, 0.5, 0.0, -1.0], buttons(4), TOP)
    assert hand == Hand(True, (0.3, 0.5, -1.5), Request.NOTHING)
    assert read(LAYOUT, [0.0, 7.0, 0.0, 0.0], buttons(), TOP).velocity == (0.6, 0.0, 0.0), "no more than all"
    assert read(replace(LAYOUT, vy=-1), [1.0] * 4, buttons(), TOP).velocity[1] == 0.0
    assert read(LAYOUT, [0.0] * 4, buttons(1, 0), TOP).request == Request.STOP, "the safer of two"


def test_the_override_button_counts_for_whoever_holds_the_robot() -> None:
    layout = replace(LAYOUT, override=5)
    people = controls()
    people.hear("joystick", read(layout, [0.0] * 4, buttons(), TOP), 0.0)
    people.hear("joystick", read(layout, [0.0] * 4, buttons(5), TOP), 0.1)
    assert not people.overriding(0.1), "it is not held"
    people.hear("joystick", read(layout, [0.0] * 4, buttons(4, 5), TOP), 0.2)
    assert people.overriding(0.2) and not people.overriding(0.2 + DEAD_MAN + 0.01)
    people.hear("joystick", read(layout, [0.0] * 4, buttons(4), TOP), 0.3)
    assert not people.overriding(0.3)


def test_a_joystick_that_is_another_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="2 axes, the parameters name number 3"):
        read(replace(LAYOUT, vx=0), [0.0] * 2, buttons(), TOP)
    with pytest.raises(ValueError, match="not finite"):
        read(LAYOUT, [0.0, math.nan, 0.0, 0.0], buttons(), TOP)


# Who has the robot.


def test_nobody_is_there_and_nothing_is_asked() -> None:
    assert controls().say(5.0) == (STAND, Word())


def test_a_grip_drives_and_letting_go_is_zero() -> None:
    people = controls()
    people.hear("joystick", OPEN, 0.0)
    assert people.hear("joystick", HELD, 0.1), "that is news"
    assert people.say(0.1) == (AHEAD, Word("joystick"))
    assert not people.hear("joystick", replace(HELD, velocity=ROUND), 0.2), "only another velocity"
    people.hear("joystick", replace(HELD, held=False), 0.3)
    assert people.say(0.3) == (STAND, Word())


def test_silence_is_zero_and_asks_for_a_pause() -> None:
    people = controls()
    people.hear("joystick", OPEN, 0.0)
    people.hear("joystick", HELD, 0.1)
    assert people.say(0.44)[0] == AHEAD
    command, word = people.say(0.46)
    assert command == STAND
    assert (word.holder, word.request, word.source) == ("", Request.PAUSE, "joystick")
    assert "silent for 0.36 s" in word.reason
    assert people.say(0.5) == (STAND, Word()), "said once"
    people.hear("joystick", HELD, 1.0)
    assert people.say(1.0)[0] == STAND, "back and still held: that grip is an old one"
    people.hear("joystick", OPEN, 1.1)
    people.hear("joystick", HELD, 1.2)
    assert people.say(1.2)[0] == AHEAD


def test_a_joystick_that_nobody_holds_may_be_unplugged() -> None:
    people = controls()
    people.hear("joystick", OPEN, 0.0)
    assert people.say(9.0) == (STAND, Word())


def test_a_stick_that_is_held_at_the_start_pauses_and_does_not_count() -> None:
    people = controls()
    people.hear("joystick", HELD, 0.0)
    command, word = people.say(0.0)
    assert command == STAND
    assert (word.holder, word.request) == ("", Request.PAUSE)
    assert "let go of it first" in word.reason
    people.hear("joystick", HELD, 0.1)
    assert people.say(0.1) == (STAND, Word())


def test_of_two_the_joystick_has_it_whoever_came_first() -> None:
    people = controls()
    for name in ("joystick", "keyboard"):
        people.hear(name, OPEN, 0.0)
    people.hear("keyboard", Hand(True, ROUND), 0.1)
    assert people.say(0.1) == (ROUND, Word("keyboard"))
    people.hear("joystick", HELD, 0.2)
    assert people.say(0.2) == (AHEAD, Word("joystick"))
    people.hear("joystick", OPEN, 0.3)
    assert people.say(0.3) == (ROUND, Word("keyboard")), "it holds it still"


def test_anyone_may_stop_it_and_a_stop_wins() -> None:
    people = controls()
    for name in ("joystick", "keyboard"):
        people.hear(name, OPEN, 0.0)
    people.hear("joystick", replace(HELD, request=Request.RESUME), 0.1)
    people.hear("keyboard", Hand(request=Request.STOP), 0.1)
    assert people.say(0.1)[1] == Word("joystick", Request.STOP, "keyboard")


def test_rviz_holds_until_it_gives_back_and_stands_when_silent() -> None:
    people = controls()
    people.hear("rviz", HELD, 0.0)
    assert people.say(0.1) == (AHEAD, Word("rviz"))
    assert people.say(9.0) == (STAND, Word("rviz"))
    people.hear("rviz", Hand(request=Request.RESUME), 9.1)
    assert people.say(9.1)[1] == Word("", Request.RESUME, "rviz")
    assert people.say(9.2)[1] == Word(), "asked once"


SAID = st.tuples(
    st.sampled_from(["joystick", "keyboard", "rviz", ""]),
    st.builds(Hand, st.booleans(), st.sampled_from([AHEAD, ROUND]), st.sampled_from(Request)),
    st.floats(-1.0, 1.0),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(SAID, max_size=30))
def test_whatever_is_said(said: list[tuple[str, Hand, float]]) -> None:
    """A velocity is that of a holder who was heard within the dead-man's time, whatever the clock does."""
    people, now = controls(), 0.0
    last: dict[str, tuple[Hand, float]] = {}
    opened: set[str] = {"rviz"}
    for name, hand, step in said:
        now += step
        if name:
            people.hear(name, hand, now)
            last[name] = hand, now
            if not hand.held:
                opened.add(name)
        command, word = people.say(now)
        if command != STAND:
            held, at = last[word.holder]
            assert word.holder in opened and held.held
            assert command == held.velocity and 0.0 <= now - at <= DEAD_MAN
        if name and hand.request == Request.STOP:
            assert word.request == Request.STOP


# The keyboard.


def test_keys_are_a_joystick() -> None:
    keys = Keys()
    assert read(KEYBOARD, *keys.joystick(0.0), TOP) == OPEN
    keys.press("\x1b[A", 1.0)
    hand = read(KEYBOARD, *keys.joystick(1.3), TOP)
    assert hand.held and hand.velocity[0] > 0.0
    assert read(KEYBOARD, *keys.joystick(1.4), TOP) == Hand(True), "a key that does not repeat: zero, held"
    keys.press("dd\x1b[D", 2.0)
    assert read(KEYBOARD, *keys.joystick(2.0), TOP).velocity[2] > 0.0, "the last one"
    keys.press("x\x1b", 2.1)
    assert read(KEYBOARD, *keys.joystick(2.1), TOP).held, "others do nothing"


@pytest.mark.parametrize(("key", "request_"), ASKING.items())
def test_what_keys_ask_for(key: str, request_: Request) -> None:
    keys = Keys()
    keys.press("w", 0.0)
    keys.press(key, 0.1)
    assert read(KEYBOARD, *keys.joystick(0.1), TOP) == Hand(request=request_)
    assert read(KEYBOARD, *keys.joystick(0.4), TOP) == OPEN
    assert key not in STEERING


# The nodes `teleop` and `arbiter` and a joystick's driver, each a teleop.


@pytest.fixture
def graph(teleop: Any) -> Any:
    """A policy that turns, and nobody who wants to drive."""
    teleop.say(topics.CMD_VEL_POLICY, teleop.twist(0.0, 0.5))
    teleop.restart("teleop")
    teleop.restart("arbiter")
    teleop.wait_desired(0.0, 0.5)
    teleop.wait(lambda: bool(teleop.heard["takeover"]), "the teleop node")
    return teleop


def grip(graph: Any, stick: Any) -> None:
    """Take the robot with the stick and drive ahead."""

    def taken() -> bool:
        phase = graph.intervention().phase
        if phase not in BY_A_PERSON:
            stick.set(0.0, *[LAYOUT.resume] * (phase == Phase.PAUSED))  # a busy machine may have paused it
            stick.set(1.0, LAYOUT.hold)
        return phase in BY_A_PERSON

    graph.wait(taken, "the takeover")
    graph.wait_phase(Intervention.HUMAN)
    graph.wait_desired(0.6)


def test_a_person_takes_the_robot_and_gives_it_back(graph: Any, stick: Any) -> None:
    grip(graph, stick)
    assert graph.intervention().source == "joystick"

    def given_back() -> bool:
        phase = graph.intervention().phase
        stick.set(1.0, *[LAYOUT.resume] * (phase == Phase.PAUSED))  # a busy machine may have paused it
        return phase == Phase.AUTONOMOUS

    graph.wait(given_back, "the robot to be given back")
    graph.wait_desired(0.0, 0.5)


def test_a_joystick_that_dies_is_zero_within_its_time_and_pauses(graph: Any, stick: Any) -> None:
    grip(graph, stick)
    stick.kill()
    died = time.monotonic()
    graph.wait_phase(Intervention.PAUSED)
    graph.wait_desired(0.0)
    commands = [(t, graph.velocity(m)) for t, m in graph.heard["cmd_vel_desired"] if t > died]
    stopped = next(t for t, command in commands if command == (0.0, 0.0))
    # The dead-man's time, two ticks, and what a busy machine takes to run two processes.
    assert stopped - died < DEAD_MAN + 0.1 + 0.4
    assert "silent" in graph.intervention().reason and graph.intervention().source == "joystick"
    graph.heard["cmd_vel_desired"].clear()
    graph.spin(0.7)
    said = {graph.velocity(m) for _, m in graph.heard["cmd_vel_desired"]}
    assert said == {(0.0, 0.0)}, "nor does the policy get it"


def test_emergency_stop_from_the_stick_is_latched_until_released(graph: Any, stick: Any) -> None:
    grip(graph, stick)
    stick.set(1.0, LAYOUT.hold, LAYOUT.stop)
    graph.wait_phase(Intervention.STOPPED)
    stick.set(1.0, LAYOUT.hold)
    graph.spin(0.3)
    assert graph.desired() == (0.0, 0.0)
    stick.set(0.0, LAYOUT.release)
    graph.wait_phase(Intervention.PAUSED)
    stick.set(0.0, LAYOUT.resume)
    graph.wait_phase(Intervention.AUTONOMOUS)
    graph.wait_desired(0.0, 0.5)


def test_a_teleop_node_that_is_deactivated_pauses_the_robot(graph: Any) -> None:
    graph.change("teleop", Transition.TRANSITION_DEACTIVATE)
    graph.wait_phase(Intervention.PAUSED)
    assert "deactivated" in graph.intervention().reason
    graph.wait_desired(0.0)
    graph.change("teleop", Transition.TRANSITION_ACTIVATE)


def test_rviz_takes_drives_and_gives_back(graph: Any) -> None:
    graph.publisher(topics.TAKEOVER_BUTTON).publish(Bool(data=True))
    graph.wait_phase(Intervention.HUMAN)
    graph.wait_desired(0.0)
    graph.say(topics.CMD_VEL_RVIZ, graph.twist(0.2, 0.1))
    graph.wait_desired(0.2, 0.1)
    graph.say(topics.CMD_VEL_RVIZ, None)
    graph.wait_desired(0.0)
    assert graph.intervention().phase == Intervention.HUMAN
    graph.publisher(topics.TAKEOVER_BUTTON).publish(Bool(data=False))
    graph.wait_phase(Intervention.AUTONOMOUS)
    graph.wait_desired(0.0, 0.5)
    assert graph.intervention().source == "rviz"


def test_nan_from_rviz_moves_nothing(graph: Any) -> None:
    graph.publisher(topics.TAKEOVER_BUTTON).publish(Bool(data=True))
    graph.wait_phase(Intervention.HUMAN)
    graph.say(topics.CMD_VEL_RVIZ, graph.twist(math.nan))
    graph.spin(0.3)
    graph.say(topics.CMD_VEL_RVIZ, None)
    assert graph.desired() == (0.0, 0.0)
    assert all(np.isfinite(graph.velocity(m)).all() for _, m in graph.heard["cmd_vel_teleop"])
    graph.publisher(topics.TAKEOVER_BUTTON).publish(Bool(data=False))


# The target in RViz.


def dragged(event: int, x: float = 0.0, y: float = 0.0, frame: str = "base_link") -> Feedback:
    message = Feedback(marker_name=rviz_target.NAME, event_type=event)
    message.header.frame_id = frame
    message.pose.position.x, message.pose.position.y = x, y
    return message


def test_the_robot_goes_where_the_target_is_dragged() -> None:
    def velocity(x: float, y: float) -> tuple[float, float, float]:
        return rviz_target.read(dragged(Feedback.POSE_UPDATE, x, y), "base_link", TOP).velocity

    assert velocity(3.0, 0.0) == AHEAD and velocity(0.0, 0.0) == STAND
    assert velocity(0.75, 0.0) == pytest.approx((0.3, 0.0, 0.0))
    assert velocity(0.0, 1.0) == pytest.approx((0.0, 0.0, 1.5)), "first it turns"
    assert velocity(-1.0, -0.01) == pytest.approx((0.0, 0.0, -1.5)), "it does not back up"
    assert rviz_target.read(dragged(Feedback.MOUSE_DOWN), "base_link", TOP) == Hand(True, STAND)
    assert rviz_target.read(dragged(Feedback.MOUSE_UP, 1.0), "base_link", TOP) == OPEN
    for message in (dragged(Feedback.POSE_UPDATE, frame="map"), dragged(Feedback.POSE_UPDATE, math.inf)):
        with pytest.raises(ValueError, match="anew"):
            rviz_target.read(message, "base_link", TOP)


def test_a_target_that_is_dragged_takes_the_robot_until_it_is_let_go_of(graph: Any) -> None:
    name, kind = topics.RVIZ_TARGET_MARKERS
    client = graph.node.create_client(kind, name)
    graph.wait(client.service_is_ready, "the target")
    answer = client.call_async(kind.Request())
    graph.wait(answer.done, "the target's marker")
    begun, (marker,) = answer.result().sequence_number, answer.result().markers
    assert marker.name == rviz_target.NAME and marker.header.frame_id == "base_link"
    updates = graph.heard[topics.RVIZ_TARGET.name]
    graph.wait(lambda: any(u.type == u.KEEP_ALIVE and u.seq_num == begun for _, u in updates), "life")
    mouse = graph.publisher(topics.RVIZ_TARGET_FEEDBACK)
    mouse.publish(dragged(Feedback.MOUSE_DOWN))
    graph.wait_phase(Intervention.HUMAN)
    assert graph.intervention().source == "target"
    graph.say(topics.RVIZ_TARGET_FEEDBACK, dragged(Feedback.POSE_UPDATE, 3.0))
    graph.wait_desired(0.6)
    graph.say(topics.RVIZ_TARGET_FEEDBACK, None)  # RViz has died: the robot stands, and is still taken
    graph.wait_desired(0.0)
    assert graph.intervention().phase == Intervention.HUMAN
    mouse.publish(dragged(Feedback.MOUSE_UP, 3.0))
    graph.wait_phase(Intervention.AUTONOMOUS)
    graph.wait_desired(0.0, 0.5)
    graph.wait(lambda: any(u.poses and u.seq_num == begun + 1 for _, u in updates), "the target's way home")
    graph.node.destroy_client(client)
