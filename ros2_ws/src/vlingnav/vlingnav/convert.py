"""ROS messages to and from the contract's numpy types.

What is unusual: `Image.data` is filled from an `array.array`; assigning a list or bytes-like object
makes rclpy check every byte, 100 ms for one VGA image instead of one.

Conversions refuse what must not be used (NaN, unknown encodings, sizes that disagree) with a
ValueError of one sentence.
"""

from __future__ import annotations

import array
import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, Quaternion, Twist
from nav_msgs.msg import Odometry as OdometryMsg
from nav_msgs.msg import Path
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image, LaserScan

from vlingnav_interfaces.msg import People, Person, ReasoningTrace
from vlingnav_policy.types import Decision, Odometry
from vlingnav_safety.types import Obstacles

Floats = NDArray[np.float64]

_CHANNELS: dict[str, tuple[type[np.generic], int]] = {
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
}
_NEAREST = 0.05  # [m] at which something too near is put: in the lidar's very centre it would be nowhere


def seconds(stamp: Time) -> float:
    """A stamp as seconds."""
    return float(stamp.sec + stamp.nanosec * 1e-9)


def stamp(t: float) -> Time:
    """Seconds as a stamp, to the nearest nanosecond."""
    whole, nanoseconds = divmod(round(t * 1e9), 1_000_000_000)
    return Time(sec=whole, nanosec=nanoseconds)


