"""The learned tuner: what it computes, that no weights make it dangerous, and that it learns."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlingnav_safety.multi import look
from vlingnav_safety.multi.evaluate import Online, run
from vlingnav_safety.multi.learned import EDGE, HIT, LAYERS, NODE, WEIGHTS, LearnedTuner, graph
from vlingnav_safety.multi.tuner import FixedTuner, RuleTuner, View
from vlingnav_safety.multi.worlds import WORLDS, generate, nearest_robots, scan

SHIPPED = Path(__file__).resolve().parents[2] / "models/checkpoints/tuner"
WIDTH = 8
SIZES = {
    "edge_in": (WIDTH, NODE + EDGE),
    "edge_out": (WIDTH, WIDTH),
    "hit_in": (WIDTH, NODE + HIT),
    "hit_out": (WIDTH, WIDTH),
    "robot": (WIDTH, NODE + 2 * WIDTH),
    "edge_head": (3, 2 * WIDTH),
    "hit_head": (2, 2 * WIDTH),
}


def weights(seed: int, size: float = 1.0) -> dict[str, np.ndarray]:
    """Those of a network that never learned."""
    rng = np.random.default_rng(seed)
    matrices = {f"{name}.weight": size * rng.normal(size=SIZES[name]) for name in LAYERS}
    return matrices | {f"{name}.bias": size * rng.normal(size=SIZES[name][0]) for name in LAYERS}


def saved(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(folder / WEIGHTS, **arrays)
    return folder


def crowd() -> View:
    """Twelve robots among rectangles, at speed; some see nobody."""
    config = replace(WORLDS["double"], robots=12, obstacles=4, area=1.6)
    scenes, rng = generate(config, [3, 4]), np.random.default_rng(0)
    position = np.ascontiguousarray(scenes.state[..., :2])
    hits = scan(position, scenes.rectangles, config.rays, config.sensing)
    index = nearest_robots(position, 6, 0.3)
    return look(position, rng.normal(size=position.shape), scenes.goal, hits, index, 0.03)


def by_hand(arrays: dict[str, np.ndarray], view: View, e: int, i: int) -> tuple[np.ndarray, np.ndarray]:
    """The heads of one robot, edge by edge."""

    def affine(name: str, *parts: np.ndarray) -> np.ndarray:
        return arrays[f"{name}.weight"] @ np.concatenate(parts) + arrays[f"{name}.bias"]

    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0.0)

    node = view.nodes[e, i] / [0.5, 1.0, 1.0, 1.0]
    edges = [edge for edge, j in zip(view.edges[e, i], view.index[e, i], strict=True) if j >= 0]
    hits = [hit for hit in view.hit_edges[e, i] if np.isfinite(hit[0])]
    told = [
        relu(
            affine(
                "edge_out",
                relu(affine("edge_in", node, x / [0.5, 0.5, 1, 1, 1, 1], [np.hypot(*x[:2]) / 0.5])),
            )
        )
        for x in edges
    ]
    seen = [
        relu(affine("hit_out", relu(affine("hit_in", node, x / 0.5, [np.hypot(*x) / 0.5])))) for x in hits
    ]
    none = np.zeros(WIDTH)
    robot = relu(
        affine(
            "robot", node, np.mean(told, axis=0) if told else none, np.mean(seen, axis=0) if seen else none
        )
    )
    return (
        np.array([affine("edge_head", robot, m) for m in told]).reshape(-1, 3),
        np.array([affine("hit_head", robot, m) for m in seen]).reshape(-1, 2),
    )


def test_it_computes_what_it_says(tmp_path: Path) -> None:
    arrays, view = weights(0), crowd()
    seen = graph(view)
    pairs, hits = LearnedTuner(saved(tmp_path, arrays)).heads(seen)
    alone = 0
    for robot in range(len(seen.nodes)):
        expected = by_hand(arrays, view, *divmod(robot, view.nodes.shape[1]))
        np.testing.assert_allclose(pairs[seen.owner == robot], expected[0], atol=1e-9)
        np.testing.assert_allclose(hits[seen.hit_owner == robot], expected[1], atol=1e-9)
        alone += not len(expected[0])
    assert len(pairs) > 20 and len(hits) > 20 and alone


def test_what_it_says_is_within_bounds_and_in_its_place(tmp_path: Path) -> None:
    view = crowd()
    said = LearnedTuner(saved(tmp_path, weights(1, 5.0)))(view)
    there, seen = view.index >= 0, np.isfinite(view.hit_edges[..., 0])
    for values, mask, low, high in (
        (said.gain, there, 0.0, 1.0 / view.dt),
        (said.share, there, 0.0, 1.0),
        (said.cost, there, 0.0, 25.0),
        (said.hit_gain, seen, 0.0, 1.0 / view.dt),
        (said.hit_cost, seen, 0.0, 25.0),
    ):
        assert np.array_equal(np.isfinite(values), mask)
        assert np.all((values[mask] >= low) & (values[mask] <= high))


@pytest.mark.parametrize("world", WORLDS)
def test_no_weights_make_it_dangerous(world: str, tmp_path: Path) -> None:
    config = replace(WORLDS[world], robots=12, obstacles=3, area=1.3, steps=100)
    scenes = generate(config, [0, 1])
    for seed, size in ((0, 0.3), (1, 3.0), (2, 100.0)):
        tuner = LearnedTuner(saved(tmp_path, weights(seed, size)))
        assert run(config, scenes, Online(tuner)).safe.all()


def test_what_is_not_its_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vlingnav train-safety"):
        LearnedTuner(tmp_path)
    with pytest.raises(ValueError, match="not finite"):
        LearnedTuner(saved(tmp_path, weights(0) | {"robot.bias": np.full(WIDTH, np.nan)}))
    arrays = weights(0)
    del arrays["robot.bias"]
    with pytest.raises(ValueError, match="other layers"):
        LearnedTuner(saved(tmp_path, arrays))


def test_the_shipped_one_is_that_of_its_manifest_and_as_good_as_the_rule() -> None:
    manifest = json.loads((SHIPPED / "manifest.json").read_text())
    for file, expected in manifest["sha256"].items():
        assert hashlib.sha256((SHIPPED / file).read_bytes()).hexdigest() == expected
    config = replace(WORLDS["single"], robots=24, area=1.8, steps=128)
    scenes = generate(config, list(range(6)))
    rule, learned, cautious = (
        run(config, scenes, Online(tuner)).figures()["success_rate"]
        for tuner in (RuleTuner(), LearnedTuner(SHIPPED), FixedTuner(4.0))
    )
    assert learned > rule - 0.03 and learned > cautious + 0.05


def test_torch_onnx_and_numpy_agree(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra [train]")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra [sim]")
    from vlingnav_train.safety.export import INPUTS, export_tuner
    from vlingnav_train.safety.network import TunerNetwork, to_batch

    torch.manual_seed(0)
    network, seen = TunerNetwork(), graph(crowd())
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    export_tuner(network, tmp_path, {})
    batch = to_batch([seen])
    with torch.no_grad():
        theirs = [part.numpy() for part in network(*batch)[:2]]
    session = onnxruntime.InferenceSession(str(tmp_path / "tuner.onnx"))
    graphs = session.run(None, {name: part.numpy() for name, part in zip(INPUTS, batch, strict=True)})
    ours = LearnedTuner(tmp_path).heads(seen)
    for a, b, c in zip(theirs, graphs, ours, strict=True):
        assert np.abs(a).max() > 0.1
        np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_allclose(a, c, atol=1e-5)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["sha256"].keys() == {"tuner.onnx", "tuner.npz"}


def test_advantages_against_their_definition() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra [train]")
    from vlingnav_train.safety.ppo import advantages

    rng = np.random.default_rng(0)
    rewards, values, gamma, trace = rng.normal(size=(6, 2)), rng.normal(size=(6, 2)), 0.9, 0.7
    after = np.concatenate([values[1:], values[-1:]])
    errors = rewards + gamma * after - values
    advantage, returns = advantages(rewards, torch.from_numpy(values).float(), gamma, trace)
    for t in range(6):
        expected = sum((gamma * trace) ** k * errors[t + k] for k in range(6 - t))
        np.testing.assert_allclose(advantage[t], expected, atol=1e-5)
    np.testing.assert_allclose(returns, advantage.numpy() + values, atol=1e-5)


def test_it_learns_to_let_robots_move() -> None:
    """It begins with gains of 4/s, and finds that robots in a crowd get on better with larger ones."""
    torch = pytest.importorskip("torch", reason="needs the extra [train]")
    from vlingnav_train.safety.network import TunerNetwork
    from vlingnav_train.safety.ppo import SafetyConfig, update
    from vlingnav_train.safety.rollout import play

    world = replace(WORLDS["single"], robots=8, area=1.0, steps=64)
    config = SafetyConfig(lr=0.01, parts=2)
    torch.manual_seed(0)
    network, seeds = TunerNetwork(WIDTH), list(range(30))
    optimiser = torch.optim.Adam(network.parameters(), lr=config.lr)
    before = play(network, world, seeds)
    for turn in range(12):
        update(network, optimiser, play(network, world, [100 + 16 * turn + k for k in range(16)]), config)
    after = play(network, world, seeds)
    assert after.rewards.mean() > 1.05 * before.rewards.mean()


def test_train_safety(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra [train]")
    pytest.importorskip("matplotlib", reason="needs the extra [train]")
    from vlingnav_safety.commands import add_eval_safety
    from vlingnav_train.safety.ppo import CROWDS, SafetyConfig
    from vlingnav_train.safety.seeds import train_seeds

    small = tuple(replace(world, robots=4, obstacles=1, area=0.9, steps=8) for world in CROWDS)
    figures = train_seeds(SafetyConfig(worlds=small, batch=2, iterations=3), 2, tmp_path)
    assert figures["validation"].keys() == {"fixed", "rule", "seed0", "seed1"}
    assert figures["best"] in ("seed0", "seed1")
    assert len(json.loads((tmp_path / "seed1/curve.json").read_text())) == 3
    assert (tmp_path / "curves.png").stat().st_size > 5000
    parser = argparse.ArgumentParser()
    add_eval_safety(parser)
    args = parser.parse_args(f"--agents 4 --seeds 1 --first-seed 0 --tuner {tmp_path}".split())
    assert args.run(args)["safe_rate"] == 1.0
