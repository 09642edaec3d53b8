"""Messages to numpy and back, and what is refused."""

from __future__ import annotations

import array
import math
import time

import numpy as np
import pytest
from geometry_msgs.msg import Twist
from nav_msgs.msg import Path
from sensor_msgs.msg import CompressedImage, Image, LaserScan

from vlingnav import convert
from vlingnav_policy import Decision, Odometry


def picture(height: int = 4, width: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_colour_goes_round() -> None:
    rgb = picture()
    message = convert.image(rgb, 1.25, "camera")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 250_000_000)
    assert np.array_equal(convert.rgb(message), rgb)


def test_bgr_and_padded_rows_are_understood() -> None:
    rgb = picture(3, 5)
    padded = np.zeros((3, 16), np.uint8)
    padded[:, :15] = rgb[:, :, ::-1].reshape(3, 15)
    message = Image(height=3, width=5, encoding="bgr8", step=16, data=array.array("B", padded.tobytes()))
    assert np.array_equal(convert.rgb(message), rgb)


def test_depth_is_metres_and_zero_where_unknown() -> None:
    metres = np.array([[1.5, np.nan], [np.inf, 0.25]], np.float32)
    assert convert.depth(convert.image(metres, 0.0, "camera")).tolist() == [[1.5, 0.0], [0.0, 0.25]]
    millimetres = np.array([[1500, 0]], ">u2")
    big = Image(height=1, width=2, encoding="16UC1", step=4, is_bigendian=1, data=millimetres.tobytes())
    assert convert.depth(big) == pytest.approx(np.array([[1.5, 0.0]]))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"encoding": "mono8"}, "rgb8"), ({"width": 7}, "cannot hold"), ({"height": 0}, "cannot hold")],
)
def test_images_that_lie_are_refused(change: dict, sentence: str) -> None:
    message = convert.image(picture(), 0.0, "camera")
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(ValueError, match=sentence):
        convert.rgb(message)


def test_filling_an_image_takes_no_time() -> None:
    pixels = picture(480, 640)
    convert.image(pixels, 0.0, "camera")
    durations = []
    for _ in range(5):
        begun = time.perf_counter()
        convert.image(pixels, 0.0, "camera")
        durations.append(time.perf_counter() - begun)
    assert min(durations) < 0.02, "100 ms is what a list costs"


def test_a_goal_image_may_be_absent_and_may_be_bad() -> None:
    assert convert.decode(CompressedImage()) is None
    with pytest.raises(ValueError, match="neither"):
        convert.decode(convert.encode(b"not a picture"))


@pytest.mark.parametrize(("height", "width"), [(8, 24), (24, 8), (8, 8), (96, 128)])
def test_a_goal_image_of_another_size_is_cut_in_its_middle_and_averaged(height: int, width: int) -> None:
    """Its corners are black, and white what is left of it when it has the shape of 4 x 4."""
    side = min(height, width)
    pixels = np.zeros((height, width, 3), np.uint8)
    y, x = (height - side) // 2, (width - side) // 2
    pixels[y : y + side, x : x + side] = 255
    assert (convert.fit(pixels, 4, 4) == 255).all()
    assert convert.fit(pixels, 8, 6).shape == (6, 8, 3)
    halves = np.zeros((2, 8, 3), np.uint8)
    halves[:, ::2] = 200
    assert (convert.fit(halves, 4, 1) == 100).all()  # each pixel is the mean of the four it stands for
    same = picture(6, 8)
    assert np.array_equal(convert.fit(same, 8, 6), same)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_is_refused(bad: float) -> None:
    good = convert.odometry_message(
        Odometry(np.array([1.0, 2.0, 3.0]), np.zeros(3)), 5.0, "odom", "base_link"
    )
    stamp, odometry = convert.odometry(good)
    assert stamp == 5.0
    assert odometry.pose == pytest.approx([1.0, 2.0, 3.0])
    good.pose.pose.position.x = bad
    with pytest.raises(ValueError, match="NaN"):
        convert.odometry(good)
    twist = Twist()
    twist.angular.z = bad
    with pytest.raises(ValueError, match="not finite"):
        convert.command(twist)


def scan_of(ranges: list[float], **fields: float) -> LaserScan:
    made = {"angle_min": 0.0, "angle_increment": math.tau / len(ranges), "range_min": 0.1, "range_max": 8.0}
    return LaserScan(ranges=ranges, **{**made, **fields})


def test_scans_become_hits_where_the_lidar_is_mounted() -> None:
    """REP-117: +inf is no return; what is nearer than the lidar can measure is there all the same."""
    scan = scan_of([1.0, math.inf, 2.0, 9.0])
    points = convert.obstacles(scan, np.array([0.5, 0.0, math.pi / 2])).points
    assert points == pytest.approx(np.array([[0.5, 1.0], [0.5, -2.0]]), abs=1e-9)
    for near in (-math.inf, -1.0, 0.0, 0.05):
        scan.ranges = [1.0, math.inf, 2.0, near]
        points = convert.obstacles(scan, np.zeros(3), blind_share=0.25).points
        assert points == pytest.approx(np.array([[1.0, 0.0], [-2.0, 0.0], [0.0, -0.1]]), abs=1e-6)


def test_a_lidar_may_say_zero_for_no_return() -> None:
    scan = scan_of([1.0, 0.0, 0.0, 0.05])
    points = convert.obstacles(scan, np.zeros(3), blind_share=0.25, zero_is_free=True).points
    assert points == pytest.approx(np.array([[1.0, 0.0], [0.0, -0.1]]), abs=1e-6)


@pytest.mark.parametrize("nothing", [math.nan, -math.inf, 0.0, 0.05])
def test_a_scan_that_mostly_sees_nothing_is_refused(nothing: float) -> None:
    """Some rays may; of all others that are free, none is a hit."""
    few, many = [nothing] * 72 + [math.inf] * 288, [nothing] * 73 + [math.inf] * 287
    hits = convert.obstacles(scan_of(few), np.zeros(3)).points
    assert len(hits) == (0 if math.isnan(nothing) else 72)
    with pytest.raises(ValueError, match="20% of the scan's rays see nothing"):
        convert.obstacles(scan_of(many), np.zeros(3))


@pytest.mark.parametrize(
    "fields",
    [
        {"range_max": math.nan},
        {"range_min": math.nan},
        {"range_min": -1.0},
        {"range_max": 0.1},
        {"angle_min": math.nan},
        {"angle_increment": math.inf},
        {"angle_increment": 0.0},
    ],
)
def test_a_scan_without_sound_limits_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="the lidar driver"):
        convert.obstacles(scan_of([1.0] * 4, **fields), np.zeros(3))
    with pytest.raises(ValueError, match="no rays"):
        convert.obstacles(LaserScan(), np.zeros(3))


def test_a_plan_goes_round() -> None:
    trajectory = np.array([[0.1, 0.0, 0.1], [0.2, 0.1, 0.2]], np.float32)
    stamp, dt, waypoints = convert.plan(convert.path(Decision(trajectory, 0.2, 7.5), "base_link"))
    assert (stamp, dt) == (7.5, pytest.approx(0.2))
    assert waypoints == pytest.approx(trajectory)
    assert len(convert.plan(Path())[2]) == 0


def test_a_plan_without_times_or_with_nan_is_refused() -> None:
    message = convert.path(Decision(np.array([[np.nan, 0, 0]], np.float32), 0.2, 1.0), "base_link")
    with pytest.raises(ValueError, match="ignored"):
        convert.plan(message)
