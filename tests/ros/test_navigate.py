"""The whole graph, processes and DDS: an episode, and everything that can be wrong with one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from PIL import Image

from vlingnav import convert
from vlingnav_interfaces.action import Navigate
from vlingnav_interfaces.msg import SafetyState
from vlingnav_policy import Memory

Result = Navigate.Result


def waiting(robot: Any) -> float:
    """For how much of the last second the controller had no plan, as it says [%]."""
    said = [
        float(value.value)
        for _, message in robot.heard["/diagnostics"]
        for status in message.status
        if status.name == "/robot/controller"
        for value in status.values
        if value.key == "waiting for a plan [%]"
    ]
    return said[-1] if said else 0.0


def zero(message: Any) -> bool:
    return bool(np.all(np.abs(convert.command(message.twist)) < 1e-6))


def test_an_episode(robot: Any) -> None:
    robot.use_policy("policy_doubles:arrive")
    result = robot.result(robot.send("find the red chair"))
    assert result.outcome == Result.ARRIVED
    assert "red chair" in result.message
    assert result.path_length_m > 0.1
    assert 0.5 < result.elapsed_s < 10.0
    robot.wait_standing()
    thoughts = [m.thought for _, m in robot.heard["reasoning"] if m.thinking]
    assert "look 4 for 'find the red chair'" in thoughts
    assert any(not m.thinking and not m.thought for _, m in robot.heard["reasoning"])
    assert any(len(plan.poses) == 8 for _, plan in robot.heard["plan"])
    robot.wait(lambda: not robot.heard["plan"][-1][1].poses, what="the plan that asks the robot to stand")
    assert robot.feedback and np.isnan(robot.feedback[-1].distance_to_stop_m)
    # What is applied is what the motors get: each safety state repeats its command.
    applied = {tuple(convert.command(s.applied)) for _, s in robot.heard["safety_state"]}
    commands = {tuple(convert.command(m.twist)) for _, m in robot.heard["cmd_vel"]}
    assert len(commands) > 5
    assert commands <= applied


def test_a_goal_image_may_have_any_size(robot: Any) -> None:
    robot.use_policy("policy_doubles:arrive")  # which takes none but the camera's
    file = io.BytesIO()
    Image.new("RGB", (300, 500)).save(file, "PNG")
    result = robot.result(robot.send("find the thing in the image", image=file.getvalue()))
    assert result.outcome == Result.ARRIVED, result.message


def test_a_plan_carries_the_stamp_of_its_image(robot: Any) -> None:
    handle = robot.send("find the chair")
    robot.wait(lambda: len(robot.heard["plan"]) > 3)
    robot.wait(handle.cancel_goal_async().done)
    stamps = {(m.header.stamp.sec, m.header.stamp.nanosec) for _, m in robot.heard["image"]}
    plans = [m for _, m in robot.heard["plan"] if m.poses]
    assert plans
    assert all((p.header.stamp.sec, p.header.stamp.nanosec) in stamps for p in plans)
    assert all(p.header.frame_id == "base_link" for p in plans)


def test_an_empty_instruction_is_refused_in_words(robot: Any) -> None:
    result = robot.result(robot.send("   "))
    assert result.outcome == Result.REFUSED
    assert "instruction is empty" in result.message


def test_a_senseless_time_limit_is_refused(robot: Any) -> None:
    assert "time limit" in robot.result(robot.send("find the chair", time_limit_s=-1.0)).message


def test_time_runs_out(robot: Any) -> None:
    robot.use_policy("policy_doubles:spin")
    result = robot.result(robot.send("find the chair", time_limit_s=1.0))
    assert result.outcome == Result.TIMED_OUT
    robot.wait_standing()


def test_a_second_goal_preempts_the_first(robot: Any) -> None:
    first = robot.send("find the red chair")
    robot.wait_moving()
    second = robot.send("find the blue ball")
    result = robot.result(first)
    assert result.outcome == Result.PREEMPTED
    assert "find the blue ball" in result.message
    second.cancel_goal_async()
    assert robot.result(second).outcome == Result.CANCELED


def test_cancelling_leaves_the_robot_standing(robot: Any) -> None:
    handle = robot.send("find the chair")
    robot.wait_moving()
    cancelled = handle.cancel_goal_async()
    robot.wait(cancelled.done)
    assert robot.result(handle).outcome == Result.CANCELED
    robot.wait_standing()


def test_a_lost_camera_stops_the_robot_within_half_a_second(robot: Any) -> None:
    handle = robot.send("find the chair")
    robot.wait_moving()
    robot.set("sim", "fault", "camera_lost")
    try:
        robot.wait_standing()
        last_image = robot.heard["image"][-1][0]
        # The zero that the motors were told, not the time it then takes to brake.
        desired = [(t, m) for t, m in robot.heard["cmd_vel_desired"] if t > last_image]
        stopped = next(t for t, m in desired if zero(m))
        assert stopped - last_image < 0.5
        result = robot.result(handle)
        assert result.outcome == Result.SENSOR_LOST
        assert "/robot/image" in result.message
    finally:
        robot.set("sim", "fault", "none")


def test_without_the_deadline_a_lost_camera_would_not_stop_it(robot: Any) -> None:
    """That the deadline is what stops the robot in the test above."""
    robot.set("policy", "image_timeout_s", 5.0)
    robot.use_policy("policy_doubles:spin")
    handle = robot.send("find the chair")
    robot.wait_moving()
    robot.set("sim", "fault", "camera_lost")
    try:
        lost = robot.heard["image"][-1][0]
        robot.wait(lambda: robot.heard["ground_truth"][-1][0] > lost + 0.7)
        assert robot.speed() > 0.1
    finally:
        robot.set("sim", "fault", "none")
        robot.set("policy", "image_timeout_s", 0.4)
        robot.use_policy("policy_doubles:spin")
    assert robot.result(handle).outcome == Result.CANCELED


def test_a_short_loss_is_waited_for(robot: Any) -> None:
    robot.set("policy", "sensor_patience_s", 30.0)
    handle = robot.send("find the chair")
    robot.wait_moving()
    robot.set("sim", "fault", "camera_lost")
    robot.wait_standing()
    robot.set("sim", "fault", "none")
    robot.wait_moving()
    robot.set("policy", "sensor_patience_s", 2.0)
    robot.wait(handle.cancel_goal_async().done)
    assert robot.result(handle).outcome == Result.CANCELED


def test_nan_odometry_stops_the_robot_in_words(robot: Any) -> None:
    handle = robot.send("find the chair")
    robot.wait_moving()
    robot.set("sim", "fault", "odometry_nan")
    try:
        robot.wait(lambda: robot.last_state().status == SafetyState.BRAKE, 1.0, "the safety node to brake")
        assert "NaN" in robot.last_state().reason
        robot.wait_standing()
        result = robot.result(handle)
        assert result.outcome == Result.SENSOR_LOST
        assert "NaN" in result.message and "/robot/odom" in result.message
    finally:
        robot.set("sim", "fault", "none")
    robot.wait(lambda: robot.last_state().status == SafetyState.PASS, what="the robot to be well again")


def test_an_unknown_fault_is_refused(robot: Any) -> None:
    with pytest.raises(AssertionError, match="camera_lost"):
        robot.set("sim", "fault", "earthquake")


def test_a_policy_that_raises_fails_the_goal_in_words(robot: Any) -> None:
    robot.use_policy("policy_doubles:fail")
    result = robot.result(robot.send("find the chair"))
    assert result.outcome == Result.FAILED
    assert "out of ideas" in result.message
    robot.wait_standing()


def test_a_policy_server_that_is_lost_stops_the_robot_and_ends_the_goal_in_words(robot: Any) -> None:
    robot.use_policy("policy_doubles:gone")
    handle = robot.send("find the chair")
    robot.wait_moving()
    robot.wait(lambda: bool(robot.heard["plan"]) and not robot.heard["plan"][-1][1].poses, what="to stand")
    planned = max(t for t, m in robot.heard["plan"] if m.poses)
    assert robot.heard["plan"][-1][0] - planned < 1.0, "it stands by the next look, not at the plan's end"
    robot.wait_standing()
    result = robot.result(handle)
    assert result.outcome == Result.SENSOR_LOST
    assert result.message == "vlingnav://robot:8450 cannot be reached: no route"


def test_a_policy_server_that_comes_back_is_waited_for(robot: Any) -> None:
    robot.use_policy("policy_doubles:hiccup")
    handle = robot.send("find the chair")
    robot.wait_moving()
    robot.wait(lambda: not robot.heard["plan"][-1][1].poses, what="the plan that asks the robot to stand")
    robot.wait(lambda: bool(robot.heard["plan"][-1][1].poses), what="the next plan")
    robot.wait_moving()
    robot.wait(handle.cancel_goal_async().done)
    assert robot.result(handle).outcome == Result.CANCELED
    robot.use_policy("policy_doubles:spin")


def test_a_policy_that_is_too_slow_does_not_drive_blind(robot: Any) -> None:
    robot.use_policy("policy_doubles:slow")
    handle = robot.send("find the chair")
    robot.wait(lambda: robot.speed() > 0.1, what="the first plan")
    robot.wait_standing()
    planned = max(t for t, m in robot.heard["plan"] if m.poses)
    assert robot.heard["ground_truth"][-1][0] - planned < 2.5, "it stood before the next plan came"
    # It moves and waits in turn, which nobody is left to find out by looking at it.
    robot.wait(lambda: waiting(robot) > 50.0, what="the share of time without a plan in diagnostics")
    robot.wait(handle.cancel_goal_async().done)
    assert robot.result(handle).outcome == Result.CANCELED
    robot.use_policy("policy_doubles:spin")


def test_a_policy_is_told_what_the_robot_goes_on_with(robot: Any) -> None:
    robot.use_policy("policy_doubles:aware")
    handle = robot.send("find the chair")
    # Plans of 8 rows and 1.6 s, and a look each 0.4 s: 6 rows are ahead, and the next plan comes within one.
    robot.wait(lambda: any(m.thought == "6 rows, 1 behind" for _, m in robot.heard["reasoning"]), what="it")
    assert robot.heard["reasoning"][0][1].thought == "nothing"
    robot.wait(handle.cancel_goal_async().done)
    assert robot.result(handle).outcome == Result.CANCELED
    robot.use_policy("policy_doubles:spin")


def test_deactivating_the_policy_cancels_its_goal(robot: Any) -> None:
    handle = robot.send("find the chair")
    robot.wait_moving()
    robot.change("policy", Transition.TRANSITION_DEACTIVATE)
    result = robot.result(handle)
    assert result.outcome == Result.CANCELED
    assert "deactivated" in result.message
    robot.wait_standing()
    refused = robot.result(robot.send("find the chair"))
    assert refused.outcome == Result.REFUSED
    assert "not active" in refused.message
    robot.change("policy", Transition.TRANSITION_ACTIVATE)


def test_an_inactive_controller_says_zero_then_nothing_and_safety_brakes(robot: Any) -> None:
    handle = robot.send("find the chair")
    robot.wait_moving()
    robot.change("controller", Transition.TRANSITION_DEACTIVATE)
    said = len(robot.heard["cmd_vel_desired"])
    assert zero(robot.heard["cmd_vel_desired"][-1][1])
    robot.wait_standing()
    robot.wait(lambda: robot.last_state().status == SafetyState.BRAKE, what="the safety node to brake")
    assert "/robot/cmd_vel_desired" in robot.last_state().reason
    assert len(robot.heard["cmd_vel_desired"]) == said, "an inactive controller is silent"
    robot.change("controller", Transition.TRANSITION_ACTIVATE)
    robot.wait(handle.cancel_goal_async().done)
    robot.result(handle)


def test_diagnostics_name_ages_rates_and_latencies(robot: Any) -> None:
    def reported() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for _, message in robot.heard["/diagnostics"]:
            for status in message.status:
                found.setdefault(status.name, set()).update(v.key for v in status.values)
        return found

    robot.wait(lambda: len(reported()) == 4, what="a report of each node")
    report = reported()
    assert "age of /robot/image [s]" in report["/robot/policy"]
    assert {"decision p50 [ms]", "decision p95 [ms]", "provider"} <= report["/robot/policy"]
    assert "image to command p50 [ms]" in report["/robot/controller"]
    assert "filter p95 [ms]" in report["/robot/safety"]
    assert "step rate [Hz]" in report["/robot/sim"]


def test_nano_thinks_aloud_and_remembers_from_goal_to_goal(robot: Any, tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    robot.set("policy", "memory_file", str(file))
    robot.use_policy("nano")
    try:
        robot.result(robot.send("find the red chair", time_limit_s=4.0))
        traces = [m for _, m in robot.heard["reasoning"] if m.thinking]
        assert traces and traces[0].thought and traces[0].summary
        assert traces[0].summary in traces[0].memory
        written = [entry.summary for entry in Memory.load(file).entries]
        assert traces[0].summary in written
        robot.heard["reasoning"].clear()
        answer = robot.send("find the bed", time_limit_s=15.0)
        robot.wait(lambda: any(m.thinking for _, m in robot.heard["reasoning"]), what="a thought")
        robot.result(answer)
        later = next(m for _, m in robot.heard["reasoning"] if m.thinking)
        assert written[-1] in later.memory
        answer = robot.send("赤い椅子を探して")
        refused = robot.result(answer)
        assert refused.outcome == Result.REFUSED and "knows none of the words" in refused.message
    finally:
        robot.set("policy", "memory_file", "")


def test_a_policy_without_a_memory_in_words_cannot_be_given_one(robot: Any, tmp_path: Path) -> None:
    robot.set("policy", "memory_file", str(tmp_path / "memory.json"))
    try:
        with pytest.raises(AssertionError):  # configuring fails with a sentence in the log
            robot.use_policy("policy_doubles:arrive")
    finally:
        robot.set("policy", "memory_file", "")
        robot.change("policy", Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
