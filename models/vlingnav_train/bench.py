"""`vlingnav bench inference`: one decision on every engine and in every precision, in the same run.

All policies decide about the same images, in turns, so that whatever else the machine does slows down all of
them. Torch runs the policy as it was trained, without an export; where it is missing that is said.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlingnav_cli.arguments import count
from vlingnav_policy.commands import ENGINES

if TYPE_CHECKING:
    from vlingnav_policy import LearnedPolicy, Observation

ROUNDS = 20
"""Decisions of each robot between two looks at the clock, where robots are many."""


def add_bench_inference(parser: argparse.ArgumentParser) -> None:
    """Time a policy on every engine and in every precision, beside torch, and many robots on one engine."""
    parser.add_argument(
        "--policy", action="append",
        help="name or folder of an exported model, of another precision perhaps; may be given again; the "
        "first is compared with torch and serves many robots (default: nano)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", action="append", choices=ENGINES, help="may be given again (default: cpu)"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="nano.pt for torch (default: the one beside the first model)"
    )
    parser.add_argument(
        "--threads", type=count, default=2, help="cores one decision may take (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=count, default=500, help="decisions, at least 20 (default: %(default)s)"
    )
    parser.add_argument("--robots", type=count, default=8, help="that share an engine (default: %(default)s)")
    parser.set_defaults(run=run_bench_inference)


def run_bench_inference(args: argparse.Namespace) -> dict[str, Any]:
    """Print and return medians and 99th percentiles, and ratios of medians."""
    import numpy as np

    from vlingnav_cli import UserError
    from vlingnav_policy import ManifestError
    from vlingnav_policy.engines import EngineError
    from vlingnav_policy.engines.batching import BatchConfig
    from vlingnav_policy.load import load_exported

    if args.steps < 20:
        raise UserError("--steps must be at least 20")
    names, engines = args.policy or ["nano"], args.engine or ["cpu"]
    policies: dict[str, LearnedPolicy] = {}
    skipped: dict[str, str] = {}
    try:
        for name in names:
            for engine in engines:
                try:
                    policy = load_exported(name, args.threads, engine=engine)
                    policies[f"{Path(name).name} {policy.manifest.precision} on {engine}"] = policy
                except EngineError as error:
                    skipped[f"{Path(name).name} on {engine}"] = str(error)
        if not policies:
            raise UserError(next(iter(skipped.values())))
        first = next(iter(policies))
        shared = load_exported(
            names[0], args.threads, engine=first.rpartition(" ")[2], batching=BatchConfig(largest=args.robots)
        )
    except ManifestError as error:
        raise UserError(str(error)) from error
    add_torch(policies, skipped, args, policies[first])
    times = time_decisions(policies, args.steps, skipped)
    medians = {label: float(np.median(values)) for label, values in times.items()}
    figures: dict[str, Any] = {
        "engines": {
            label: {
                "p50_ms": medians[label],
                "p99_ms": float(np.percentile(values, 99)),
                "provider": policies[label].provider,
            }
            for label, values in times.items()
        },
        "skipped": skipped,
        "machine": machine(),
        "threads": args.threads,
        "steps": args.steps,
        f"step{args.steps}_over_step10": float(np.median(times[first][-10:]) / np.median(times[first][5:15])),
        **{
            f"speedup_vs_{name}": medians[label] / medians[first]
            for name, label in (("eager", "torch eager"), ("compile", "torch.compile"))
            if label in medians
        },
        **time_robots(policies[first], shared, args.robots),
    }
    for label, figure in figures["engines"].items():
        print(f"{label}: median {figure['p50_ms']:.1f} ms, p99 {figure['p99_ms']:.1f} ms")
    for label, reason in skipped.items():
        print(f"{label}: skipped, {reason}")
    print(", ".join(f"{name} {value:.2f}" for name, value in figures.items() if isinstance(value, float)))
    return figures


def add_torch(
    policies: dict[str, LearnedPolicy],
    skipped: dict[str, str],
    args: argparse.Namespace,
    model: LearnedPolicy,
) -> None:
    """Add the networks that `model` was exported from, as they are and compiled; or why not."""
    from vlingnav_policy.load import CHECKPOINTS
    from vlingnav_policy.nano import NanoPolicy

    name = (args.policy or ["nano"])[0]
    beside = [folder / name / "nano.pt" for folder in (CHECKPOINTS, Path())]
    file = args.checkpoint or next((path for path in beside if path.is_file()), beside[-1])
    try:
        import torch

        from vlingnav_train.checkpoint import Nano
        from vlingnav_train.torch_engine import torch_engines

        nano = Nano.load(file)
    except (ImportError, OSError, ValueError) as error:
        skipped["torch"] = f"it cannot be compared with: {error}"
        return
    torch.set_num_threads(args.threads)
    policies["torch eager"] = NanoPolicy(model.manifest, torch_engines(nano))
    policies["torch.compile"] = NanoPolicy(model.manifest, torch_engines(nano, compiled=True))


def time_decisions(
    policies: Mapping[str, LearnedPolicy], steps: int, skipped: dict[str, str]
) -> dict[str, list[float]]:
    """How long each decision took each policy [ms]; they take turns, and so does who begins."""
    from time import perf_counter

    import numpy as np

    times: dict[str, list[float]] = {}
    rng = np.random.default_rng(0)
    for label, policy in policies.items():
        try:
            _start(policy)
            policy.act(_look(policy, 0, rng))  # compiles, and allocates
            _start(policy)
            times[label] = []
        except Exception as error:  # torch.compile needs a C++ compiler, and says so in many ways
            skipped[label] = f"{type(error).__name__}: {error}".splitlines()[0]
    for step in range(steps):
        labels = list(times)
        labels = labels[step % len(labels) :] + labels[: step % len(labels)]
        observation = _look(policies[labels[0]], step, rng)
        for label in labels:
            begin = perf_counter()
            policies[label].act(observation)
            times[label].append(1e3 * (perf_counter() - begin))
    return times


def machine() -> dict[str, Any]:
    """What the times are times of."""
    import os
    import platform

    import onnxruntime

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "onnxruntime": onnxruntime.__version__,
    }


def time_robots(alone: LearnedPolicy, shared: LearnedPolicy, robots: int) -> dict[str, float]:
    """Decisions a second of many robots on one engine, over those of as many calls one after the other.

    And the 99th percentile [ms] of what a robot waits for a decision, when all ask at once.
    """
    from concurrent.futures import ThreadPoolExecutor
    from time import perf_counter

    import numpy as np

    rng = np.random.default_rng(1)
    looks = [[_look(alone, step, rng) for step in range(ROUNDS)] for _ in range(robots)]

    def drive(pair: tuple[LearnedPolicy, list[Observation]]) -> list[float]:
        waits = []
        for observation in pair[1]:
            begin = perf_counter()
            pair[0].act(observation)
            waits.append(1e3 * (perf_counter() - begin))
        return waits

    def timed(policy: LearnedPolicy, run: Callable[..., Iterator[list[float]]]) -> tuple[float, list[float]]:
        crowd = [policy.another() for _ in range(robots)]
        for robot in crowd:
            _start(robot)
        begin = perf_counter()
        waits = [wait for robot in run(drive, zip(crowd, looks, strict=True)) for wait in robot]
        return perf_counter() - begin, waits

    ratios, waits = [], []
    with ThreadPoolExecutor(robots) as threads:
        for _ in range(3):
            together, each = timed(shared, threads.map)
            ratios.append(timed(alone, map)[0] / together)
            waits += each
    return {
        f"batch{robots}_throughput_ratio": float(np.median(ratios)),
        f"batch{robots}_p99_ms": float(np.percentile(waits, 99)),
    }


def _start(policy: LearnedPolicy) -> None:
    from vlingnav_policy import Goal
    from vlingnav_policy.thinking import ThinkingConfig

    policy.thinking = ThinkingConfig("never")
    policy.reset(Goal("find the red chair"))


def _look(policy: LearnedPolicy, step: int, rng: Any) -> Observation:
    """A random image somewhere."""
    from vlingnav_policy import Observation, Odometry

    camera = policy.manifest.camera
    rgb = rng.integers(0, 256, (camera.height, camera.width, 3), dtype="uint8")
    return Observation(rgb, stamp=0.4 * step, odometry=Odometry(rng.normal(size=3), rng.normal(size=3)))
