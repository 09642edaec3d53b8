"""What a dataset holds: the columns of a frame, the columns of an episode, and ours for navigation.

The terms are LeRobot's (`features` in meta/info.json): a column has a dtype, a shape and names. A recorder
that knows more (interventions, rewards, phases) extends the schema instead of inventing a format:

    navigation_schema(96, 128).extended(frame={"intervention": Feature("bool")})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Every LeRobot dataset has these; the writer fills them in.
DEFAULT_FEATURES = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
NUMBERS = ("bool", "uint8", "int32", "int64", "float32", "float64")
EPISODE_TYPES = {"bool": bool, "int64": int, "float64": float, "string": str}
# Columns of an episode that belong to the layout.
_TAKEN = ("episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index")

FRONT = "observation.images.front"
GOAL = "observation.images.goal"


@dataclass(frozen=True)
class Feature:
    """One column of a frame.

    Attributes:
        dtype: "video" for pictures, "string" for text, or one of `NUMBERS`.
        shape: of one value: `(H, W, 3)` of a picture, `(D,)` of a vector, `(1,)` of a scalar or text.
        names: of a vector's elements, or of a picture's axes.
        info: what else a reader should know; kept beside the feature in meta/info.json.

    Raises:
        ValueError: dtype and shape are not ones that this package reads and writes.
    """

    dtype: str
    shape: tuple[int, ...] = (1,)
    names: tuple[str, ...] | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dtype == "video":
            if len(self.shape) != 3 or self.shape[2] != 3 or self.shape[0] % 2 or self.shape[1] % 2:
                raise ValueError(f"a video must be (even height, even width, 3), not {self.shape}")
        elif self.dtype == "string":
            if self.shape != (1,):
                raise ValueError(f"a text column has shape (1,), not {self.shape}")
        elif self.dtype not in NUMBERS:
            raise ValueError(f'dtype {self.dtype!r} is none of "video", "string", {", ".join(NUMBERS)}')
        elif len(self.shape) != 1 or self.shape[0] < 1:
            raise ValueError(f"a column of numbers holds vectors (D,), not {self.shape}; flatten it")
        elif self.names is not None and len(self.names) != self.shape[0]:
            raise ValueError(f"{self.shape[0]} elements cannot have the {len(self.names)} names {self.names}")

    def checked(self, key: str, value: Any) -> Any:
        """`value` as this column stores it: a str, a picture, or a vector `(D,)` of its dtype.

        Raises:
            ValueError: another type or shape, or a number that is not finite; the message names `key`.
        """
        if self.dtype == "string":
            if not isinstance(value, str):
                raise ValueError(f"{key} must be text, not {type(value).__name__}")
            return value
        array = np.asarray(value)
        if self.dtype == "video":
            if array.shape != self.shape or array.dtype != np.uint8:
                raise ValueError(f"{key} must be {self.shape} uint8, not {array.shape} {array.dtype}")
            return array
        if array.shape != self.shape and not (array.shape == () and self.shape == (1,)):
            raise ValueError(f"{key} must have shape {self.shape}, not {array.shape}")
        if not np.can_cast(array.dtype, self.dtype, "same_kind"):
            raise ValueError(f"{key} must be {self.dtype}, not {array.dtype}")
        if not np.isfinite(array).all():
            raise ValueError(f"{key} must be finite, not {array.tolist()}")
        return array.astype(self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class Schema:
    """Columns of a frame, and what is said once an episode.

    Attributes:
        frame: feature of each column.
        episode: type of each column, one of `EPISODE_TYPES`.

    Raises:
        ValueError: a column's name or type is not possible.
    """

    frame: Mapping[str, Feature]
    episode: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [name for name in (*self.frame, *self.episode) if "/" in name or not name]
        wrong += [name for name in self.frame if name in DEFAULT_FEATURES]
        wrong += [name for name in self.episode if name in _TAKEN]
        if wrong:
            raise ValueError(f"no column may be called {wrong[0]!r}: the layout uses that name, or a / in it")
        for name, kind in self.episode.items():
            if kind not in EPISODE_TYPES:
                raise ValueError(f"{name} has type {kind!r}, which is none of {', '.join(EPISODE_TYPES)}")

    @property
    def videos(self) -> dict[str, Feature]:
        """The columns of pictures."""
        return {key: feature for key, feature in self.frame.items() if feature.dtype == "video"}

    def extended(
        self, frame: Mapping[str, Feature] | None = None, episode: Mapping[str, str] | None = None
    ) -> Schema:
        """This schema and further columns."""
        return Schema({**self.frame, **(frame or {})}, {**self.episode, **(episode or {})})


def picture(height: int, width: int) -> Feature:
    """A column of pictures `(height, width, 3)` uint8."""
    return Feature("video", (height, width, 3), ("height", "width", "channels"))


def navigation_schema(
    height: int, width: int, waypoints: int = 8, waypoint_dt_s: float = 0.2, goal_image: bool = True
) -> Schema:
    """What a VLingNav episode holds; its instruction is the episode's task.

    - `observation.images.front`: what the robot saw.
    - `observation.images.goal`: the goal image, the same in every frame and black where the goal is in words
      alone. As one more camera every LeRobot reader and policy finds it where it looks for pictures, and a
      picture that does not change costs a video next to nothing.
    - `observation.state`: pose x, y [m], yaw [rad] by odometry, and body velocity [m/s, m/s, rad/s].
    - `action`: the expert's trajectory, T waypoints x, y [m], yaw [rad] in the body frame one after another;
      `reshape(-1, T, 3)` gives them back.
    - `stop`: whether the expert would stop here. Not `next.done`, which another driver decides.
    - `thought`, `summary`: the labels, empty where there is none. `facts`: JSON text, what was known.

    Args:
        height, width: of the pictures [px], even.
        waypoints, waypoint_dt_s: T and spacing [s] of a trajectory.
        goal_image: whether any goal of the dataset is an image.
    """
    pictures = {FRONT: picture(height, width)}
    if goal_image:
        pictures[GOAL] = picture(height, width)
    axes = [f"{axis}_{k}" for k in range(waypoints) for axis in ("x", "y", "yaw")]
    return Schema(
        frame={
            **pictures,
            "observation.state": Feature("float32", (6,), ("x", "y", "yaw", "vx", "vy", "wz")),
            "action": Feature(
                "float32",
                (3 * waypoints,),
                tuple(axes),
                {"waypoints": waypoints, "waypoint_dt_s": waypoint_dt_s},
            ),
            "stop": Feature("bool"),
            "thought": Feature("string"),
            "summary": Feature("string"),
            "facts": Feature("string"),
        },
        episode={"house": "int64", "kind": "string", "success": "bool"},
    )
