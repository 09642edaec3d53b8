"""`vlingnav go`: send a goal, watch it, keep what happened.

Ctrl-C cancels the goal and waits until the robot stands still. In simulation the world's own scorer says
whether the policy was right when it said that it was there.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from vlingnav import convert, domain, topics
from vlingnav.lifecycle import wait_until
from vlingnav.recorder import Recorder, World
from vlingnav.signals import signals_as_interrupt
from vlingnav_cli import CommandFailed, UserError
from vlingnav_interfaces.action import Navigate
from vlingnav_interfaces.srv import Score

OUTCOMES = {
    Navigate.Result.ARRIVED: "arrived",
    Navigate.Result.TIMED_OUT: "timed out",
    Navigate.Result.CANCELED: "canceled",
    Navigate.Result.PREEMPTED: "preempted",
    Navigate.Result.SENSOR_LOST: "sensor lost",
    Navigate.Result.REFUSED: "refused",
    Navigate.Result.FAILED: "failed",
}
SCORES = ("success", "spl", "soft_spl", "distance_to_goal_m", "shortest_path_m", "collisions")


@dataclass(frozen=True)
class Request:
    """What is asked of the robot; a time limit of 0 is the policy node's default."""

    instruction: str
    task: str = "object"
    image: Path | None = None
    time_limit_s: float = 0.0


class Progress:
    """One live line on a terminal; elsewhere a line every five seconds.

    Args:
        status: what each line begins with, where it says anything.
    """

    def __init__(self, status: Callable[[], str]) -> None:
        self._status = status
        self._live = sys.stdout.isatty()
        self._last = -math.inf

    def show(self, message: Any) -> None:
        """Take feedback of the action."""
        f = message.feedback
        if not self._live and f.elapsed_s - self._last < 5.0:
            return
        self._last = f.elapsed_s
        words = f.thought or f.summary
        if not words and not math.isnan(f.distance_to_stop_m):
            words = f"target seen, {f.distance_to_stop_m:.1f} m away"
        status = f"{before} | " if (before := self._status()) else ""
        text = f"{status}{f.elapsed_s:6.1f} s {f.path_length_m:6.1f} m  {words}"
        print(f"\r\033[K{text[:110]}" if self._live else text, end="" if self._live else "\n", flush=True)

    def end(self) -> None:
        """Leave the live line."""
        if self._live:
            print()


def go(
    node: Node,
    executor: Executor,
    request: Request,
    check: Callable[[], None] = lambda: None,
    status: Callable[[], str] = str,
) -> dict[str, Any]:
    """Send a goal and see it to its end.

    Args:
        node: in the robot's namespace and in `executor`.
        executor: spun here.
        request: the goal.
        check: called while waiting; raises when there is no point in waiting any longer.
        status: what the lines that show progress begin with.

    Returns:
        Figures of a goal that was reached: outcome, message, elapsed_s, path_length_m, folder, and the
        scores where there is a scorer.

    Raises:
        UserError: there is no robot, or the image cannot be read.
        CommandFailed: any other outcome.
        KeyboardInterrupt: Ctrl-C, once the robot stands.
    """
    goal = _goal(request)
    client = ActionClient(node, topics.NAVIGATE[1], topics.NAVIGATE[0])
    recorder = Recorder(node)
    if not wait_until(executor, client.server_is_ready, 5.0, check):
        raise UserError(
            f"no robot answers on {node.resolve_topic_name(topics.NAVIGATE[0])}; start one with "
            "`vlingnav up navigate`, and use the same --namespace and ROS_DOMAIN_ID"
        )
    scorer = _Scorer(node, executor, check)
    world = scorer.begin(request.instruction)
    wait_until(executor, lambda: bool(recorder.poses), 1.0, check)
    recorder.begin()
    result, interrupted = _pursue(client, goal, executor, check, Progress(status))
    if not wait_until(executor, recorder.standing, 3.0):
        print("warning: the robot does not stand, or its odometry does not come", file=sys.stderr)
    arrived = result.outcome == Navigate.Result.ARRIVED
    figures: dict[str, Any] = {
        "instruction": request.instruction,
        "outcome": OUTCOMES[result.outcome],
        "message": result.message,
        "elapsed_s": round(result.elapsed_s, 3),
        "path_length_m": round(result.path_length_m, 3),
        **scorer.end(arrived),
    }
    folder = _new_folder()
    recorder.write(folder, figures, world)
    figures["folder"] = str(folder)
    _print_summary(figures)
    if interrupted:
        raise KeyboardInterrupt
    if not arrived or not figures.get("success", True):
        raise CommandFailed(
            result.message if not arrived else "the robot stopped in the wrong place", figures
        )
    return figures


