"""The subcommands of this room; light to import, whatever they need is imported when they run."""

from __future__ import annotations

import argparse
import re

from vlingnav import graph
from vlingnav.params import Value
from vlingnav_cli.arguments import count
from vlingnav_policy.types import TASKS


def add_up(parser: argparse.ArgumentParser) -> None:
    """Start the robot graph, in simulation or on a robot; with --goal, go there and end."""
    parser.add_argument("demo", choices=sorted(graph.DEMOS), help="which graph")
    for argument in graph.ARGUMENTS:
        _add_graph_argument(parser, argument, None)  # a demo may have another default
    parser.add_argument(
        "--goal",
        action="append",
        default=[],
        metavar="TEXT",
        help='what to find, e.g. "find the red chair"; ends with its outcome; again: for the next robot',
    )
    parser.add_argument(
        "--time-limit", type=float, default=0.0, metavar="S", help="give up the goal then [s]"
    )
    parser.set_defaults(run=_run_up)


def add_go(parser: argparse.ArgumentParser) -> None:
    """Tell the robot where to go and watch it, or several at once; Ctrl-C stops them."""
    parser.add_argument(
        "instruction",
        type=_instruction,
        nargs="*",
        help='plain language, e.g. "find the red chair"; for several robots robot0="find …" robot1="find …"',
    )
    parser.add_argument(
        "--missions", action="store_true", help="tell each robot of the simulated fleet that is up what to do"
    )
    parser.add_argument("--task", choices=TASKS, default="object", help="kind of task (default: object)")
    parser.add_argument("--image", metavar="FILE", help="JPEG or PNG of the goal")
    parser.add_argument("--time-limit", type=float, default=0.0, metavar="S", help="give up then [s]")
    parser.add_argument("--namespace", default="robot", help="namespace of the robot (default: robot)")
    parser.set_defaults(run=_run_go, parser=parser)


def add_drive(parser: argparse.ArgumentParser) -> None:
    """Take a robot by the keys of this terminal, and give it back; it must run teleop."""
    parser.add_argument("--namespace", default="robot", help="namespace of the robot (default: robot)")
    parser.set_defaults(run=_run_drive)


def add_bench_loop(parser: argparse.ArgumentParser) -> None:
    """Measure image to cmd_vel through the whole simulated graph, over DDS."""
    for name in ("robot", "house", "max_rooms", "policy"):
        argument = next(a for a in graph.ARGUMENTS if a.name == name)
        _add_graph_argument(parser, argument, argument.default)
    parser.add_argument(
        "--goal", default="find the chair", metavar="TEXT", help="what keeps the policy at work"
    )
    parser.add_argument(
        "--samples", type=count, default=100, metavar="N", help="images to follow (default: 100)"
    )
    parser.set_defaults(run=_run_bench_loop)


def _add_graph_argument(
    parser: argparse.ArgumentParser, argument: graph.Argument, default: Value | None
) -> None:
    option = f"--{argument.name.replace('_', '-')}"
    if isinstance(argument.default, bool):
        flag = argparse.BooleanOptionalAction
        parser.add_argument(option, action=flag, default=default, help=argument.description)
    else:
        demos = {demo: graph.default(argument, demo) for demo in graph.DEMOS}
        others = [f"{value} for {demo}" for demo, value in demos.items() if value != argument.default]
        text = f"{argument.description} (default: {', '.join([str(argument.default), *others])})"
        parser.add_argument(option, type=type(argument.default), default=default, help=text, metavar="X")


def _instruction(text: str) -> tuple[str, str]:
    """Robot and instruction of `robot0=find the red chair`; "" for the robot that --namespace names."""
    robot, instruction = match.groups() if (match := re.fullmatch(r"([\w/]+)=(.*)", text)) else ("", text)
    if not instruction.strip():
        raise argparse.ArgumentTypeError('it is empty; say what to do, e.g. "find the red chair"')
    return robot.strip("/"), instruction


def _run_up(args: argparse.Namespace) -> dict | None:
    from vlingnav.up import run

    return run(args)


def _run_go(args: argparse.Namespace) -> dict | None:
    robots = [robot for robot, _ in args.instruction]
    if args.missions == bool(robots) or len(set(robots)) < len(robots) or ("" in robots and len(robots) > 1):
        args.parser.error('give one instruction, one for each robot as in robot0="find …", or --missions')
    from vlingnav.go import run

    return run(args)


def _run_drive(args: argparse.Namespace) -> None:
    from vlingnav.terminal import run

    run(args)


def _run_bench_loop(args: argparse.Namespace) -> dict | None:
    from vlingnav.bench import run

    return run(args)
