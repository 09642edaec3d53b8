"""`vlingnav bench qp`, `vlingnav bench filter` and `vlingnav eval-safety`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlingnav_safety.multi.evaluate import Method, Outcome
    from vlingnav_safety.multi.tuner import Tuner


def add_bench_qp(parser: argparse.ArgumentParser) -> None:
    """Time the projection against general solvers, microseconds per robot."""
    parser.add_argument("--batch", type=int, default=1000, help="robots in a batch (default: %(default)s)")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[5, 10, 20, 50], help="constraints (default: 5 10 20 50)"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="turns of each solver, the best counts (default: %(default)s)"
    )
    parser.set_defaults(run=run_bench_qp)


def run_bench_qp(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print a table, return its figures."""
    from vlingnav_safety.bench import bench_qp

    figures: dict[str, Any] = bench_qp(args.batch, tuple(args.rows), args.rounds)
    print(f"us per robot, batches of {args.batch}" + "".join(f"{m:>9} rows" for m in args.rows))
    for name, row in figures["us_per_agent"].items():
        worst = max(figures["error"][name].values())
        print(f"{name:<30}" + "".join(f"{row[str(m)]:14.3f}" for m in args.rows) + f"   error {worst:.0e}")
    print(f"{'fastest other / ours':<30}" + "".join(f"{figures['ratio'][str(m)]:13.0f}x" for m in args.rows))
    for name in figures["absent"]:
        print(f"{name} is not installed: pip install {name}")
    return figures


def add_bench_filter(parser: argparse.ArgumentParser) -> None:
    """Time the robot's whole filter, from lidar scan and neighbours to command."""
    parser.add_argument("--calls", type=int, default=5000, help="calls timed (default: %(default)s)")
    parser.add_argument("--hits", type=int, default=360, help="readings in a scan (default: %(default)s)")
    parser.add_argument("--neighbours", type=int, default=4, help="robots near by (default: %(default)s)")
    parser.set_defaults(run=run_bench_filter)