def _goal(request: Request) -> Navigate.Goal:
    goal = Navigate.Goal(
        instruction=request.instruction, task=request.task, time_limit_s=request.time_limit_s
    )
    if request.image is not None:
        try:
            goal.image = convert.encode(request.image.read_bytes())
        except OSError as error:
            raise UserError(f"cannot read the goal image {request.image}: {error.strerror}") from error
    return goal


def _pursue(
    client: ActionClient,
    goal: Navigate.Goal,
    executor: Executor,
    check: Callable[[], None],
    progress: Progress,
) -> tuple[Navigate.Result, bool]:
    """The goal's result, and whether it was interrupted."""
    sent = client.send_goal_async(goal, feedback_callback=progress.show)
    if not wait_until(executor, sent.done, 10.0, check):
        raise CommandFailed("the policy node does not answer")
    handle: ClientGoalHandle = sent.result()
    if not handle.accepted:
        raise CommandFailed("the policy node rejected the goal")
    answer = handle.get_result_async()
    interrupted = False
    try:
        wait_until(executor, answer.done, math.inf, check)
    except KeyboardInterrupt:
        interrupted = True
        handle.cancel_goal_async()
        if not wait_until(executor, answer.done, 5.0, check):
            raise CommandFailed("the policy node does not answer the cancellation") from None
    progress.end()
    return answer.result().result, interrupted


class _Scorer:
    """The simulated world's verdict; does nothing where there is no simulation."""

    def __init__(self, node: Node, executor: Executor, check: Callable[[], None]) -> None:
        self._executor, self._check = executor, check
        self._score = node.create_client(topics.SCORE[1], topics.SCORE[0])
        self._parameters = node.create_client(GetParameters, "sim/get_parameters")
        self._begun = False
        self._simulated = wait_until(
            executor,
            lambda: self._score.service_is_ready() and self._parameters.service_is_ready(),
            3.0,
            check,
        )

    def begin(self, instruction: str) -> World | None:
        """Begin an episode; the world it is in, where there is one."""
        if not self._simulated:
            return None
        answer = self._call(self._score, Score.Request(instruction=instruction, begin=True))
        self._begun = answer is not None and answer.ok
        if answer is not None and answer.message:
            print(f"note: {answer.message}")
        names = ["house", "max_rooms", "contains", "robot"]
        values = self._call(self._parameters, GetParameters.Request(names=names))
        if values is None:
            return None
        house, rooms, contains, robot = values.values
        return World.of(
            house.integer_value, rooms.integer_value, contains.string_value, robot.string_value, instruction
        )

    def end(self, arrived: bool) -> dict[str, Any]:
        """The scores; a robot that did not itself say "there" has not succeeded, wherever it stands."""
        if (
            not self._begun
            or (answer := self._call(self._score, Score.Request(begin=False))) is None
            or not answer.ok
        ):
            return {}
        scores = {name: getattr(answer, name) for name in SCORES}
        if not arrived:
            scores.update(success=False, spl=0.0)
        return {
            name: round(value, 4) if isinstance(value, float) else value for name, value in scores.items()
        }

    def _call(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        return future.result() if wait_until(self._executor, future.done, 5.0, self._check) else None


def _new_folder() -> Path:
    """A folder runs/<time> that does not exist yet."""
    name = time.strftime("%Y-%m-%d_%H-%M-%S")
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}_{number}"
    return folder


def _print_summary(figures: dict[str, Any]) -> None:
    way = f"{figures['elapsed_s']:.1f} s, {figures['path_length_m']:.1f} m"
    print(f"{figures['outcome']} after {way}: {figures['message']}")
    if "success" in figures:
        verdict = "the target is found" if figures["success"] else "the target is not found"
        print(
            f"{verdict}: {figures['distance_to_goal_m']:.1f} m left to go, SPL {figures['spl']:.2f}, "
            f"{figures['collisions']} collisions; the shortest way was {figures['shortest_path_m']:.1f} m"
        )
    print(f"kept in {figures['folder']}")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Connect to a robot that is up, and go."""
    domain.stay_on_this_machine()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("go", namespace=args.namespace)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    image = None if args.image is None else Path(args.image)
    try:
        with signals_as_interrupt():
            return go(node, executor, Request(args.instruction, args.task, image, args.time_limit))
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
