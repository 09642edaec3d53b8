"""`sim`: the simulated world as the drivers of a robot, and the clock everything else follows.

Steps run on the steady clock, so a world that is too slow for the machine is a slow world, not a jerky
one. Like a real base it stands when commands stop coming. `fault` breaks a sensor while running, which
is how the tests ask what the rest does then.
"""

from __future__ import annotations

import math

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter as RosParameter
from rosgraph_msgs.msg import Clock

from vlingnav import convert, topics
from vlingnav.missions import missions
from vlingnav.node import Fault, ManagedNode, run
from vlingnav.params import Parameter
from vlingnav.sim_robot import SimRobot
from vlingnav.sim_scores import SimScores
from vlingnav.window import Window
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig
from vlingnav_sim.robots import ROBOTS
from vlingnav_sim.scene import PERSON_RADIUS
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import (
    house_holding,
    sample_task,
    task_for,
)

STEP_S = 0.05
FAULTS = ("none", "camera_lost", "odometry_nan")


class SimNode(ManagedNode):
    """One robot in one house, or several."""

    PARAMETERS = (
        Parameter("robot", "diff", "Kind of robot, a key of vlingnav_sim.robots.ROBOTS."),
        Parameter("house", 800003, "Seed of the house.", (0, 999_999_999)),
        Parameter("max_rooms", 4, "Largest number of rooms.", (1, 8)),
        Parameter(
            "contains",
            "",
            'What the house must hold, e.g. "the red chair": a variant of it that does is built.',
        ),
        Parameter("start", 0, "Which of the house's starts the robot stands at.", (0, 10_000)),
        Parameter(
            "robots",
            "",
            "Namespaces of several robots, separated by commas; empty for one, in the node's own.",
        ),
        Parameter("people", True, "Whether people walk about."),
        Parameter("headless", False, "Open no window on the world."),
        Parameter("real_time_factor", 1.0, "Seconds of the world per second.", (0.05, 5.0)),
        Parameter("camera_rate_hz", 10.0, "Images per second of the world.", (0.5, 20.0)),
        Parameter("scan_rate_hz", 10.0, "Scans per second of the world.", (0.5, 20.0)),
        Parameter("publish_depth", False, "Publish depth images too."),
        Parameter(
            "publish_people",
            False,
            "Publish where the people are: of each robot those whom its lidar sees, and all of them.",
        ),
        Parameter(
            "command_timeout_s", 0.5, "The base stands when no command came for this long.", (0.05, 5.0)
        ),
        Parameter("fault", "none", f"Sensor fault to simulate: {', '.join(FAULTS)}."),
        Parameter("odom_frame", "odom", "Frame of the odometry."),
        Parameter("map_frame", "map", "Frame of the ground truth."),
        Parameter("base_frame", "base_link", "Frame of the robot's body."),
        Parameter("camera_frame", "camera_optical_frame", "Frame of images and depth."),
        Parameter("lidar_frame", "lidar", "Frame of scans."),
    )

    def __init__(self) -> None:
        super().__init__("sim")
        self._world: Simulator | None = None
        self._window: Window | None = None
        self.add_on_set_parameters_callback(self._check)

    def configure(self) -> None:
        """Build the house, put the robot in it."""
        name = self.param("robot")
        if name not in ROBOTS:
            raise Fault(f"there is no robot {name!r}; choose one of: {', '.join(ROBOTS)}")
        robot = ROBOTS[name]
        config, contains = HouseConfig(max_rooms=self.param("max_rooms")), self.param("contains")
        house = house_holding(self.param("house"), contains, config)
        grid = OccupancyGrid.from_house(house, radius=robot.radius)
        names = [n.strip() for n in self.param("robots").split(",") if n.strip()] or [""]
        self._world = Simulator(house, [robot] * len(names), people=self.param("people"))
        rng = np.random.default_rng([house.seed, self.param("start")])
        asked = task_for(house, grid, contains, rng) if contains else None
        task = asked or sample_task(house, grid, self.param("start"))
        try:
            tasks = [task] if len(names) == 1 else missions(house, len(names))
        except ValueError as error:
            raise Fault(str(error)) from error
        self._world.reset(np.array([each.start for each in tasks]))
        self._clock_out = self.output(topics.CLOCK)
        self._people_out = self.output(topics.PEOPLE_TRUTH)
        self._robots = [SimRobot(self, index, name) for index, name in enumerate(names)]
        self._scores = [SimScores(self, self._world, grid, index, name) for index, name in enumerate(names)]
        self.every(STEP_S / self.param("real_time_factor"), self._step)
        if not self.param("headless"):
            if Window.possible():
                self._window = Window(self._world)
            else:
                self.get_logger().info("there is no display, so no window opens on the simulation")

    def release(self) -> None:
        """Close the window and the renderer."""
        if self._window is not None:
            self._window.close()
        if self._world is not None:
            self._world.close()
        self._window = self._world = None

    def _check(self, changes: list[RosParameter]) -> SetParametersResult:
        for change in changes:
            if change.name == "fault" and change.value not in FAULTS:
                return SetParametersResult(successful=False, reason=f"a fault is one of: {', '.join(FAULTS)}")
        return SetParametersResult(successful=True)

    def _step(self) -> None:
        world = self._world
        assert world is not None
        world.step(np.array([robot.command() for robot in self._robots]), STEP_S)
        for score in self._scores:
            score.update()
        self.diagnostics.count("step")
        self._clock_out.publish(Clock(clock=convert.stamp(world.time)))
        scan = self._due(self.param("scan_rate_hz"))
        camera = self._due(self.param("camera_rate_hz")) and self.param("fault") != "camera_lost"
        if scan and self.param("publish_people"):
            self._people_out.publish(
                convert.people(world.people(), PERSON_RADIUS, world.time, self.param("map_frame"))
            )
        for robot in self._robots:
            robot.publish_odometry(world)
            if scan:
                robot.publish_scan(world)
            if camera:
                robot.publish_camera(world)
        if self._window is not None:
            self._window.draw()

    def _due(self, rate_hz: float) -> bool:
        """Whether something that happens `rate_hz` times a second happens on this step."""
        assert self._world is not None
        now = self._world.time + 1e-6
        return math.floor(now * rate_hz) > math.floor((now - STEP_S) * rate_hz)


def main() -> None:
    """Entry point of `vlingnav_sim`."""
    run(SimNode)


if __name__ == "__main__":
    main()
