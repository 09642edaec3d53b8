"""What lies where, and that versions and pins agree."""

from __future__ import annotations

import re
import subprocess
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"ros2_ws", "models", "sim", "launch", "docker", "tests", "datasets"}
FILES = {
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
}
TOOLS = {".ci", ".gitignore", ".gitattributes"}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = (ROOT / "constraints.txt").read_text().splitlines()


def tracked() -> list[str]:
    """What git has or would take: everything but what .gitignore names."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to it")
    return [line for line in done.stdout.splitlines() if (ROOT / line).exists()]


def canonical(requirement: str) -> str:
    """The name in a requirement, as package indexes compare them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]).lower()


def direct() -> set[str]:
    """The packages that pyproject.toml names."""
    project = PYPROJECT["project"]
    listed = [project["dependencies"], *project["optional-dependencies"].values()]
    return {canonical(requirement) for requirements in listed for requirement in requirements}


def test_top_level_entries() -> None:
    entries = {Path(line).parts[0] for line in tracked()}
    assert not entries - FOLDERS - FILES - TOOLS


def test_top_level_folders_are_no_packages() -> None:
    # `launch` and `datasets` would take the place of ROS's and Hugging Face's packages.
    assert not [folder for folder in FOLDERS if (ROOT / folder / "__init__.py").exists()]
    assert not (ROOT / "setup.py").exists(), "colcon would take the root for a package and look no further"


def test_no_sys_path_edits() -> None:
    edits = re.compile(r"sys\.path\.(insert|append|extend)|sys\.path\s*[+=]")
    files = [
        ROOT / line for line in tracked() if line.endswith(".py") and line != "tests/layout/test_tree.py"
    ]
    assert not [path for path in files if edits.search(path.read_text(encoding="utf-8"))]


def test_versions_are_equal() -> None:
    setup = (ROOT / "ros2_ws/src/vlingnav/setup.py").read_text()
    versions = {"pyproject.toml": PYPROJECT["project"]["version"]}
    versions["setup.py"] = re.search(r'(?i)version\s*=\s*"([^"]+)"', setup)[1]
    for package in ("vlingnav", "vlingnav_interfaces"):
        manifest = ElementTree.parse(ROOT / "ros2_ws/src" / package / "package.xml").getroot()
        versions[f"{package}/package.xml"] = manifest.findtext("version")
    assert len(set(versions.values())) == 1, versions


def test_every_pin_is_exact_and_known_once() -> None:
    pins = [line.partition("#")[0].strip() for line in CONSTRAINTS]
    pins = [pin for pin in pins if pin]
    assert not [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin)]
    names = [canonical(pin) for pin in pins]
    assert len(names) == len(set(names))


def test_every_direct_dependency_is_pinned_with_a_reason() -> None:
    pins = {canonical(line): line for line in CONSTRAINTS if "==" in line}
    assert not direct() - pins.keys()
    assert not [
        line for name, line in pins.items() if name in direct() and not re.search(r"  # \w.{5,}", line)
    ]


def test_launch_files_are_linked_into_the_ros_package() -> None:
    link = ROOT / "ros2_ws/src/vlingnav/launch"
    assert link.is_symlink()
    assert {path.name for path in link.iterdir()} == {path.name for path in (ROOT / "launch").iterdir()}
