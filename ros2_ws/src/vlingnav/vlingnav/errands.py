"""Goals that are sent to robots and seen to their end, one or several at once.

Ctrl-C cancels all of them and waits for their results.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.executors import Executor
from rclpy.node import Node

from vlingnav import convert, topics
from vlingnav.lifecycle import wait_until
from vlingnav_cli import CommandFailed, UserError
from vlingnav_interfaces.action import Navigate

OUTCOMES = {
    Navigate.Result.ARRIVED: "arrived",
    Navigate.Result.TIMED_OUT: "timed out",
    Navigate.Result.CANCELED: "canceled",
    Navigate.Result.PREEMPTED: "preempted",
    Navigate.Result.SENSOR_LOST: "sensor lost",
    Navigate.Result.REFUSED: "refused",
    Navigate.Result.FAILED: "failed",
}


@dataclass(frozen=True)
class Request:
    """What is asked of the robot; a time limit of 0 is the policy node's default."""

    instruction: str
    task: str = "object"
    image: Path | None = None
    time_limit_s: float = 0.0


class Progress:
    """One live line on a terminal; elsewhere, and for one of several robots, a line every five seconds.

    Args:
        robot: which of several it is; "" for the only one.
        status: what each line begins with, where it says anything.
    """

    def __init__(self, robot: str, status: Callable[[], str]) -> None:
        self._live = sys.stdout.isatty() and not robot
        self._robot = f"{robot}  " if robot else ""
        self._status = status
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
        before = f"{status} | " if (status := self._status()) else self._robot
        text = f"{before}{f.elapsed_s:6.1f} s {f.path_length_m:6.1f} m  {words}"
        print(f"\r\033[K{text[:110]}" if self._live else text, end="" if self._live else "\n", flush=True)

    def end(self) -> None:
        """Leave the live line."""
        if self._live:
            print()


class Errand:
    """One goal for one robot.

    Args:
        node: in the robot's namespace.
        request: the goal.
        robot: which of several it is; "" for the only one.
        status: what lines of progress begin with, where it says anything.

    Raises:
        UserError: the goal image cannot be read.
    """

    def __init__(
        self, node: Node, request: Request, robot: str = "", status: Callable[[], str] = str
    ) -> None:
        self.request = request
        self._node, self._goal, self._progress = node, _goal(request), Progress(robot, status)
        self._client = ActionClient(node, topics.NAVIGATE[1], topics.NAVIGATE[0])
        self._handle: ClientGoalHandle | None = None
        self._answer: Any = None

    def find(self, executor: Executor, check: Callable[[], None]) -> None:
        """Wait until the robot is there; raises UserError when it is not within five seconds."""
        if not wait_until(executor, self._client.server_is_ready, 5.0, check):
            raise UserError(
                f"no robot answers on {self._node.resolve_topic_name(topics.NAVIGATE[0])}; start one with "
                "`vlingnav up navigate`, and use the same --namespace and ROS_DOMAIN_ID"
            )

    def send(self, executor: Executor, check: Callable[[], None]) -> None:
        """Send the goal; raises CommandFailed when it is not taken on."""
        sent = self._client.send_goal_async(self._goal, feedback_callback=self._progress.show)
        if not wait_until(executor, sent.done, 10.0, check):
            raise CommandFailed("the policy node does not answer")
        handle: ClientGoalHandle = sent.result()
        if not handle.accepted:
            raise CommandFailed("the policy node rejected the goal")
        self._handle, self._answer = handle, handle.get_result_async()

    def done(self) -> bool:
        """Whether it has ended, or was never begun."""
        return self._answer is None or self._answer.done()

    def cancel(self) -> None:
        """Ask for its end."""
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def result(self) -> Navigate.Result:
        """How it ended."""
        self._progress.end()
        if self._answer is None:
            return Navigate.Result(outcome=Navigate.Result.CANCELED, message="it was never sent")
        return self._answer.result().result


def pursue(
    errands: Sequence[Errand], executor: Executor, check: Callable[[], None]
) -> tuple[list[Navigate.Result], bool]:
    """Send all goals and wait for all ends; their results, and whether it was interrupted."""

    def all_done() -> bool:
        return all(errand.done() for errand in errands)

    interrupted = False
    try:
        for errand in errands:
            errand.send(executor, check)
        wait_until(executor, all_done, math.inf, check)
    except KeyboardInterrupt:
        interrupted = True
        for errand in errands:
            errand.cancel()
        if not wait_until(executor, all_done, 5.0, check):
            raise CommandFailed("the policy node does not answer the cancellation") from None
    return [errand.result() for errand in errands], interrupted


def ending(request: Request, result: Navigate.Result) -> dict[str, Any]:
    """What was asked and what came of it."""
    return {
        "instruction": request.instruction,
        "outcome": OUTCOMES[result.outcome],
        "message": result.message,
        "elapsed_s": round(result.elapsed_s, 3),
        "path_length_m": round(result.path_length_m, 3),
    }


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


def new_folder() -> Path:
    """A folder runs/<time> that does not exist yet."""
    name = time.strftime("%Y-%m-%d_%H-%M-%S")
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}_{number}"
    return folder
