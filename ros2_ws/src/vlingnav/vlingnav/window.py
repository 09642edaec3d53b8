"""MuJoCo's window on the simulated world, looking over the robot's shoulder from above."""

from __future__ import annotations

import os
import time
from typing import Any

from vlingnav_sim import scene
from vlingnav_sim.robots import body_name
from vlingnav_sim.simulator import Simulator


class Window:
    """A window that follows robot 0; closing it by hand ends nothing but the window."""

    def __init__(self, world: Simulator) -> None:
        import mujoco
        import mujoco.viewer

        self._viewer: Any = mujoco.viewer.launch_passive(
            world.model, world.data, show_left_ui=False, show_right_ui=False
        )
        with self._viewer.lock():
            self._viewer.opt.geomgroup[scene.CEILING_GROUP] = 0
            camera = self._viewer.cam
            camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
            camera.trackbodyid = world.model.body(body_name(0)).id
            camera.distance, camera.azimuth, camera.elevation = 6.0, 90.0, -60.0

    @staticmethod
    def possible() -> bool:
        """Whether there is a display to open one on."""
        return bool(os.environ.get("DISPLAY"))

    def draw(self) -> None:
        """Show the world as it is now."""
        if self._viewer.is_running():
            self._viewer.sync()

    def close(self) -> None:
        """Close it, and wait for its thread, which would go on drawing into what is gone."""
        self._viewer.close()
        deadline = time.monotonic() + 1.0
        while self._viewer.is_running() and time.monotonic() < deadline:
            time.sleep(0.01)
