"""Who may import whom. The rooms stay apart only as long as something fails when they do not."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROOMS = {
    "vlingnav_policy": ROOT / "models/vlingnav_policy",
    "vlingnav_safety": ROOT / "models/vlingnav_safety",
    "vlingnav_train": ROOT / "models/vlingnav_train",
    "vlingnav_cli": ROOT / "models/vlingnav_cli",
    "vlingnav_sim": ROOT / "sim/vlingnav_sim",
    "vlingnav_datasets": ROOT / "datasets/vlingnav_datasets",
    "vlingnav": ROOT / "ros2_ws/src/vlingnav/vlingnav",
}
# Besides itself. Whoever brings subcommands may import the program, for its UserError.
MAY_IMPORT = {
    "vlingnav_policy": {"vlingnav_cli"},
    "vlingnav_safety": set(),
    "vlingnav_cli": set(),
    "vlingnav_datasets": {"vlingnav_policy", "vlingnav_cli"},
    "vlingnav_sim": {"vlingnav_policy", "vlingnav_safety", "vlingnav_datasets", "vlingnav_cli"},
    "vlingnav_train": {
        "vlingnav_policy",
        "vlingnav_safety",
        "vlingnav_datasets",
        "vlingnav_sim",
        "vlingnav_cli",
    },
    "vlingnav": {"vlingnav_policy", "vlingnav_safety", "vlingnav_datasets", "vlingnav_sim", "vlingnav_cli"},
}
# What a robot that only decides, or only brakes, must not have to load (numba itself loads scipy).
HEAVY = {"torch", "rclpy", "mujoco", "onnxruntime", "gymnasium", "websockets", "msgpack", "PIL"}
LIGHT = ("vlingnav_policy", "vlingnav_safety", "vlingnav_cli", "vlingnav_sim", "vlingnav_train", "vlingnav")


def rooms_imported_by(source: str) -> set[str]:
    """Our packages that a module's text imports anywhere in it, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found |= {
                arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            }
    return {name.partition(".")[0] for name in found} & ROOMS.keys()


def loaded_by(module: str) -> set[str]:
    """The top-level modules in `sys.modules` after importing one in a fresh interpreter."""
    code = f"import sys, json, {module}; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_it_may(room: str) -> None:
    for path in ROOMS[room].rglob("*.py"):
        strangers = rooms_imported_by(path.read_text(encoding="utf-8")) - {room} - MAY_IMPORT[room]
        assert not strangers, f"{path.relative_to(ROOT)} imports {', '.join(strangers)}"


def test_lazy_and_dynamic_imports_are_seen() -> None:
    assert rooms_imported_by("def f():\n    from vlingnav_sim.house import generate") == {"vlingnav_sim"}
    assert rooms_imported_by("import importlib\nimportlib.import_module('vlingnav.graph')") == {"vlingnav"}


@pytest.mark.parametrize("room", LIGHT)
def test_importing_a_room_loads_nothing_heavy(room: str) -> None:
    loaded = loaded_by(room)
    assert not loaded & HEAVY
    assert not (loaded & ROOMS.keys()) - {room} - MAY_IMPORT[room]


def test_something_heavy_would_be_seen() -> None:
    assert "gymnasium" in loaded_by("gymnasium.spaces")


def test_every_room_is_packaged() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    rooms = {str(path.relative_to(ROOT)) for name, path in ROOMS.items() if name != "vlingnav"}
    assert set(wheel["packages"]) == rooms