def run_bench_filter(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print a line, return its figures."""
    from vlingnav_safety.bench import bench_filter

    figures: dict[str, Any] = dict(bench_filter(args.calls, args.hits, args.neighbours))
    print(
        f"filter: median {figures['p50_ms']:.2f} ms, p99 {figures['p99_ms']:.2f} ms of one core "
        f"for {args.hits} hits and {args.neighbours} neighbours"
    )
    return figures


def add_eval_safety(parser: argparse.ArgumentParser) -> None:
    """Let many robots drive under one filter, and count who arrives and who collides."""
    parser.add_argument(
        "--world", choices=["single", "double", "dubins"], default="single", help="how the robots move"
    )
    parser.add_argument("--agents", type=int, default=32, help="robots in a world (default: %(default)s)")
    parser.add_argument("--obstacles", type=int, default=0, help="rectangles (default: %(default)s)")
    parser.add_argument(
        "--area", type=float, default=4.0, help="side of the square in metres (default: %(default)s)"
    )
    parser.add_argument(
        "--travel",
        type=float,
        default=float("inf"),
        help="most metres from start to goal (default: no limit)",
    )
    parser.add_argument(
        "--scene",
        choices=["door", "crossing", "swap"],
        help="instead of random worlds: one in which robots must give way, with its own number of robots",
    )
    parser.add_argument("--seeds", type=int, default=20, help="worlds (default: %(default)s)")
    parser.add_argument(
        "--first-seed", type=int, default=10_000, help="tuning used those below 1000 (default: %(default)s)"
    )
    parser.add_argument(
        "--filter",
        choices=["online", "exact", "fixed", "orca", "none"],
        default="online",
        help="online: ours, tuned at every step, with ways out of deadlocks; exact: ours with fixed gains "
        "and nothing else; fixed: the barrier filter of gcbfplus with fixed gains; orca: RVO2",
    )
    parser.add_argument(
        "--gains", type=float, nargs="+", help="of exact and fixed [1/s] (default: 0.5 1 5, and 33 for exact)"
    )
    parser.add_argument(
        "--tuner",
        default="rule",
        help="of online: rule, written by hand; fixed, gains as large as they may be; or the folder of a "
        "learned one, which vlingnav train-safety writes (default: %(default)s)",
    )
    parser.add_argument("--no-detour", action="store_true", help="online without ways out of deadlocks")
    parser.add_argument(
        "--hurry",
        choices=["never", "late", "always"],
        default="late",
        help="when online asks for more speed than gcbfplus' controllers do (default: %(default)s)",
    )
    parser.set_defaults(run=lambda args: run_eval_safety(args, parser))


def run_eval_safety(args: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Play the worlds, print rates, return figures; with several gains, those of the best one and of each."""
    from dataclasses import replace

    from vlingnav_safety.multi.evaluate import run
    from vlingnav_safety.multi.scenarios import SCENARIOS
    from vlingnav_safety.multi.worlds import WORLDS, generate

    seeds = list(range(args.first_seed, args.first_seed + args.seeds))
    config = WORLDS[args.world]
    if args.scene:
        config, scenes = SCENARIOS[args.scene](config, seeds)
    else:
        config = replace(
            config, robots=args.agents, obstacles=args.obstacles, area=args.area, travel=args.travel
        )
        try:
            scenes = generate(config, seeds)
        except RuntimeError as error:
            parser.error(str(error))
    outcomes: dict[str, Outcome] = {}
    try:
        methods = _methods(args)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    for name, method in methods.items():
        try:
            outcomes[name] = run(config, scenes, method, _bar(name))
        except ImportError as error:
            parser.error(f"--filter orca needs {error.name}, which is not installed; run: pip install pyrvo")
        _print(name, outcomes[name].figures())
    figures = {name: outcome.figures() for name, outcome in outcomes.items()}
    best = max(figures, key=lambda name: float(figures[name]["success_rate"]))
    if len(outcomes) == 1:
        return figures[best]
    per_scene = _best_per_scene(list(outcomes.values()))
    _print("best gain of each scene", per_scene)
    return figures[best] | {"best": best, "each": figures, "best_per_scene": per_scene}


def _methods(args: argparse.Namespace) -> dict[str, Method]:
    """What is to be run, by the name to print."""
    from vlingnav_safety.multi.baselines import FIXED_GAINS
    from vlingnav_safety.multi.evaluate import Fixed, Free, Online, Reciprocal
    from vlingnav_safety.multi.tuner import FixedTuner

    if args.filter == "online":
        return {"online": Online(_tuner(args.tuner), detour=not args.no_detour, hurry=args.hurry)}
    if args.filter == "exact":
        gains = args.gains or [*FIXED_GAINS, 100.0 / 3.0]
        return {f"exact, gain {g:.3g}": Online(FixedTuner(g), detour=False, hurry="never") for g in gains}
    if args.filter == "fixed":
        return {f"fixed, gain {g:.3g}": Fixed(g) for g in args.gains or FIXED_GAINS}
    return {args.filter: Reciprocal() if args.filter == "orca" else Free()}


def _tuner(name: str) -> Tuner:
    """A tuner by its name, or that in a folder."""
    from pathlib import Path

    from vlingnav_safety.multi.learned import LearnedTuner
    from vlingnav_safety.multi.tuner import FixedTuner, RuleTuner

    if name == "rule":
        return RuleTuner()
    return FixedTuner() if name == "fixed" else LearnedTuner(Path(name))


def _best_per_scene(outcomes: list[Outcome]) -> dict[str, Any]:
    """Rates of whoever picks, for each world, the gain under which most robots arrive unhurt."""
    import numpy as np

    from vlingnav_safety.multi.evaluate import Outcome

    success = np.stack([(outcome.safe & outcome.finished).mean(axis=1) for outcome in outcomes])
    chosen, world = success.argmax(axis=0), np.arange(success.shape[1])
    safe = np.stack([outcome.safe for outcome in outcomes])[chosen, world]
    arrival = np.stack([outcome.arrival for outcome in outcomes])[chosen, world]
    spent = [sum(getattr(o, name) for o in outcomes) for name in ("seconds", "world_seconds", "agent_steps")]
    return Outcome(safe, arrival, outcomes[0].limit, *spent).figures()


def _print(name: str, figures: dict[str, Any]) -> None:
    low, high = figures["ci95"]
    print(
        f"{name:<24} safe {100 * figures['safe_rate']:6.2f} %  "
        f"finished {100 * figures['finish_rate']:6.2f} % in {figures['mean_time_s']:.2f} s  "
        f"success {100 * figures['success_rate']:6.2f} % [{100 * low:.1f}, {100 * high:.1f}]  "
        f"{figures['us_per_agent_step']:.2f} us per robot and step, "
        f"{figures['world_us_per_agent_step']:.2f} for its world"
    )


def _bar(name: str) -> Any:
    """Show the part that is done, where there is somebody to see it."""
    if not sys.stderr.isatty():
        return None

    def show(part: float) -> None:
        done = round(30 * part)
        end = "\r" + 60 * " " + "\r" if part >= 1.0 else ""
        print(f"\r{name:<24} [{done * '='}{(30 - done) * ' '}]{end}", end="", file=sys.stderr, flush=True)

    return show
