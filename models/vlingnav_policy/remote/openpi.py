"""`openpi://`: a policy server of openpi, for models that were trained to drive a base.

The server sends one message of metadata, then answers each observation by a chunk of actions, both in
MessagePack as in `codec`; text is an error of its, after which it hangs up. openpi leaves the names of the
inputs to each model. Ours are those of its examples:

    observation/image      (H, W, 3) uint8
    observation/state      (3 + P,) float32: vx, vy [m/s], wz [rad/s], then the proprioception
    observation/goal_image (H, W, 3) uint8, when the goal is an image
    prompt                 the instruction

`actions` `(H, D)` become a trajectory with a row for each, `?dt_s=` apart (0.1 s):

    ?actions=velocity      rows vx, vy, wz in the body frame of their own time, or vx, wz (D = 2) for a base
                           that cannot move sideways; each is held for dt_s, and the trajectory is where that
                           leads
    ?actions=waypoints     rows x, y [m], yaw [rad] in the body frame of the observation

openpi has no word for the end of a task. A server that knows it may add `stop` to its answers; without it
the goal goes on until its time is up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.remote import codec
from vlingnav_policy.remote.address import Address
from vlingnav_policy.remote.base import BadAnswer, RemotePolicy, rows
from vlingnav_policy.remote.link import Link
from vlingnav_policy.se2 import compose, exponential
from vlingnav_policy.types import Decision, Goal, Observation, PolicyUnavailable


class OpenpiPolicy(RemotePolicy):
    """A model behind openpi's server as a `Policy`; it neither thinks nor writes.

    Args:
        url: `openpi://[KEY@]HOST:PORT[?timeout_s=1&dt_s=0.1&actions=velocity&tls=0]`.

    Raises:
        ManifestError: `url` is no such address.
    """

    def __init__(self, url: str) -> None:
        address = Address.parse(url, {"dt_s": "0.1", "actions": "velocity"}, "OPENPI_API_KEY")
        self._dt = address.positive("dt_s")
        self._velocities = address.one_of("actions", "velocity", "waypoints") == "velocity"
        headers = {"Authorization": f"Api-Key {address.token}"} if address.token else {}
        super().__init__(Link(address, headers, greeted=True))

    def _tell(self, goal: Goal) -> None:
        """Its models remember nothing; the goal goes with every observation."""

    def _decide(self, goal: Goal, observation: Observation) -> Decision:
        answer = self._link.ask(codec.pack(inputs(goal, observation)))
        if isinstance(answer, str):
            self._link.close()  # as the server does
            # The last line of the traceback that openpi sends says what went wrong.
            raise PolicyUnavailable(f"{self._link.address} failed: {answer.strip().rpartition(chr(10))[2]}")
        try:
            fields = codec.unpack(answer)
            stop = bool(fields.get("stop", False))
            actions = fields.get("actions") if stop else fields["actions"]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise BadAnswer("something that holds no actions") from error
        chunk = rows(actions, (2, 3) if self._velocities else (3,), "actions", least=0 if stop else 1)
        return Decision(
            trajectory=driven(chunk, self._dt) if self._velocities else chunk,
            dt=self._dt,
            stamp=observation.stamp,
            stop=stop,
            timings=_timings(fields.get("server_timing")),
        )


def inputs(goal: Goal, observation: Observation) -> dict[str, Any]:
    """What a model is given.

    Raises:
        ValueError: there is no odometry.
    """
    if observation.odometry is None:
        raise ValueError("the state is the velocity by odometry, and the observation has none")
    body = observation.proprioception if observation.proprioception is not None else ()
    given: dict[str, Any] = {
        "observation/image": observation.rgb,
        "observation/state": np.concatenate([observation.odometry.velocity, body]).astype(np.float32),
        "prompt": goal.instruction,
    }
    return given if goal.image is None else {**given, "observation/goal_image": goal.image}


def driven(velocities: NDArray[np.float32], dt: float) -> NDArray[np.float32]:
    """Poses `(T, 3)` after each of the body velocities `(T, 3)`, or `(T, 2)` vx, wz, held for `dt` [s]."""
    if velocities.shape[1] == 2:
        velocities = np.insert(velocities, 1, 0.0, axis=1)
    poses = np.zeros((len(velocities) + 1, 3))
    for k, velocity in enumerate(velocities.astype(np.float64)):
        poses[k + 1] = compose(poses[k], exponential(velocity * dt))
    return poses[1:].astype(np.float32)


def _timings(told: Any) -> Mapping[str, float]:
    spent = told.get("infer_ms") if isinstance(told, dict) else None
    return {"server": float(spent) / 1e3} if isinstance(spent, int | float) else {}
