"""A target in RViz that is dragged like a carrot on a stick: while the mouse holds it, the robot follows it.

The server's side of RViz's display "InteractiveMarkers", as the package `interactive_markers` (Jazzy) speaks
it: the marker by a service, changes and a sign of life on `update`, what the mouse does on `feedback`. One
marker that only ever moves needs none of that package's bookkeeping, and it is not among the wheels.

The marker hovers over the robot, in its frame, and moves with it. Pressing the mouse's button on it takes the
robot, dragging drives, letting go gives it back; RViz repeats four times a second what the mouse holds, and
when it is silent the robot stands.
"""

from __future__ import annotations

import math

from geometry_msgs.msg import Pose, Quaternion
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import (
    InteractiveMarker,
    InteractiveMarkerControl,
    InteractiveMarkerFeedback,
    InteractiveMarkerPose,
    InteractiveMarkerUpdate,
    Marker,
)

from vlingnav.arbitration import Velocity
from vlingnav.teleoperation import Hand

NAME = "target"
HEIGHT_M = 1.0
REACH_M = 1.5
"""Distance of the target at which the robot drives as fast as it may [m]."""
TURNING_M = 0.3
"""Distance at which it turns as fast as it may: a bearing is worth less the closer the target is [m]."""
_COLOUR = ColorRGBA(r=0.95, g=0.45, b=0.1, a=0.9)
_UPWARDS = Quaternion(w=math.sqrt(0.5), y=math.sqrt(0.5))  # a plane's normal is the x axis of its control


def marker(frame: str) -> InteractiveMarker:
    """The target at home, in `frame`, that of the robot's body; it can be dragged to where it is to go."""
    ball = Marker(type=Marker.SPHERE, color=_COLOUR)
    ball.scale.x = ball.scale.y = ball.scale.z = 0.25
    control = InteractiveMarkerControl(
        name="drag",
        interaction_mode=InteractiveMarkerControl.MOVE_PLANE,
        orientation=_UPWARDS,
        always_visible=True,
        markers=[ball],
    )
    target = InteractiveMarker(
        name=NAME, description="drag to drive", pose=_home(), scale=0.4, controls=[control]
    )
    target.header.frame_id = frame  # and no stamp: it moves with the frame
    return target


def back_home(frame: str, number: int) -> InteractiveMarkerUpdate:
    """Update `number`, which puts the target where it belongs."""
    pose = InteractiveMarkerPose(name=NAME, pose=_home())
    pose.header.frame_id = frame
    return InteractiveMarkerUpdate(
        server_id=NAME, seq_num=number, type=InteractiveMarkerUpdate.UPDATE, poses=[pose]
    )


def alive(number: int) -> InteractiveMarkerUpdate:
    """What RViz wants to hear now and then, after update `number`."""
    return InteractiveMarkerUpdate(server_id=NAME, seq_num=number, type=InteractiveMarkerUpdate.KEEP_ALIVE)


def read(message: InteractiveMarkerFeedback, frame: str, top: Velocity) -> Hand:
    """What the mouse says.

    Args:
        frame: of the robot's body. top: velocity of the robot at `REACH_M` and more.

    Raises:
        ValueError: it is of another marker or frame, or not finite.
    """
    if (message.marker_name, message.header.frame_id) != (NAME, frame):
        raise ValueError(
            f"feedback of marker {message.marker_name!r} in frame {message.header.frame_id!r}, where "
            f"{NAME!r} in {frame!r} was offered; add the display InteractiveMarkers anew in RViz"
        )
    held = (
        InteractiveMarkerFeedback.MOUSE_DOWN,
        InteractiveMarkerFeedback.POSE_UPDATE,
        InteractiveMarkerFeedback.KEEP_ALIVE,
    )
    if message.event_type not in held:
        return Hand()
    x, y = message.pose.position.x, message.pose.position.y
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"a target at {x}, {y} is nowhere; drag it anew")
    distance, bearing = math.hypot(x, y), math.atan2(y, x)
    speed = top[0] * min(distance / REACH_M, 1.0) * max(math.cos(bearing), 0.0)
    turn = top[2] * min(distance / TURNING_M, 1.0) * min(max(bearing / (math.pi / 2), -1.0), 1.0)
    return Hand(True, (speed, 0.0, turn))


def _home() -> Pose:
    pose = Pose()
    pose.position.z, pose.orientation.w = HEIGHT_M, 1.0
    return pose
