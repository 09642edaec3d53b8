"""Several robots sent at once, and what comes of it: `vlingnav go robot0="…" robot1="…"`, `up multi_robot`.

Each has its own goal and its own action; nothing here stands between them, and Ctrl-C cancels all. In
simulation, `missions_of` asks the world for an instruction for each of its robots.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import rclpy
from rclpy.executors import Executor
from rclpy.node import Node

from vlingnav.errands import Errand, Request, ending, new_folder, pursue
from vlingnav.fleet_record import FleetRecord
from vlingnav.lifecycle import wait_until
from vlingnav.recorder import verdict
from vlingnav.simulation import Scorer, Simulation
from vlingnav_cli import CommandFailed, UserError

_SIM = "/sim"  # a world that several robots share is in none's namespace


def missions_of(
    node: Node, executor: Executor, time_limit_s: float = 0.0, check: Callable[[], None] = lambda: None
) -> dict[str, Request]:
    """An instruction for each robot of the simulated fleet that is up; see `missions.py`.

    Raises:
        UserError: no fleet is simulated.
    """
    world = Simulation(node, executor, check, _SIM, timeout_s=20.0)
    robots = [name.strip() for name in str(world.parameters.get("robots", "")).split(",") if name.strip()]
    if not robots:
        raise UserError(
            "no simulated fleet is up; start one with `vlingnav up multi_robot --no-missions`, or name the "
            'robots yourself: vlingnav go robot0="find the red chair"'
        )
    return {
        robot: Request(text, time_limit_s=time_limit_s)
        for robot, text in zip(robots, world.missions(len(robots)), strict=True)
    }


def go_together(
    executor: Executor, requests: Mapping[str, Request], check: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Send each robot its goal, see all of them to their ends, and leave runs/<time>/.

    Args:
        executor: spun here.
        requests: the goal of each robot, by its namespace.
        check: called while waiting; raises when there is no point in waiting any longer.

    Returns:
        `robots`, with what `go` returns for each; `arrived`; `collisions` and `closest_m`, the smallest
        distance between two hulls, where there is a simulation; `folder`.

    Raises:
        UserError: a robot is not there.
        CommandFailed: not all of them arrived.
        KeyboardInterrupt: Ctrl-C, once the robots stand.
    """
    nodes = {name: rclpy.create_node("go", namespace=name) for name in requests}
    for node in nodes.values():
        executor.add_node(node)
    try:
        return _together(executor, requests, nodes, check)
    finally:
        for node in nodes.values():
            executor.remove_node(node)
            node.destroy_node()


def _together(
    executor: Executor, requests: Mapping[str, Request], nodes: dict[str, Node], check: Callable[[], None]
) -> dict[str, Any]:
    errands = {name: Errand(nodes[name], request, name) for name, request in requests.items()}
    for errand in errands.values():
        errand.find(executor, check)
    record = FleetRecord(nodes)
    world = Simulation(next(iter(nodes.values())), executor, check, _SIM).world(
        next(iter(requests.values())).instruction
    )
    scorers = {name: Scorer(node, executor, check) for name, node in nodes.items()}
    if world is not None:
        for name, scorer in scorers.items():
            scorer.begin(requests[name].instruction)
    wait_until(executor, record.heard, 3.0, check)
    record.begin()
    for name, request in requests.items():
        print(f"{name}: {request.instruction}", flush=True)
    results, interrupted = pursue(list(errands.values()), executor, check)
    if not wait_until(executor, record.standing, 3.0):
        print("warning: not all robots stand, or their odometry does not come", file=sys.stderr)
    robots = {
        name: {**ending(requests[name], result), **scorers[name].end(result)}
        for name, result in zip(requests, results, strict=True)
    }
    figures: dict[str, Any] = {
        "robots": robots,
        "arrived": sum(
            each["outcome"] == "arrived" and each.get("success", True) for each in robots.values()
        ),
    }
    if world is not None:
        figures["collisions"] = sum(each.get("collisions", 0) for each in robots.values())
        figures["closest_m"] = round(record.closest() - 2.0 * world.radius, 3)
    folder = new_folder()
    figures["folder"] = str(folder)
    _print_summary(figures)
    record.write(folder, figures, None if world is None else replace(world, targets=()))
    print(f"kept in {folder}")
    if interrupted:
        raise KeyboardInterrupt
    if figures["arrived"] < len(robots):
        raise CommandFailed(f"only {figures['arrived']} of {len(robots)} robots arrived", figures)
    if figures.get("collisions"):
        raise CommandFailed(f"all robots arrived, but they collided {figures['collisions']} times", figures)
    return figures


def _print_summary(figures: dict[str, Any]) -> None:
    for name, each in figures["robots"].items():
        touched = f", {each['collisions']} collisions" if "collisions" in each else ""
        print(
            f"{name}: {each['instruction']}: {verdict(each)}, {each['elapsed_s']:.1f} s, "
            f"{each['path_length_m']:.1f} m{touched}"
        )
    if "closest_m" in figures and len(figures["robots"]) > 1:
        print(f"the two that came closest to each other were {figures['closest_m']:.2f} m apart")