def _pixels(message: Image, *encodings: str) -> NDArray[Any]:
    if message.encoding not in encodings:
        raise ValueError(f"image encoding {message.encoding!r} is not one of {', '.join(encodings)}")
    kind, channels = _CHANNELS[message.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    width = message.width * channels * dtype.itemsize
    if message.step < width or len(message.data) != message.step * message.height or not width:
        raise ValueError(
            f"an image of {message.width} x {message.height} {message.encoding} with row step {message.step} "
            f"cannot hold {len(message.data)} bytes; the driver fills in its size wrongly"
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)[:, :width]
    pixels = np.ascontiguousarray(rows).view(dtype).reshape(message.height, message.width, channels)
    return pixels.astype(kind, copy=False)


def rgb(message: Image) -> NDArray[np.uint8]:
    """A colour image (rgb8, bgr8) as `(H, W, 3)` uint8 RGB."""
    pixels = _pixels(message, "rgb8", "bgr8")
    return pixels if message.encoding == "rgb8" else np.ascontiguousarray(pixels[:, :, ::-1])


def depth(message: Image) -> NDArray[np.float32]:
    """A depth image (16UC1 in mm, 32FC1 in m; REP-118) as `(H, W)` float32 [m], 0 where unknown."""
    pixels = _pixels(message, "16UC1", "32FC1")[:, :, 0]
    metres = pixels * np.float32(1e-3) if message.encoding == "16UC1" else pixels
    return np.nan_to_num(metres, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)


def image(pixels: NDArray[Any], time: float, frame: str) -> Image:
    """`(H, W, 3)` uint8 as rgb8, or `(H, W)` float32 [m] as 32FC1."""
    encoding = "rgb8" if pixels.ndim == 3 else "32FC1"
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.step = pixels.shape[1] * (3 if pixels.ndim == 3 else 4)
    message.data = array.array("B", np.ascontiguousarray(pixels).tobytes())
    message.header.stamp, message.header.frame_id = stamp(time), frame
    return message


def decode(message: CompressedImage) -> NDArray[np.uint8] | None:
    """A JPEG or PNG as `(H, W, 3)` uint8 RGB; None when it is empty (no goal image was given)."""
    if not len(message.data):
        return None
    from PIL import Image as Picture
    from PIL import UnidentifiedImageError

    try:
        with Picture.open(io.BytesIO(bytes(message.data))) as picture:
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError("the goal image is neither a readable JPEG nor a PNG; send another file") from error


def fit(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """An image `(H, W, 3)` as one of another size: as much of its middle as has the shape asked for.

    Pixels are averaged over the areas that they fall on. What the lens was like is not made good for: an
    image that shows much more or less than the robot's camera would is a worse goal.
    """
    from PIL import Image as Picture

    rows, columns = pixels.shape[:2]
    scale = min(columns / width, rows / height)
    x, y = (columns - scale * width) / 2, (rows - scale * height) / 2
    box = x, y, x + scale * width, y + scale * height
    return np.asarray(Picture.fromarray(pixels).resize((width, height), Picture.Resampling.BOX, box))


def encode(data: bytes) -> CompressedImage:
    """The bytes of a JPEG or PNG file as a message."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return CompressedImage(format=kind, data=array.array("B", data))


def yaw(q: Quaternion) -> float:
    """Heading [rad] of a rotation; that of a robot on a floor is all there is to it."""
    return math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))


def quaternion(angle: float) -> Quaternion:
    """A rotation by `angle` [rad] about z."""
    return Quaternion(z=math.sin(angle / 2), w=math.cos(angle / 2))


def command(twist: Twist) -> Floats:
    """A body velocity `(3,)`: vx [m/s], vy [m/s], wz [rad/s].

    Raises:
        ValueError: it is not finite.
    """
    velocity = np.array([twist.linear.x, twist.linear.y, twist.angular.z])
    if not np.isfinite(velocity).all():
        raise ValueError(f"a velocity command of {velocity.tolist()} is not finite; its sender has a fault")
    return velocity


def twist(velocity: Floats) -> Twist:
    """A body velocity `(3,)` as a message."""
    message = Twist()
    message.linear.x, message.linear.y, message.angular.z = (float(v) for v in velocity)
    return message


def odometry(message: OdometryMsg) -> tuple[float, Odometry]:
    """Stamp [s] and odometry.

    Raises:
        ValueError: a number in it is not finite.
    """
    position, q = message.pose.pose.position, message.pose.pose.orientation
    pose = np.array([position.x, position.y, yaw(q)])
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    velocity = np.array([linear.x, linear.y, angular.z])
    if not (np.isfinite(pose).all() and np.isfinite(velocity).all()):
        raise ValueError(
            "the odometry holds NaN or infinite numbers; the robot stands until it is sound again"
        )
    return seconds(message.header.stamp), Odometry(pose, velocity)


def uncertainty(message: OdometryMsg) -> float:
    """How far off the position may be [m]: two standard deviations along the worse axis; NaN for nonsense."""
    worst = float(np.maximum(message.pose.covariance[0], message.pose.covariance[7]))  # NaN if either is
    return 2.0 * math.sqrt(worst) if worst >= 0.0 else math.nan


def odometry_message(value: Odometry, time: float, frame: str, child: str) -> OdometryMsg:
    """Odometry as a message in `frame`, velocities in `child`."""
    message = OdometryMsg(child_frame_id=child)
    message.header.stamp, message.header.frame_id = stamp(time), frame
    message.pose.pose.position.x, message.pose.pose.position.y = float(value.pose[0]), float(value.pose[1])
    message.pose.pose.orientation = quaternion(float(value.pose[2]))
    message.twist.twist = twist(value.velocity)
    return message


def obstacles(
    message: LaserScan, mount: Floats, blind_share: float = 0.2, zero_is_free: bool = False
) -> Obstacles:
    """The hits of a scan in the body frame.

    REP-117: +inf is a ray that met nothing, -inf one that met something nearer than `range_min`, NaN one that
    measured nothing. What is nearer than `range_min`, by -inf or by a number, is there: a hit at `range_min`,
    or at 5 cm. Such a ray and a NaN see nothing of what is farther away, and not many may.

    Args:
        message: the scan.
        mount: `(3,)` the lidar's x [m], y [m], yaw [rad] on the robot.
        blind_share: how many of the rays may see nothing.
        zero_is_free: whether 0.0 is a ray that met nothing, as some drivers have it, and nothing too near.

    Raises:
        ValueError: the limits make no sense, or too many rays see nothing.
    """
    ranges = np.array(message.ranges, np.float64)
    if message.angle_increment == 0.0 or not ranges.size:
        raise ValueError("the scan has no rays; the lidar driver fills it in wrongly")
    limits = message.angle_min, message.angle_increment, message.range_min
    if not (np.isfinite(limits).all() and 0.0 <= message.range_min < message.range_max):
        raise ValueError(
            f"the scan's angles {limits[:2]} or ranges, {message.range_min} to {message.range_max} m, are no "
            "limits; the lidar driver fills it in wrongly"
        )
    if zero_is_free:
        ranges[ranges == 0.0] = np.inf
    near = (ranges < message.range_min) | (ranges == 0.0)
    blind = np.isnan(ranges) | near
    if np.count_nonzero(blind) > blind_share * ranges.size:
        raise ValueError(
            f"{np.mean(blind):.0%} of the scan's rays see nothing: they are NaN or nearer than range_min, "
            f"{message.range_min:.2f} m; clean the lidar, or see scan_blind_share and scan_zero_is_free"
        )
    ranges[near] = max(message.range_min, _NEAREST)
    angles = mount[2] + message.angle_min + np.arange(ranges.size) * message.angle_increment
    hit = np.isfinite(ranges) & (ranges <= message.range_max)
    points = mount[:2] + ranges[hit, None] * np.stack([np.cos(angles[hit]), np.sin(angles[hit])], axis=-1)
    return Obstacles(points, seconds(message.header.stamp))


def people(rows: Iterable[Floats], radius: float, time: float, frame: str) -> People:
    """People, each a row `(4,)` x, y [m], vx, vy [m/s] in `frame`, all of one radius [m]."""
    message = People()
    message.header.stamp, message.header.frame_id = stamp(time), frame
    for x, y, vx, vy in rows:
        person = Person(radius=radius)
        person.position.x, person.position.y = float(x), float(y)
        person.velocity.x, person.velocity.y = float(vx), float(vy)
        message.people.append(person)
    return message


def path(decision: Decision, frame: str) -> Path:
    """A trajectory as a path in the body frame of its own stamp; each pose is stamped when it is due."""
    message = Path()
    message.header.stamp, message.header.frame_id = stamp(decision.stamp), frame
    for k, (x, y, angle) in enumerate(decision.trajectory.tolist(), start=1):
        pose = PoseStamped()
        pose.header.stamp, pose.header.frame_id = stamp(decision.stamp + k * decision.dt), frame
        pose.pose.position.x, pose.pose.position.y, pose.pose.orientation = x, y, quaternion(angle)
        message.poses.append(pose)
    return message


def plan(message: Path) -> tuple[float, float, NDArray[np.float32]]:
    """Stamp [s], dt [s] and `(T, 3)` waypoints of a path made by `path`; T = 0 asks the robot to stand.

    Raises:
        ValueError: a waypoint is not finite or the poses carry no times.
    """
    start = seconds(message.header.stamp)
    if not message.poses:
        return start, 0.0, np.zeros((0, 3), np.float32)
    waypoints = np.array(
        [(p.pose.position.x, p.pose.position.y, yaw(p.pose.orientation)) for p in message.poses], np.float32
    )
    dt = seconds(message.poses[0].header.stamp) - start
    if dt <= 0.0 or not np.isfinite(waypoints).all():
        raise ValueError("the plan holds numbers that are not finite, or poses without times; it is ignored")
    return start, dt, waypoints


def reasoning(decision: Decision, memory: str, latency_s: float, policy: str, frame: str) -> ReasoningTrace:
    """What `policy` thought before a decision, with all that it then remembers in words."""
    message = ReasoningTrace(
        thinking=decision.thought is not None,
        thought=decision.thought or "",
        summary=decision.summary or "",
        memory=memory,
        stop=decision.stop,
        latency_s=latency_s,
        policy=policy,
    )
    message.header.stamp, message.header.frame_id = stamp(decision.stamp), frame
    return message
