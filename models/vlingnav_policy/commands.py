"""`vlingnav bench act`."""

from __future__ import annotations

import argparse
from typing import Any


def add_bench_act(parser: argparse.ArgumentParser) -> None:
    """Time one decision of a policy on this machine."""
    parser.add_argument(
        "--policy", default="nano", help="name or folder of an exported model (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="cores one decision may take (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, default=300, help="decisions timed, after 20 to warm up (default: %(default)s)"
    )
    parser.set_defaults(run=run_bench_act)


def run_bench_act(args: argparse.Namespace) -> dict[str, Any]:
    """Drive the policy with random images along a random walk; the memory is full after the first minute."""
    import time

    import numpy as np

    from vlingnav_cli import UserError
    from vlingnav_policy import Goal, ManifestError, Observation, Odometry, load_policy

    try:
        policy = load_policy(args.policy, args.threads)
    except ManifestError as error:
        raise UserError(str(error)) from error
    rng = np.random.default_rng(0)
    camera = policy.manifest.camera
    pose, times = np.zeros(3), []
    policy.reset(Goal("find the red chair"))
    for step in range(20 + args.steps):
        pose = pose + rng.normal(size=3) * 0.05
        rgb = rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
        observation = Observation(rgb, stamp=0.4 * step, odometry=Odometry(pose, np.zeros(3)))
        begin = time.perf_counter()
        policy.act(observation)
        times.append(1e3 * (time.perf_counter() - begin))
    timed = times[20:]
    p50, p99 = (float(np.percentile(timed, q)) for q in (50, 99))
    print(f"act: median {p50:.1f} ms, p99 {p99:.1f} ms on {args.threads} threads ({policy.provider})")
    return {
        "p50_ms": p50,
        "p99_ms": p99,
        "steps": len(timed),
        "threads": args.threads,
        "provider": policy.provider,
    }
