"""Parameters: one declaration, and everything that is made from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vlingnav import graph, limits, params, reference
from vlingnav_safety import cover_rectangle
from vlingnav_sim.robots import ROBOTS

ROOT = Path(__file__).parents[2]
NODES = list(graph.NODES.values())


def parameters_in(file: Path, node: str) -> dict[str, object]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))[node]["ros__parameters"]


@pytest.mark.parametrize("node", NODES, ids=lambda n: n.name)
def test_parameter_files_are_those_of_the_declarations(node: graph.Node) -> None:
    file = graph.share() / "config" / f"{node.name}.yaml"
    assert file.read_text(encoding="utf-8") == reference.parameter_file(node), (
        "run: python -m vlingnav.reference"
    )
    held = parameters_in(file, f"/**/{node.name}")
    assert held == {
        p.name: list(p.default) if isinstance(p.default, tuple) else p.default
        for p in reference.declarations(node)
    }


@pytest.mark.parametrize("node", NODES, ids=lambda n: n.name)
def test_the_readme_holds_the_tables(node: graph.Node) -> None:
    readme = ROOT / "README.md"
    if not readme.is_file():
        pytest.skip("there is no README yet")
    assert params.markdown(reference.declarations(node)) in readme.read_text(encoding="utf-8")


@pytest.mark.parametrize("node", NODES, ids=lambda n: n.name)
def test_names_carry_units_and_defaults_their_ranges(node: graph.Node) -> None:
    for p in reference.declarations(node):
        assert p.description.endswith("."), p.name
        if isinstance(p.default, float):
            unit = p.name.rsplit("_", 1)[1]
            assert unit in {"s", "m", "hz", "mps", "radps", "mps2", "radps2", "rad", "factor", "share"}, (
                p.name
            )
            assert p.range is not None and p.range[0] <= p.default <= p.range[1], p.name


@pytest.mark.parametrize("name", ROBOTS)
def test_robot_files_say_what_the_simulated_robots_are(name: str) -> None:
    robot = ROBOTS[name]
    held = parameters_in(graph.share() / "config" / "robots" / f"{name}.yaml", "/**")
    known = {p.name for node in NODES for p in reference.declarations(node)}
    assert set(held) <= known
    assert tuple(held[p.name] for p in limits.VELOCITY) == robot.limits.velocity
    assert tuple(held[p.name] for p in limits.ACCELERATION) == robot.limits.acceleration
    camera = robot.camera
    assert (held["camera_width_px"], held["camera_height_px"]) == (camera.width, camera.height)
    assert held["camera_height_m"] == camera.mount_height
    assert held["camera_pitch_rad"] == camera.pitch
    assert held["camera_hfov_rad"] == pytest.approx(camera.hfov, abs=1e-4)
    length, width = (2.0 * v for v in robot.hull)
    round_hull = [0.0, 0.0, robot.radius] if length == width else None
    discs = round_hull or [v for disc in cover_rectangle(length, width) for v in disc]
    assert held["hull_discs_m"] == pytest.approx(discs, abs=1e-4)


def test_all_robots_have_a_file() -> None:
    assert graph.robots() == sorted(ROBOTS)


def test_a_value_out_of_range_is_refused_with_the_reason() -> None:
    command = [sys.executable, "-m", "vlingnav.safety_node", "--ros-args", "-p", "rate_hz:=-1.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "rate_hz" in done.stderr
