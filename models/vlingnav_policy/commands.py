"""`vlingnav bench act` and `vlingnav rollback`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlingnav_cli.arguments import count

ENGINES = ("cpu", "cuda", "onnx-tensorrt", "tensorrt")
"""Those of `vlingnav_policy.engines`, which `--help` need not wait for."""

if TYPE_CHECKING:
    import numpy as np

    from vlingnav_policy import LearnedPolicy


def add_bench_act(parser: argparse.ArgumentParser) -> None:
    """Time one decision of a policy on this machine."""
    parser.add_argument(
        "--policy", default="nano", help="name or folder of an exported model (default: %(default)s)"
    )
    parser.add_argument(
        "--engine", choices=ENGINES, default="cpu", help="what it runs on (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=count, default=2, help="cores one decision may take (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, default=500, help="decisions in an episode, at least 20 (default: %(default)s)"
    )
    parser.add_argument(
        "--episodes", type=count, default=5, help="after one to warm up (default: %(default)s)"
    )
    parser.set_defaults(run=run_bench_act)


def run_bench_act(args: argparse.Namespace) -> dict[str, Any]:
    """Drive the policy with random images along random walks: early and late, with thoughts and without.

    Figures of step N are medians over the ten steps up to N + 5, or up to N for the last one; their memory
    is the largest resident set up to there in the first episode.
    """
    import resource

    import numpy as np

    from vlingnav_cli import UserError
    from vlingnav_policy import ManifestError
    from vlingnav_policy.load import load_exported
    from vlingnav_policy.thinking import ThinkingConfig

    if args.steps < 20:
        raise UserError("--steps must be at least 20")
    try:
        policy = load_exported(args.policy, args.threads, engine=args.engine)
    except ManifestError as error:
        raise UserError(str(error)) from error
    rng = np.random.default_rng(0)
    memory: dict[int, float] = {}

    def note_memory(step: int) -> None:
        memory.setdefault(step, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0)

    policy.thinking = ThinkingConfig("always")
    thoughts = _episode(policy, 10, rng)[2:]
    policy.thinking = ThinkingConfig("never")
    times = np.array([_episode(policy, args.steps, rng, note_memory) for _ in range(1 + args.episodes)])[1:]
    p50, p99 = (float(np.percentile(times, q)) for q in (50, 99))
    early, late = float(np.median(times[:, 5:15])), float(np.median(times[:, -10:]))
    print(
        f"act: median {p50:.1f} ms, p99 {p99:.1f} ms on {args.threads} threads ({policy.provider}); "
        f"step {args.steps} costs {late / early:.2f} x step 10; with a thought {np.median(thoughts):.0f} ms"
    )
    return {
        "p50_ms": p50,
        "p99_ms": p99,
        "p50_ms_step_10": early,
        f"p50_ms_step_{args.steps}": late,
        "rss_mb_step_10": memory[10],
        f"rss_mb_step_{args.steps}": memory[args.steps],
        "p50_ms_thought": float(np.median(thoughts)),
        "steps": args.steps,
        "threads": args.threads,
        "provider": policy.provider,
    }


def _episode(
    policy: LearnedPolicy,
    steps: int,
    rng: np.random.Generator,
    after: Callable[[int], None] = lambda step: None,
) -> list[float]:
    """One episode; how long each decision took [ms]."""
    import time

    import numpy as np

    from vlingnav_policy import Goal, Observation, Odometry

    camera, pose, times = policy.manifest.camera, np.zeros(3), []
    policy.reset(Goal("find the red chair"))
    for step in range(1, steps + 1):
        pose = pose + rng.normal(size=3) * 0.05
        rgb = rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
        observation = Observation(rgb, stamp=0.4 * step, odometry=Odometry(pose, np.zeros(3)))
        begin = time.perf_counter()
        policy.act(observation)
        times.append(1e3 * (time.perf_counter() - begin))
        after(step)
    return times


def add_rollback(parser: argparse.ArgumentParser) -> None:
    """Put the previous version of a policy that learns in use again; once more undoes that."""
    parser.add_argument("versions", type=Path, help="folder of the versions, as of vlingnav train rlif")
    parser.set_defaults(run=run_rollback)


def run_rollback(args: argparse.Namespace) -> dict[str, Any]:
    """Change the link, and say what is in use from the next goal on."""
    from vlingnav_cli import UserError
    from vlingnav_policy.manifest import ManifestError
    from vlingnav_policy.versions import Versions

    try:
        name = Versions(args.versions).roll_back()
    except (OSError, ManifestError) as error:
        raise UserError(str(error)) from error
    print(f"version {name} is in use from the next goal on")
    return {"version": name}
