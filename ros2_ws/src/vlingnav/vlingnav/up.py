"""`vlingnav up`: the robot graph as plain processes, where `ros2 launch` is not installed.

The same nodes, names, remaps and parameter files as `launch/*.launch.py`, from the same table. A node
that dies takes the rest with it; Ctrl-C, SIGTERM and a closed terminal leave a standing robot and no
process behind.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vlingnav import domain, graph
from vlingnav.params import Value
from vlingnav.signals import signals_as_interrupt, signals_ignored
from vlingnav.supervision import Supervisor
from vlingnav_cli import UserError

if TYPE_CHECKING:
    from rclpy.executors import Executor
    from rclpy.node import Node

    from vlingnav.errands import Request

LOG_FORMAT = "[{severity}] {name}: {message}"


def command(placed: graph.Placed, demo: str, values: dict[str, Value]) -> list[str]:
    """The command line that runs one node with the arguments' values."""
    node = placed.node
    words = [sys.executable, "-m", node.module, "--ros-args", "-r", f"__node:={node.name}"]
    if placed.namespace:
        words += ["-r", f"__ns:=/{placed.namespace}"]
    for inside, outside in node.remaps:
        words += ["-r", f"{inside}:={outside}"]
    for file in graph.parameter_files(node, str(values["robot"])):
        words += ["--params-file", str(file)]
    parameters = {
        "use_sim_time": graph.follows_clock(node, demo, values),
        **graph.overrides(node, values),
        **dict(placed.parameters),
    }
    for name, value in parameters.items():
        # YAML quotes keep a text a text: a policy may be called "1".
        words += ["-p", f'{name}:="{value}"' if isinstance(value, str) else f"{name}:={str(value).lower()}"]
    return words


@contextmanager
def running(demo: str, values: dict[str, Value]) -> Iterator[tuple[Node, Executor, Supervisor]]:
    """The graph of `demo`, all nodes ACTIVE, for as long as the context lasts; with a ROS node to use it.

    Raises:
        UserError: no such robot, or the domain is taken.
        ChildEnded, BringUpFailed: a node could not be started.
    """
    if values["robot"] not in graph.robots():
        raise UserError(f"there is no robot {values['robot']!r}; choose one of: {', '.join(graph.robots())}")
    domain.stay_on_this_machine()
    with domain.claimed() as number:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        from vlingnav.lifecycle import bring_up

        simulation, record = bool(values["simulation"]), bool(values["record"])
        nodes = graph.placed(demo, str(values["namespace"]), simulation, record)
        supervisor = Supervisor()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node("up", namespace=str(values["namespace"]))
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            for entry in nodes:
                # By its bare name where that says which one it is.
                name = entry.name if demo in graph.FLEET else entry.node.name
                supervisor.start(
                    name, command(entry, demo, values), {"RCUTILS_CONSOLE_OUTPUT_FORMAT": LOG_FORMAT}
                )
            where = f"ROS domain {number}" + (
                "" if number == 0 else f" (elsewhere: export ROS_DOMAIN_ID={number})"
            )
            robots = f" for each of {graph.FLEET[demo]} robots" if demo in graph.FLEET else ""
            names = dict.fromkeys(entry.node.name for entry in nodes)
            print(f"starting {', '.join(names)}{robots} on {where}", flush=True)
            bring_up(node, executor, [entry.name for entry in nodes], supervisor.check)
            print("all nodes are active", flush=True)
            yield node, executor, supervisor
        finally:
            with signals_ignored():
                supervisor.stop()
                node.destroy_node()
                rclpy.try_shutdown()


def run(args: argparse.Namespace) -> dict[str, Any] | None:
    """Bring a demo up; with goals, go there and end, else stay until Ctrl-C."""
    from vlingnav.lifecycle import wait_until

    given = {a: getattr(args, a.name) for a in graph.ARGUMENTS}
    values = {a.name: graph.default(a, args.demo) if v is None else v for a, v in given.items()}
    goals = _goals(args, values)
    if args.demo not in graph.FLEET and goals:
        values["contains"] = values["contains"] or args.goal[0]
    if not values["simulation"] and not graph.members(args.demo, simulation=False):
        raise UserError(f"demo {args.demo} is nothing but simulation; leave --no-simulation out")
    with (
        signals_as_interrupt(),
        running(args.demo, values) as (node, executor, supervisor),
        _terminal(args.demo, node) as status,
    ):
        if args.demo in graph.FLEET and (goals or (values["missions"] and values["simulation"])):
            from vlingnav.fleet import go_together, missions_of

            missions = goals or missions_of(node, executor, args.time_limit, supervisor.check)
            return go_together(executor, missions, supervisor.check)
        if goals:
            from vlingnav.go import go

            return go(node, executor, next(iter(goals.values())), supervisor.check, status)
        with contextlib.suppress(KeyboardInterrupt):
            print("press Ctrl-C to end", flush=True)
            wait_until(executor, lambda: False, math.inf, supervisor.check)
        return None


def _goals(args: argparse.Namespace, values: dict[str, Value]) -> dict[str, Request]:
    """The goals that `--goal` gives, the first to the first robot and so on, by the robots' namespaces."""
    from vlingnav.errands import Request

    robots = graph.namespaces(args.demo, str(values["namespace"]))
    if args.goal and "policy" not in graph.DEMOS[args.demo]:
        raise UserError(f"--goal needs a demo that goes somewhere, not {args.demo}")
    if len(args.goal) > len(robots):
        raise UserError(f"there are {len(args.goal)} goals for {len(robots)} robots; leave some out")
    return {
        robot: Request(text, time_limit_s=args.time_limit)
        for robot, text in zip(robots, args.goal, strict=False)
    }


@contextmanager
def _terminal(demo: str, node: Node) -> Iterator[Callable[[], str]]:
    """Where a demo has teleop, this terminal is its keyboard; gives what says who has the robot."""
    if "teleop" not in graph.DEMOS[demo]:
        yield str
        return
    from vlingnav.terminal import Terminal

    with Terminal(node) as terminal:
        yield lambda: terminal.status
