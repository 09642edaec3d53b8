"""The search task as a Gymnasium environment; every reset is another house.

`gymnasium.make("VLingNav/Navigate-v0")` after `import vlingnav_sim.env`, or `make_vector` for one process a
core. The action is a body velocity and a stop; the safety filter stands before the motors as on the robot,
unless switched off.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from vlingnav_sim.episode import filtered, safety_filter
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.measures import Scorer
from vlingnav_sim.robots import ROBOTS
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import FIRST_HELD_OUT_HOUSE, sample_task


@dataclass(frozen=True)
class EnvConfig:
    """Everything one may want to change, rewards in one block.

    Attributes:
        houses: seeds drawn from, first included, last not. max_rooms: of a house. robot: name in `ROBOTS`.
        period_s: one step [s]. control_s: period of the safety filter [s]. safety: whether it is there.
        progress: reward for a metre nearer. success: for stopping at the target. step: for every step.
        collision: for each collision.
    """

    houses: tuple[int, int] = (0, FIRST_HELD_OUT_HOUSE)
    max_rooms: int = 4
    robot: str = "diff"
    period_s: float = 0.4
    control_s: float = 0.05
    safety: bool = True
    progress: float = 1.0
    success: float = 10.0
    step: float = -0.01
    collision: float = -0.5


class NavigateEnv(gymnasium.Env[dict[str, Any], NDArray[np.float32]]):
    """Find what the instruction names and stop there.

    Observation: `rgb (H, W, 3)` uint8, `depth (H, W)` [m], `odometry (6,)` pose and body velocity,
    `instruction` text. Action `(4,)` in [-1, 1]: forward, left, turn as shares of the robot's limits; above
    0.5 the last says stop.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2.5}

    def __init__(self, config: EnvConfig = EnvConfig(), render_mode: str | None = None) -> None:
        self.config, self.render_mode = config, render_mode
        if config.robot not in ROBOTS:
            raise ValueError(f"unknown robot {config.robot!r}; choose one of {', '.join(ROBOTS)}")
        self._robot = ROBOTS[config.robot]
        camera = self._robot.camera
        size = (camera.height, camera.width)
        self.observation_space = spaces.Dict(
            {
                "rgb": spaces.Box(0, 255, (*size, 3), np.uint8),
                "depth": spaces.Box(0.0, np.inf, size, np.float32),
                "odometry": spaces.Box(-np.inf, np.inf, (6,), np.float32),
                "instruction": spaces.Text(64, charset=string.ascii_lowercase + " "),
            }
        )
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        self._simulator: Simulator | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Build another house; `options={"house": SEED}` asks for a certain one."""
        super().reset(seed=seed)
        while True:
            asked = (options or {}).get("house")
            house_seed = int(self.np_random.integers(*self.config.houses)) if asked is None else int(asked)
            house = generate(house_seed, HouseConfig(max_rooms=self.config.max_rooms))
            grid = OccupancyGrid.from_house(house)
            try:
                task = sample_task(house, grid)
                break
            except ValueError:
                if asked is not None:
                    raise
        self.close()
        simulator = self._simulator = Simulator(house, (self._robot,), seed=house_seed)
        simulator.reset(np.array([task.start]))
        self._task = task
        self._filter = safety_filter(self._robot, self.config.control_s) if self.config.safety else None
        self._scorer = Scorer(simulator, task, grid)
        self._distance, self._collisions = self._scorer.distance_to_goal_m(), 0
        return self._observe(simulator), {"house": house_seed, "shortest_path_m": task.shortest_path_m}

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Drive for one period, or stop."""
        simulator, config = self._simulator, self.config
        if simulator is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        stop = bool(action[3] > 0.5)
        if not stop:
            desired = np.clip(action[:3], -1.0, 1.0).astype(np.float64) * np.array(
                self._robot.limits.velocity
            )
            for _ in range(round(config.period_s / config.control_s)):
                command = desired if self._filter is None else filtered(simulator, 0, self._filter, desired)
                simulator.step(command[None], config.control_s)
                self._scorer.update()
        measures = self._scorer.score(stop)
        reward = config.step + config.progress * (self._distance - measures.distance_to_goal_m)
        reward += config.success * measures.success + config.collision * (
            measures.collisions - self._collisions
        )
        self._distance, self._collisions = measures.distance_to_goal_m, measures.collisions
        late = simulator.time >= self._task.time_limit_s
        return self._observe(simulator), float(reward), stop, late and not stop, {"measures": measures}

    def render(self) -> NDArray[np.uint8] | None:
        """What the camera sees, with render mode "rgb_array"."""
        if self.render_mode is None or self._simulator is None:
            return None
        return self._simulator.observe().rgb

    def close(self) -> None:
        """Free the house in use."""
        if self._simulator is not None:
            self._simulator.close()
            self._simulator = None

    def _observe(self, simulator: Simulator) -> dict[str, Any]:
        observation = simulator.observe()
        assert observation.odometry is not None
        odometry = observation.odometry
        return {
            "rgb": observation.rgb,
            "depth": observation.depth,
            "odometry": np.concatenate([odometry.pose, odometry.velocity]).astype(np.float32),
            "instruction": self._task.goal.instruction,
        }


gymnasium.register("VLingNav/Navigate-v0", entry_point="vlingnav_sim.env:NavigateEnv")


def make_vector(count: int, config: EnvConfig = EnvConfig()) -> gymnasium.vector.AsyncVectorEnv:
    """`count` environments, each in a process of its own."""
    return gymnasium.vector.AsyncVectorEnv([lambda: NavigateEnv(config)] * count, context="spawn")
