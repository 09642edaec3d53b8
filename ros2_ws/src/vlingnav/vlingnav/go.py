"""`vlingnav go`: send a goal, watch it, keep what happened.

Ctrl-C cancels the goal and waits until the robot stands still. In simulation the world's own scorer says
whether the policy was right when it said that it was there. Several robots at once: `fleet.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from vlingnav import domain
from vlingnav.errands import Errand, Request, ending, new_folder, pursue
from vlingnav.fleet import go_together, missions_of
from vlingnav.lifecycle import wait_until
from vlingnav.recorder import Recorder
from vlingnav.signals import signals_as_interrupt
from vlingnav.simulation import Scorer, Simulation
from vlingnav_cli import CommandFailed
from vlingnav_interfaces.action import Navigate


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
    errand, recorder = Errand(node, request, status=status), Recorder(node)
    errand.find(executor, check)
    world = Simulation(node, executor, check).world(request.instruction)
    scorer = Scorer(node, executor, check)
    if world is not None:
        scorer.begin(request.instruction)
    wait_until(executor, lambda: bool(recorder.way.poses), 1.0, check)
    recorder.begin()
    (result,), interrupted = pursue([errand], executor, check)
    if not wait_until(executor, recorder.way.standing, 3.0):
        print("warning: the robot does not stand, or its odometry does not come", file=sys.stderr)
    figures: dict[str, Any] = {**ending(request, result), **scorer.end(result)}
    folder = new_folder()
    recorder.write(folder, figures, world)
    figures["folder"] = str(folder)
    _print_summary(figures)
    if interrupted:
        raise KeyboardInterrupt
    if result.outcome != Navigate.Result.ARRIVED or not figures.get("success", True):
        wrong = "the robot stopped in the wrong place"
        raise CommandFailed(wrong if result.outcome == Navigate.Result.ARRIVED else result.message, figures)
    return figures


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
    """Connect to the robots that are up, and go."""
    image = None if args.image is None else Path(args.image)
    robots = {robot: Request(text, args.task, image, args.time_limit) for robot, text in args.instruction}
    domain.stay_on_this_machine()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("go", namespace=args.namespace)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        with signals_as_interrupt():
            if args.missions:
                robots = missions_of(node, executor, args.time_limit)
            if "" in robots:
                return go(node, executor, robots[""])
            return go_together(executor, robots)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
