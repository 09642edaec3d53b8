"""The world on MuJoCo 4.0.0, which we do not pin yet: fetched beside the environment, run on its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("mujoco==4.0.0", "mujoco-core==4.0.0")
PROGRAM = """
import mujoco
import numpy as np
from vlingnav_sim.house import generate
from vlingnav_sim.simulator import Simulator
for seed in range(5):
    with Simulator(generate(seed)) as simulator:
        simulator.step(np.array([[0.3, 0.0, 0.5]]), 0.5)
        seen = simulator.observe()
        assert seen.rgb.std() > 1.0 and np.isfinite(simulator.pose()).all()
        assert len(simulator.scan().ranges) == 180
print(mujoco.__version__)
"""


def test_houses_compile_render_and_step_on_mujoco_4(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    target = Path(pytestconfig.cache.mkdir("mujoco-4.0.0"))
    if not (target / "mujoco").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
        if subprocess.run([*command, *PACKAGES], capture_output=True).returncode:
            pytest.skip("MuJoCo 4.0.0 cannot be fetched here")
    environment = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("4.0.0")
