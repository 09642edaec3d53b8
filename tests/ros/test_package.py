"""The ROS package as colcon, pip and `ros2 launch` see it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from vlingnav import graph, topics

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ros2_ws" / "src" / "vlingnav"


def setup(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "setup.py", *words], cwd=folder, capture_output=True, text=True)


def test_versions_agree() -> None:
    version = ElementTree.parse(PACKAGE / "package.xml").findtext("version")
    assert setup(PACKAGE, "--version").stdout.strip() == version


def test_a_build_without_launch_files_fails(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "vlingnav", symlinks=True)
    done = setup(tmp_path / "vlingnav", "--version")
    assert done.returncode != 0
    assert "launch" in done.stderr


def test_launch_is_a_link_to_the_top_level_folder() -> None:
    assert (PACKAGE / "launch").is_symlink()
    assert (PACKAGE / "launch").resolve() == ROOT / "launch"
    demos = {file.name.removesuffix(".launch.py") for file in (ROOT / "launch").glob("*.launch.py")}
    assert demos == set(graph.DEMOS)


def test_every_node_has_a_program_and_a_parameter_file() -> None:
    text = (PACKAGE / "setup.py").read_text(encoding="utf-8")
    for node in graph.NODES.values():
        assert f'"{node.name}"' in text, "setup.py makes vlingnav_<node> of each name in NODES"
        assert (PACKAGE / "vlingnav" / f"{node.name}_node.py").is_file()
        assert (PACKAGE / "config" / f"{node.name}.yaml").is_file()


@pytest.mark.parametrize("demo", sorted(graph.DEMOS))
def test_launch_files_parse_and_describe_their_arguments(demo: str) -> None:
    pytest.importorskip("launch.actions", reason="ROS 2's launch is not on PyPI")
    pytest.importorskip("launch_ros.actions", reason="ROS 2's launch_ros is not on PyPI")
    from launch.launch_description_sources import get_launch_description_from_python_launch_file
    from launch_ros.actions import LifecycleNode

    description = get_launch_description_from_python_launch_file(str(ROOT / "launch" / f"{demo}.launch.py"))
    arguments = description.get_launch_arguments()
    assert {a.name for a in arguments} == {a.name for a in graph.arguments(demo)}
    assert all(a.description for a in arguments)
    nodes = [entity for entity in description.entities if isinstance(entity, LifecycleNode)]
    assert len(nodes) == len(graph.placed(demo, "robot", record=True))


def test_rviz_shows_topics_that_there_are() -> None:
    (file,) = (PACKAGE / "rviz").glob("*.rviz")
    displays = yaml.safe_load(file.read_text(encoding="utf-8"))["Visualization Manager"]["Displays"]
    shown = {d["Topic"]["Value"]: d["Topic"] for d in displays if "Topic" in d}
    known = {f"/robot/{t.name}": t.qos for t in vars(topics).values() if isinstance(t, topics.Topic)}
    assert len(shown) == 5
    for name, topic in shown.items():
        policies = known[name].reliability.name, known[name].durability.name
        written = topic["Reliability Policy"], topic["Durability Policy"]
        assert tuple(p.upper().replace(" ", "_") for p in written) == policies
