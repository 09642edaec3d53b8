"""That what the code imports is what pyproject.toml installs."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# The extras that each room's imports may come from.
EXTRAS = {
    "models/vlingnav_policy": ("ros", "train", "tensorrt"),
    "models/vlingnav_safety": (),
    "models/vlingnav_cli": (),
    "models/vlingnav_train": ("sim", "train", "data", "ray"),
    "sim/vlingnav_sim": ("sim",),
    "datasets/vlingnav_datasets": ("sim", "data", "train"),  # train: annotating by a model
    "ros2_ws/src/vlingnav/vlingnav": ("ros", "sim"),
}
# Brought by ros-jazzy-rclpy, like all message packages; `launch` is there only where ROS is installed.
ROS = {"ament_index_python", "launch", "launch_ros", "rclpy"}

# Who brings what is installed only where there is a GPU.
GPU = {"tensorrt": ["tensorrt"], "cuda": ["cuda-bindings"]}


def imported(folder: Path) -> set[str]:
    """Top-level names that the folder's modules import, less the standard library's and our own."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add((node.module or "").partition(".")[0])
    return {n for n in names if n not in sys.stdlib_module_names and not n.startswith("vlingnav")}


def is_ros(name: str) -> bool:
    return name in ROS or name.endswith(("_msgs", "_srvs", "_interfaces"))


@pytest.mark.parametrize("folder", EXTRAS)
def test_every_import_is_declared(folder: str) -> None:
    requirements = [*PROJECT["dependencies"]]
    for extra in EXTRAS[folder]:
        requirements += PROJECT["optional-dependencies"][extra]
    declared = {requirement.split(">")[0].split("<")[0].split("=")[0].lower() for requirement in requirements}
    distributions = packages_distributions()
    for name in imported(ROOT / folder):
        if is_ros(name):
            assert "ros" in EXTRAS[folder], f"{folder} imports {name}, and only the robot may use ROS"
            continue
        brought_by = {d.lower().replace("_", "-") for d in distributions.get(name, GPU.get(name, []))}
        assert brought_by & declared, f"{folder} imports {name}, which no extra of {EXTRAS[folder]} declares"
