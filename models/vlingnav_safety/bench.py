"""`vlingnav bench qp`: what a projection costs, ours and general solvers'; `bench filter`: a whole call.

A problem is a desired command, m half-planes around a point that satisfies them all, and a box: random
projections in two variables. Ours and qpax (`jax.vmap`) take the whole batch in one call; the others have no
batched interface, so that a call from Python for every robot is what using them costs. OSQP keeps one
workspace and has its numbers exchanged, which is its quickest way.

The solvers take turns and each keeps the best of its rounds, so that whatever else the machine does hits all
of them. Whoever is not installed is named and left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.qp import project_batch

Array = NDArray[np.float64]
Problem = tuple[Array, Array, Array, Array, Array]
"""`desired (B, 2)`, `a (B, m, 2)` rows of unit length, `b (B, m)`, `lower (B, 2)`, `upper (B, 2)`."""

BOX = 2.0
_TURN = (
    0.02  # [s] that a turn lasts at least, so that nobody's numbers have to be fetched into the cache first
)


def random_projections(count: int, rows: int, seed: int = 0) -> Problem:
    """Make `count` feasible problems; about half of the desired commands are cut off by some row."""
    rng = np.random.default_rng(seed)
    inside, angle = rng.uniform(-1.0, 1.0, (count, 2)), rng.uniform(-np.pi, np.pi, (count, rows))
    a = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    b = np.einsum("kmi,ki->km", a, inside) + rng.exponential(0.3, (count, rows))
    upper = np.full((count, 2), BOX)
    return rng.normal(0.0, 1.0, (count, 2)), a, b, -upper, upper


def _ours(problem: Problem) -> Array:
    return project_batch(*problem, np.ones(2))[0]


def _daqp() -> Callable[[Problem], Array]:
    solve = import_module("daqp").solve

    def run(problem: Problem) -> Array:
        desired, a, b, lower, upper = problem
        hessian, low, sense = np.eye(2), np.full(2 + b.shape[1], -1e30), np.zeros(2 + b.shape[1], np.int32)
        low[:2], high = lower[0], np.concatenate([upper, b], axis=1)
        return np.array([solve(hessian, -desired[k], a[k], high[k], low, sense)[0] for k in range(len(b))])

    return run


def _quadprog() -> Callable[[Problem], Array]:
    solve = import_module("quadprog").solve_qp

    def run(problem: Problem) -> Array:
        desired, a, b, lower, upper = problem
        box = np.broadcast_to(np.concatenate([np.eye(2), -np.eye(2)]), (len(b), 4, 2))
        normals = np.ascontiguousarray(np.concatenate([box, -a], axis=1).transpose(0, 2, 1))
        limits, hessian = np.concatenate([lower, -upper, -b], axis=1), np.eye(2)
        return np.array([solve(hessian, desired[k], normals[k], limits[k])[0] for k in range(len(b))])

    return run


def _osqp() -> Callable[[Problem], Array]:
    module, sparse = import_module("osqp"), import_module("scipy.sparse")

    def run(problem: Problem) -> Array:
        desired, a, b, lower, upper = problem
        rows = np.concatenate([a, np.broadcast_to(np.eye(2), (len(b), 2, 2))], axis=1)
        low, high = np.full(b.shape[1] + 2, -np.inf), np.concatenate([b, upper], axis=1)
        low[-2:] = lower[0]
        values = np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(len(b), -1)  # column by column
        # The entries that are zero in the box must have a place in the pattern.
        pattern = sparse.csc_matrix(np.ones(rows.shape[1:]))
        solver = module.OSQP()
        solver.setup(sparse.eye(2, format="csc"), -desired[0], pattern, low, high[0], verbose=False)
        answers = np.empty_like(desired)
        for k in range(len(b)):
            solver.update(q=-desired[k], Ax=values[k], u=high[k])
            answers[k] = solver.solve(raise_error=False).x
        return answers

    return run


def _qpax() -> Callable[[Problem], Array]:
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    solve = import_module("qpax").solve_qp
    hessian, none, empty = np.eye(2), np.zeros((0, 2)), np.zeros(0)

    def single(desired: Array, rows: Array, bounds: Array) -> Array:
        return solve(hessian, -desired, none, empty, rows, bounds)[0]

    batched = jax.jit(jax.vmap(single))

    def run(problem: Problem) -> Array:
        desired, a, b, lower, upper = problem
        box = np.broadcast_to(np.concatenate([np.eye(2), -np.eye(2)]), (len(b), 4, 2))
        bounds = np.concatenate([b, upper, -lower], axis=1)
        return np.asarray(batched(desired, np.concatenate([a, box], axis=1), bounds))

    return run


PEERS: dict[str, Callable[[], Callable[[Problem], Array]]] = {
    "daqp": _daqp,
    "quadprog": _quadprog,
    "osqp": _osqp,
    "qpax": _qpax,
}


def bench_qp(batch: int, rows: tuple[int, ...], rounds: int) -> dict[str, object]:
    """Time all solvers that are installed.

    Args:
        batch: problems in a batch.
        rows: half-planes per problem, one column of the table each.
        rounds: how often each solver has its turn.

    Returns:
        `us_per_agent[solver][m]` [us]; `error[solver][m]`, the largest distance of an answer from ours;
        `ratio[m]`, the fastest other solver's time over ours; `absent`, the solvers not installed.
    """
    solvers: dict[str, Callable[[Problem], Array]] = {"ours": _ours}
    absent = []
    for name, make in PEERS.items():
        try:
            solvers[name] = make()
        except ImportError:
            absent.append(name)
    seconds: dict[str, dict[str, float]] = {name: {} for name in solvers}
    error: dict[str, dict[str, float]] = {name: {} for name in solvers}
    for m in rows:
        problem = random_projections(batch, m)
        reference = _ours(problem)
        for name, solve in solvers.items():  # also the first call, in which some of them compile
            error[name][str(m)] = float(np.abs(solve(problem) - reference).max())
            seconds[name][str(m)] = np.inf
        for _ in range(rounds):
            for name, solve in solvers.items():
                turn = time.perf_counter() + _TURN
                while (begin := time.perf_counter()) < turn:
                    solve(problem)
                    seconds[name][str(m)] = min(seconds[name][str(m)], time.perf_counter() - begin)
    us = {name: {m: 1e6 * s / batch for m, s in row.items()} for name, row in seconds.items()}
    peers = [row for name, row in us.items() if name != "ours"]
    ratio = {m: min((row[m] for row in peers), default=np.nan) / us["ours"][m] for m in us["ours"]}
    return {"us_per_agent": us, "error": error, "ratio": ratio, "absent": absent, "batch": batch}


def bench_filter(calls: int, hits: int, neighbours: int, seed: int = 0) -> dict[str, float]:
    """Time whole calls of `LidarBarrierFilter.filter` from Python, from scan and neighbours to command.

    A robot drives erratically among hits that are all near enough to matter and neighbours that pass.

    Args:
        calls: how many are timed, after some that are not.
        hits: range readings in a scan.
        neighbours: robots within 3 m.
        seed: of the scenes.

    Returns:
        `p50_ms`, `p99_ms`, `worst_ms` of the calling thread's own time [ms], which others on the machine do
        not lengthen; `wall_p99_ms` by the wall clock; `share_filtered`, how many calls changed the command.
    """
    from vlingnav_safety.config import FilterConfig
    from vlingnav_safety.filter import LidarBarrierFilter
    from vlingnav_safety.types import Limits, Neighbours, Obstacles, State

    limits = Limits()
    safe, rng = LidarBarrierFilter(FilterConfig(), limits), np.random.default_rng(seed)
    angle, top = np.linspace(-np.pi, np.pi, hits, endpoint=False), np.array(limits.velocity)
    own, wall, changed = np.empty(calls), np.empty(calls), 0
    for k in range(-20, calls):
        now = 0.05 * (k + 20)
        points = rng.uniform(0.3, 1.5, (hits, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        others = Neighbours(
            rng.uniform(-3.0, 3.0, (neighbours, 2)),
            rng.uniform(-0.6, 0.6, (neighbours, 2)),
            np.full(neighbours, 0.18),
            age=0.05,
            acceleration=1.5,
            top=0.6,
            brakes=True,
        )
        state, scan = State(np.zeros(3), rng.uniform(-0.5, 0.5, 3) * top, now), Obstacles(points, now)
        desired = rng.uniform(-1.0, 1.0, 3) * top
        begin, begin_wall = time.thread_time(), time.perf_counter()
        _, report = safe.filter(state, desired, others, scan, now)
        if k >= 0:
            own[k], wall[k] = time.thread_time() - begin, time.perf_counter() - begin_wall
            changed += report.status != "pass"
    p50, p99 = np.percentile(1e3 * own, [50, 99])
    return {
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "worst_ms": float(1e3 * own.max()),
        "wall_p99_ms": float(np.percentile(1e3 * wall, 99)),
        "share_filtered": changed / calls,
    }
