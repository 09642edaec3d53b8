"""The projection against two general solvers and against enumeration, on problems made to be hard."""

from __future__ import annotations

from itertools import combinations

import daqp
import numpy as np
import pytest
import quadprog

from vlingnav_safety.qp import FAILED, INFEASIBLE, SOLVED, TOLERANCE, project, project_batch

ONE = np.ones(2)
KINDS = ("plain", "touching", "parallel", "duplicate", "scaled", "fan", "empty", "far")
PEERS = ("daqp", "quadprog")


def problems(kind: str, count: int, m: int, seed: int) -> tuple[np.ndarray, ...]:
    """Random problems `desired, a, b, lower, upper`, all but `empty` and some `plain` ones feasible."""
    rng = np.random.default_rng(seed)
    inside = rng.uniform(-1.0, 1.0, (count, 1, 2))
    a = rng.normal(size=(count, m, 2))
    margin = rng.exponential(0.3, (count, m))
    desired = rng.normal(0.0, 3.0, (count, 2))
    if kind == "plain":
        margin -= 0.1
    elif kind == "touching":  # every line through one point: the most degenerate vertex there is
        margin[:] = 0.0
    elif kind == "parallel":  # opposite pairs, half of them slabs without width
        a[:, 1::2] = -a[:, : 2 * (m // 2) : 2]
        margin[:, : m // 2] = 0.0
    elif kind == "duplicate":
        a[:, m // 2 :] = a[:, : m - m // 2] * rng.uniform(0.1, 10.0, (count, m - m // 2, 1))
    elif kind == "near-parallel":
        a = a[:, :1] * np.where(rng.random((count, m, 1)) < 0.5, -1.0, 1.0) + a * 10.0 ** rng.uniform(
            -13.0, -2.0, (count, m, 1)
        )
        margin[: count // 2] = 0.0
    elif kind == "scaled":
        a *= 10.0 ** rng.uniform(-6.0, 6.0, (count, m, 1))
    elif kind == "fan":  # tangents of one circle: many rows bind almost together
        angle = np.sort(rng.uniform(0.0, 2.0 * np.pi, (count, m)))
        a = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        margin[:] = 0.5
    elif kind == "empty":
        margin = -rng.exponential(0.3, (count, m))
    elif kind == "far":
        desired *= 1e6
    b = np.einsum("kmi,kni->km", a, inside) + margin * np.linalg.norm(a, axis=-1)
    box = np.full((count, 2), 2.0)
    return desired, a, b, -box, box


def violation(a: np.ndarray, b: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return `(B,)`: how far `u (B, 2)` misses its worst half-plane; negative inside."""
    return ((np.einsum("kmi,ki->km", a, u) - b) / np.linalg.norm(a, axis=-1)).max(axis=-1)


def peer_answers(name: str, desired: np.ndarray, a: np.ndarray, b: np.ndarray, box: np.ndarray) -> np.ndarray:
    """`(B, 2)` answers of a general solver, given rows of unit length; NaN where it finds none."""
    length = np.linalg.norm(a, axis=-1)
    rows, bounds = a / length[..., None], b / length
    answers = np.full(desired.shape, np.nan)
    hessian, count = np.eye(2), 2 + b.shape[1]
    if name == "daqp":
        sense, low = np.zeros(count, np.int32), np.full(count, -1e30)
        low[:2] = -box[0]
        upper = np.concatenate([box, bounds], axis=1)
        for k in range(len(desired)):
            u, _, flag, _ = daqp.solve(hessian, -desired[k], rows[k], upper[k], low, sense)
            if flag == 1:
                answers[k] = u
        return answers
    normals = np.concatenate(
        [np.broadcast_to([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], (len(b), 4, 2)), -rows], 1
    )
    limits = np.concatenate([-box, -box, -bounds], axis=1)
    for k in range(len(desired)):
        try:
            answers[k] = quadprog.solve_qp(
                hessian, desired[k], np.ascontiguousarray(normals[k].T), limits[k]
            )[0]
        except ValueError:  # "constraints are inconsistent, no solution"
            continue
    return answers


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_general_solvers(kind: str, peer: str) -> None:
    """100 800 problems, of which each peer has its own 50 400, besides those of the tests below."""
    for m, count in ((3, 2100), (8, 2100), (20, 2100)):
        seed = m + 100 * PEERS.index(peer)
        desired, a, b, lower, upper = problems(kind, count, m, seed)
        u, slack, status = project_batch(desired, a, b, lower, upper, ONE)
        theirs = peer_answers(peer, desired, a, b, upper)
        assert not np.any(status == FAILED)
        solved = status == SOLVED
        miss = violation(a, b, u)
        assert np.all(miss[solved] <= 4.0 * TOLERANCE) and np.all(slack[solved] == 0.0)
        assert np.all(np.abs(miss[~solved] - slack[~solved]) <= 4.0 * TOLERANCE)
        assert np.all((u >= lower) & (u <= upper))

        known = np.isfinite(theirs).all(axis=1)
        their_miss = np.maximum(violation(a, b, theirs), np.abs(theirs).max(axis=1) - 2.0)
        # Where we found no command, no honest answer of theirs can be better than the smallest violation.
        assert np.all(their_miss[known & ~solved] >= slack[known & ~solved] - 1e-8)
        honest = known & solved & (their_miss <= 1e-9)
        ours, best = np.linalg.norm(u - desired, axis=1), np.linalg.norm(theirs - desired, axis=1)
        np.testing.assert_allclose(ours[honest], best[honest], rtol=1e-8, atol=1e-7)
        assert np.all(np.abs(u - theirs).max(axis=1)[honest] <= 1e-6)
        # A peer may miss a row by more than 1e-9 or call a sliver empty (ours is certified above), but
        # rarely.
        assert np.mean(honest | ~solved) > 0.9
        if kind == "empty":
            assert np.mean(~solved) > 0.2


def test_near_parallel_rows() -> None:
    """Rows 1e-13 to 1e-2 rad apart: the tolerance itself moves the optimum far, so it is sandwiched."""
    for m in (3, 8, 20):
        desired, a, b, lower, upper = problems("near-parallel", 2000, m, seed=m)
        u, slack, status = project_batch(desired, a, b, lower, upper, ONE)
        assert not np.any(status == FAILED)
        assert np.all(violation(a, b, u) <= slack + 4.0 * TOLERANCE) and np.all(slack <= 4.0 * TOLERANCE)
        ours, shift = np.linalg.norm(u - desired, axis=1), 1e-8 * np.linalg.norm(a, axis=-1)
        inside = peer_answers("daqp", desired, a, b - shift, upper)
        outside = peer_answers("daqp", desired, a, b + shift, upper)
        proven = violation(a, b, inside) <= 0.0  # daqp's own tolerance is 1e-6; NaN is no proof either
        assert proven.mean() > 0.4
        assert np.all(ours[proven] <= np.linalg.norm(inside - desired, axis=1)[proven] + 1e-7)
        found = np.isfinite(outside).all(axis=1)
        assert found.mean() > 0.9
        assert np.all(ours[found] >= np.linalg.norm(outside - desired, axis=1)[found] - 1e-7)


def test_weighted_projection() -> None:
    """A diagonal W is the plain problem in stretched coordinates."""
    weight = np.array([1.0, 0.01])
    stretch = np.sqrt(weight)
    for kind in ("plain", "fan", "empty"):
        desired, a, b, lower, upper = problems(kind, 2000, 8, seed=5)
        u, slack, status = project_batch(desired, a, b, lower, upper, weight)
        v, slack_v, status_v = project_batch(
            desired * stretch, a / stretch, b, lower * stretch, upper * stretch, np.ones(2)
        )
        assert np.array_equal(status, status_v)
        np.testing.assert_allclose(u * stretch, v, atol=1e-9)
        np.testing.assert_allclose(slack, slack_v, atol=1e-9)


def smallest_violation(a: np.ndarray, b: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """min over the box of the largest violation, by all vertices of the program in (u, s)."""
    length = np.linalg.norm(a, axis=1)
    box = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    rows = np.vstack([np.column_stack([a / length[:, None], -np.ones(len(a))]), box])
    bounds = np.concatenate([b / length, [upper[0], -lower[0], upper[1], -lower[1]]])
    best = np.inf
    for triple in combinations(range(len(rows)), 3):
        chosen = list(triple)
        if abs(np.linalg.det(rows[chosen])) > 1e-9:
            vertex = np.linalg.solve(rows[chosen], bounds[chosen])
            if np.all(rows @ vertex <= bounds + 1e-9):
                best = min(best, vertex[2])
    return best


def test_least_violation_is_the_least() -> None:
    desired, a, b, lower, upper = problems("empty", 60, 7, seed=1)
    _, slack, status = project_batch(desired, a, b, lower, upper, ONE)
    assert np.sum(status == INFEASIBLE) > 40
    for k in np.flatnonzero(status == INFEASIBLE):
        assert slack[k] == pytest.approx(smallest_violation(a[k], b[k], lower[k], upper[k]), abs=1e-8)


def test_what_is_dear_is_missed_less() -> None:
    """Two walls 0.4 too close: the upper one is three times as dear, so it is missed by a third."""
    a, b = np.array([[[0.0, 1.0], [0.0, -1.0]]]), np.array([[-0.2, -0.2]])
    box, give = np.ones((1, 2)), np.array([[0.5, 1.5]])
    u, slack, status = project_batch(np.array([[0.7, 0.5]]), a, b, -box, box, ONE, give)
    assert status[0] == INFEASIBLE
    assert slack[0] == pytest.approx(0.2)
    np.testing.assert_allclose(u[0], [0.7, -0.1], atol=1e-9)


def test_the_least_violation_by_cost_is_the_least() -> None:
    desired, a, b, lower, upper = problems("empty", 60, 7, seed=3)
    give = np.random.default_rng(0).uniform(0.2, 5.0, b.shape)
    u, slack, status = project_batch(desired, a, b, lower, upper, ONE, give)
    assert np.sum(status == INFEASIBLE) > 40
    miss = (np.einsum("kmi,ki->km", a, u) - b) / np.linalg.norm(a, axis=-1) / give
    np.testing.assert_allclose(np.maximum(miss.max(axis=1), 0.0), slack, atol=1e-8)
    around = np.random.default_rng(1).uniform(lower[0], upper[0], (20000, 2))
    for k in np.flatnonzero(status == INFEASIBLE):  # none of 20 000 commands misses by less
        length = np.linalg.norm(a[k], axis=-1) * give[k]
        assert ((around @ a[k].T - b[k]) / length).max(axis=1).min() >= slack[k] - 1e-9


def test_among_the_least_violating_the_nearest_is_taken() -> None:
    """Two walls too close: the middle line is all equally bad, so the desired speed along it is kept."""
    a, b = np.array([[0.0, 1.0], [0.0, -1.0]]), np.array([-0.2, -0.2])
    u, slack, status = project(np.array([0.7, 0.5]), a, b, -ONE, ONE, ONE)
    assert status == INFEASIBLE
    assert slack == pytest.approx(0.2)
    np.testing.assert_allclose(u, [0.7, 0.0], atol=1e-9)


def test_the_box_never_gives_way() -> None:
    u, slack, status = project(np.zeros(2), np.array([[-2.0, 0.0]]), np.array([-10.0]), -ONE, ONE, ONE)
    assert status == INFEASIBLE
    assert u[0] == 1.0
    assert slack == pytest.approx(4.0)


def test_feasible_desire_comes_back_bit_by_bit() -> None:
    desired = np.array([0.1 + 0.2, -1.0 / 3.0])
    u, slack, status = project(
        desired, np.array([[1.0, 0.3]]), np.array([5.0]), -ONE, ONE, np.array([3.0, 0.07])
    )
    assert status == SOLVED and slack == 0.0
    assert u.tobytes() == desired.tobytes()


def test_locked_axis() -> None:
    box = np.array([0.6, 0.0])
    u, _, status = project(np.array([0.5, 0.3]), np.array([[1.0, 1.0]]), np.array([0.2]), -box, box, ONE)
    assert status == SOLVED
    np.testing.assert_allclose(u, [0.2, 0.0], atol=1e-12)


@pytest.mark.parametrize("b", [0.0, 1.0, np.inf])
def test_rows_without_effect(b: float) -> None:
    desired = np.array([0.4, -0.4])
    u, _, status = project(desired, np.zeros((3, 2)), np.full(3, b), -ONE, ONE, ONE)
    assert status == SOLVED and np.array_equal(u, desired)


def test_rows_that_no_command_meets() -> None:
    """0 <= -1 is reported as an infinite slack, and does not spoil the answer to the other rows."""
    a, b = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([-1.0, 0.25])
    u, slack, status = project(np.array([1.0, 0.0]), a, b, -ONE, ONE, ONE)
    assert status == INFEASIBLE and slack == np.inf
    np.testing.assert_allclose(u, [0.25, 0.0], atol=1e-12)


@pytest.mark.parametrize("argument", range(6))
def test_nan_fails_alone(argument: int) -> None:
    """One bad problem in a batch is FAILED with NaN, and its neighbours do not notice."""
    good = (*problems("plain", 3, 4, seed=2), ONE)
    expected = project_batch(*good)
    bad = [x.copy() for x in good]
    if argument == 5:
        bad[5][0] = np.nan
        assert np.all(project_batch(*bad)[2] == FAILED)
        return
    bad[argument][1].flat[0] = np.nan
    u, slack, status = project_batch(*bad)
    assert status[1] == FAILED and np.isnan(u[1]).all() and np.isnan(slack[1])
    assert np.array_equal(u[[0, 2]], expected[0][[0, 2]])


@pytest.mark.parametrize("box", [(0.5, -0.5), (-np.inf, 1.0), (0.0, np.nan)])
def test_bad_box_fails(box: tuple[float, float]) -> None:
    lower, upper = np.array([box[0], -1.0]), np.array([box[1], 1.0])
    assert project(np.zeros(2), np.zeros((0, 2)), np.zeros(0), lower, upper, ONE)[2] == FAILED


def test_bench_compares_the_same_answers() -> None:
    """All exact solvers that are installed find what ours finds, so the times compare the same work."""
    from vlingnav_safety.bench import bench_qp

    figures = bench_qp(batch=20, rows=(5,), rounds=1)
    for name in ("daqp", "quadprog"):
        assert figures["error"][name]["5"] < 1e-9
        assert figures["us_per_agent"][name]["5"] > figures["us_per_agent"]["ours"]["5"] > 0.0
