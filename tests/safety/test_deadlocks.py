"""Ways out of deadlocks, and the commands that measure them: what no gain solves, the online filter does."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import pytest

from vlingnav_safety.commands import add_bench_qp, add_eval_safety
from vlingnav_safety.multi import Detour, DetourConfig, FixedTuner, RuleTuner, look
from vlingnav_safety.multi.baselines import FIXED_GAINS
from vlingnav_safety.multi.evaluate import Fixed, Online, run
from vlingnav_safety.multi.nominal import nominal
from vlingnav_safety.multi.pace import Pace
from vlingnav_safety.multi.scenarios import SCENARIOS
from vlingnav_safety.multi.worlds import WORLDS, nearest_robots

SEEDS = list(range(4))


def success(world: str, scene: str, method: Any) -> tuple[float, float]:
    """Safe and success rates."""
    figures = run(*SCENARIOS[scene](WORLDS[world], SEEDS), method).figures()
    return figures["safe_rate"], figures["success_rate"]


@pytest.mark.parametrize("scene", SCENARIOS)
def test_what_no_fixed_gain_solves_is_solved(scene: str) -> None:
    """Neither the published filter nor ours with any fixed gain; the way out of deadlocks is what does it."""
    for method in [Fixed(g) for g in FIXED_GAINS] + [
        Online(FixedTuner(g), detour=False, hurry="never") for g in (*FIXED_GAINS, np.inf)
    ]:
        assert success("single", scene, method)[1] < 0.5
    safe, solved = success("single", scene, Online())
    assert safe == 1.0 and solved > 0.9


def one_robot(goal: tuple[float, float], hits: list[tuple[float, float]]) -> np.ndarray:
    """Where the detour sends a robot at the origin, `(2,)`."""
    seen = np.array(hits, float).reshape(1, 1, -1, 2)
    position = np.zeros((1, 1, 2))
    detour = Detour(DetourConfig(), 1, 1)
    index = np.full((1, 1, 5), -1)
    return detour.redirect(position, np.zeros((1, 1, 2)), np.array([[goal]]), seen, index)[0, 0]


def test_a_free_way_is_left_alone() -> None:
    np.testing.assert_array_equal(one_robot((2.0, 0.0), [(0.2, 0.2), (-0.1, 0.0)]), [2.0, 0.0])


def test_a_blocked_way_is_left_to_the_nearer_side_and_to_the_right() -> None:
    wall = [(0.2, y) for y in np.linspace(-0.1, 0.1, 9)]
    assert one_robot((2.0, 0.0), wall)[1] < 0.0  # as near on both sides
    assert one_robot((2.0, 0.0), [(x, y - 0.08) for x, y in wall])[1] > 0.0  # nearer on the left


def test_who_is_bound_for_the_east_has_the_right_of_way() -> None:
    """Two robots face each other in a corridor too narrow to pass: the one from the east backs off."""
    position = np.array([[[0.0, 0.0], [0.15, 0.0]]])
    goal = np.array([[[2.0, 0.0], [-2.0, 0.0]]])
    xs = np.linspace(-0.4, 0.55, 40)
    walls = np.array([(x, s * 0.08) for x in xs for s in (-1.0, 1.0)])
    hits = np.broadcast_to(walls, (1, 2, *walls.shape)).copy()
    detour, index = Detour(DetourConfig(), 1, 2), nearest_robots(position, 5, 0.5)
    for _ in range(2):
        sent = detour.redirect(position, np.zeros((1, 2, 2)), goal, hits, index)[0]
    np.testing.assert_array_equal(sent[0], goal[0, 0])
    assert sent[1, 0] > 0.15


@pytest.mark.parametrize("world", WORLDS)
def test_a_robot_in_time_does_not_hurry_and_a_late_one_does(world: str) -> None:
    """The first drives alone; the second is held fast for half a second, hurries, and makes up for it."""
    model = WORLDS[world].model
    state, goal = model.start(np.zeros((1, 2, 2)), np.ones((1, 2))), np.full((1, 2, 2), 2.0)
    pace, said = Pace(model, state, goal), []
    for step in range(256):
        said.append(pace.haste(state)[0])
        after = model.step(state, nominal(model, state, goal, said[-1][None]))
        state = np.where([[[True], [step >= 17]]], after, state)
    hurried = np.array(said) > 1.0
    assert not hurried[:, 0].any()
    assert hurried[17:40, 1].all() and not hurried[-40:, 1].any()
    assert np.linalg.norm(state[0, :, :2] - 2.0, axis=-1).max() < 0.1


def test_a_view_holds_nothing_global() -> None:
    """Turned and moved, the same neighbourhood looks the same; edges that are not there are NaN."""
    rng = np.random.default_rng(0)
    position, goal = rng.uniform(0.0, 0.6, (1, 6, 2)), rng.uniform(0.0, 3.0, (1, 6, 2))
    velocity, hits = rng.normal(size=(1, 6, 2)), rng.uniform(0.0, 1.0, (1, 6, 4, 2))
    hits[0, 0, 1] = np.inf
    index = nearest_robots(position, 5, 0.4)
    c, s = np.cos(2.0), np.sin(2.0)
    seen = np.isfinite(hits)
    turn, shift = np.array([[c, s], [-s, c]]), np.array([7.0, -3.0])
    moved = np.where(seen, np.where(seen, hits, 0.0) @ turn + shift, np.inf)
    views = [
        look(position, velocity, goal, hits, index, 0.03),
        look(position @ turn + shift, velocity @ turn, goal @ turn + shift, moved, index, 0.03),
    ]
    for name in ("nodes", "edges", "hit_edges"):
        here, there = (getattr(view, name) for view in views)
        np.testing.assert_allclose(here, there, atol=1e-9)
    assert np.isnan(views[0].hit_edges[0, 0, 1]).all() and np.all(np.isnan(views[0].edges[index < 0]))


def test_the_rule_gives_room_to_whom_it_is_of_use() -> None:
    position = np.array([[[0.0, 0.0], [0.2, 0.0]]])
    goal = np.array([[[0.02, 0.0], [-2.0, 0.0]]])  # the first has arrived
    index = nearest_robots(position, 1, 0.5)
    view = look(position, np.zeros((1, 2, 2)), goal, np.full((1, 2, 1, 2), np.inf), index, 0.03)
    assert np.asarray(RuleTuner()(view).share)[0, :, 0].tolist() == [0.0, 1.0]


def command(add: Any, words: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    parser = argparse.ArgumentParser()
    add(parser)
    args = parser.parse_args(words.split())
    figures = args.run(args)
    json.dumps(figures)
    return figures, capsys.readouterr().out


@pytest.mark.parametrize("filter_", ["online", "none", "fixed", "exact", "orca"])
def test_eval_safety(filter_: str, capsys: pytest.CaptureFixture[str]) -> None:
    if filter_ == "orca":
        pytest.importorskip("pyrvo")
    words = f"--world double --agents 4 --obstacles 2 --seeds 2 --first-seed 0 --filter {filter_}"
    figures, printed = command(add_eval_safety, words, capsys)
    assert {"safe_rate", "success_rate", "finish_rate", "ci95", "us_per_agent_step"} <= figures.keys()
    assert filter_ in printed and "success" in printed
    assert ("each" in figures) == (filter_ in ("fixed", "exact"))
    if "each" in figures:
        best = max(row["success_rate"] for row in figures["each"].values())
        assert figures["success_rate"] == best <= figures["best_per_scene"]["success_rate"]


def test_eval_safety_says_what_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(add_eval_safety, "--agents 9999", capsys)
    assert ended.value.code == 2 and "give them more room" in capsys.readouterr().err


def test_bench_qp(capsys: pytest.CaptureFixture[str]) -> None:
    figures, printed = command(add_bench_qp, "--batch 20 --rows 5 --rounds 1", capsys)
    assert figures["us_per_agent"]["ours"]["5"] > 0.0 and "fastest other / ours" in printed
