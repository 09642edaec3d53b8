"""Motion, contacts, people and sensors of the simulator, against geometry and arithmetic."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_policy.se2 import relative
from vlingnav_sim import scene
from vlingnav_sim.house import generate
from vlingnav_sim.house.model import House, Person
from vlingnav_sim.people_motion import PATIENCE_S, Walker
from vlingnav_sim.robots import DIFF, OMNI, CameraConfig, LidarConfig, OdometryConfig, RobotConfig
from vlingnav_sim.scene import PERSON_RADIUS
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]

STEP_S = 0.05


def with_camera(**options) -> RobotConfig:
    return dataclasses.replace(DIFF, camera=CameraConfig(**options))


def drive(sim: Simulator, command, seconds: float) -> np.ndarray:
    """Hold `command` and return the body velocities `(N, 3)` of robot 0."""
    commands = np.broadcast_to(command, (len(sim.robots), 3))
    velocities = []
    for _ in range(round(seconds / STEP_S)):
        sim.step(commands, STEP_S)
        velocities.append(sim.velocity())
    return np.array(velocities)


# Motion


@pytest.mark.parametrize("robot", [DIFF, OMNI], ids=["diff", "omni"])
def test_velocity_and_acceleration_limits_hold(make_room: MakeRoom, robot: RobotConfig) -> None:
    with Simulator(make_room(), (robot,)) as sim:
        sim.reset([[-1.0, 0.0, 0.0]])
        velocities = [np.zeros(3)]
        for command in ([9.0, 9.0, 9.0], [-9.0, -9.0, -9.0], [9.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
            for _ in range(60):
                sim.step([command], 0.01)
                velocities.append(sim.velocity())
        velocities = np.array(velocities)
        limits = robot.limits
        assert (np.abs(velocities) <= np.array(limits.velocity) + 1e-6).all()
        assert (np.abs(np.diff(velocities, axis=0)) <= 0.01 * np.array(limits.acceleration) + 1e-6).all()
        # They are reached, too.
        assert velocities[:, 0].max() > 0.99 * min(limits.velocity[0], 0.6 * limits.acceleration[0])
        assert np.abs(np.diff(velocities[:, 2])).max() > 0.99 * 0.01 * limits.acceleration[2]


def test_a_differential_drive_never_moves_sideways(make_room: MakeRoom) -> None:
    with Simulator(make_room(), (DIFF,)) as diff, Simulator(make_room(), (OMNI,)) as omni:
        for sim in (diff, omni):
            sim.reset([[-1.0, -1.0, 0.3]])
        poses = [diff.pose()]
        for _ in range(100):
            diff.step([[0.5, 0.6, 1.2]], 0.01)
            poses.append(diff.pose())
        poses = np.array(poses)
        middle = poses[:-1].copy()
        middle[:, 2] += 0.5 * np.diff(np.unwrap(poses[:, 2]))
        sideways = relative(middle, poses[1:])[:, 1]
        assert np.abs(sideways).max() < 1e-9
        assert np.abs(drive(diff, [0.5, 0.6, 1.2], 0.5)[:, 1]).max() < 1e-9
        assert drive(omni, [0.5, 0.6, 1.2], 0.5)[-1, 1] == pytest.approx(0.6)


def test_commands_are_in_the_frame_of_the_robot(make_room: MakeRoom) -> None:
    with Simulator(make_room(), (OMNI,)) as sim:
        sim.reset([[0.0, 0.0, math.pi / 2]])
        drive(sim, [0.0, 0.4, 0.0], 1.0)
        x, y, yaw = sim.pose()
        assert x < -0.3 and abs(y) < 1e-6 and yaw == pytest.approx(math.pi / 2)


@pytest.mark.parametrize(
    ("commands", "duration", "message"),
    [
        ([[math.nan, 0.0, 0.0]], 0.05, "commands must be finite"),
        ([[0.0, math.inf, 0.0]], 0.05, "commands must be finite"),
        ([0.0, 0.0, 0.0], 0.05, r"commands must be \(1, 3\)"),
        ([[0.0, 0.0]], 0.05, r"commands must be \(1, 3\)"),
        ([[0.0, 0.0, 0.0]], 0.0, "positive multiple of 0.01"),
        ([[0.0, 0.0, 0.0]], 0.015, "positive multiple of 0.01"),
        ([[0.0, 0.0, 0.0]], math.nan, "positive multiple of 0.01"),
    ],
)
def test_bad_commands_are_refused_and_change_nothing(
    make_room: MakeRoom, commands, duration, message
) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        with pytest.raises(ValueError, match=message):
            sim.step(commands, duration)
        assert sim.time == 0.0 and (sim.pose() == 0.0).all()


def test_time_counts_steps_and_starts_again(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        drive(sim, [0.1, 0.0, 0.0], 30.0)
        assert sim.time == pytest.approx(30.0, abs=1e-9)
        sim.reset([[0.0, 0.0, 0.0]])
        assert sim.time == 0.0
        np.testing.assert_array_equal(sim.velocity(), 0.0)
        drive(sim, [0.0, 0.0, 0.0], 0.1)
        np.testing.assert_allclose(sim.pose(), 0.0, atol=1e-9)


# Contacts


def test_a_lasting_touch_is_one_collision(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[2.0, 0.0, 0.0]])
        assert sim.collisions() == 0
        drive(sim, [0.6, 0.0, 0.0], 4.0)
        assert sim.collisions() == 1
        assert sim.pose()[0] == pytest.approx(3.0 - DIFF.radius, abs=0.01)  # the wall holds
        drive(sim, [-0.6, 0.0, 0.0], 1.5)
        drive(sim, [0.6, 0.0, 0.0], 2.0)
        assert sim.collisions() == 2
        sim.reset([[2.0, 0.0, 0.0]])
        assert sim.collisions() == 0


def test_touching_again_at_once_is_the_same_collision(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[2.6, 0.0, 0.0]])
        drive(sim, [0.6, 0.0, 0.0], 1.0)
        apart = 0
        for _ in range(4):
            for command in (-0.1, 0.1):
                for _ in range(15):
                    sim.step([[command, 0.0, 0.0]], 0.01)
                    apart += sim.data.ncon == 0
        assert apart > 0  # it did let go in between
        assert sim.collisions() == 1


def test_driving_freely_is_no_collision(make_room: MakeRoom) -> None:
    with Simulator(make_room(boxes=[(1.0, 0.0)])) as sim:
        sim.reset([[0.0, 0.0, math.pi]])
        drive(sim, [0.5, 0.0, 0.2], 2.0)
        assert sim.collisions() == 0


def test_robots_collide_with_each_other_and_with_items(make_room: MakeRoom) -> None:
    with Simulator(make_room(boxes=[(-1.5, 0.0)]), (DIFF, OMNI)) as sim:
        sim.reset([[0.0, 0.0, 0.0], [1.5, 0.0, math.pi]])
        drive(sim, [0.5, 0.0, 0.0], 3.0)
        assert sim.collisions(0) == 1 and sim.collisions(1) == 1
        sim.reset([[0.0, 0.0, math.pi], [2.0, 1.0, 0.0]])
        drive(sim, [0.5, 0.0, 0.0], 3.0)
        assert sim.collisions(0) == 1


@pytest.mark.parametrize(
    ("pose", "what"),
    [([2.9, 0.0, 0.0], "a wall"), ([1.1, 0.0, 0.0], "the red box"), ([-1.0, 0.1, 0.0], "robot 1")],
)
def test_a_start_in_collision_is_refused_by_name(make_room: MakeRoom, pose, what: str) -> None:
    with Simulator(make_room(boxes=[(1.0, 0.0)]), (DIFF, DIFF)) as sim:
        with pytest.raises(ValueError, match=f"robot 0 cannot start at .* would stand in {what}"):
            sim.reset([pose, [-1.0, 0.0, 0.0]])
        sim.reset([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])


def test_looking_for_contacts_only_nearby_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = generate(3)
    start = [[*house.people[0].path[0], 0.3], [*house.people[1].path[0], 0.3]]

    def run(sim: Simulator) -> tuple[list[np.ndarray], list[int], int]:
        sim.reset(start)
        rng, poses, looked = np.random.default_rng(0), [], 0
        for _ in range(400):
            sim.step(np.column_stack([np.full(2, 0.5), np.zeros(2), rng.uniform(-1.0, 1.0, 2)]), STEP_S)
            poses += [sim.pose(0), sim.pose(1), sim.people()]
            looked += sim.model.opt.disableflags == 0
        return poses, [sim.collisions(0), sim.collisions(1)], looked

    with Simulator(house, (DIFF, OMNI)) as sim:
        sparing = run(sim)
        monkeypatch.setattr(sim._contacts, "look_out", lambda *_: None)
        always = run(sim)
    for a, b in zip(sparing[0], always[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert sparing[1] == always[1] and sum(always[1]) > 0
    assert 0 < sparing[2] < always[2] == 400


# People


def walker(speed: float = 1.0) -> Person:
    return Person(0, "red", "blue", ((-2.0, 0.0), (2.0, 0.0)), speed)


def test_a_person_walks_the_route_at_the_given_speed(make_room: MakeRoom) -> None:
    with Simulator(make_room(people=[walker(0.8)])) as sim:
        sim.reset([[0.0, -1.7, 0.0]])
        places = []
        for _ in range(600):
            sim.step([[0.0, 0.0, 0.0]], 0.02)
            places.append(sim.people()[0])
        places = np.array(places)
        np.testing.assert_allclose(places[:, 1], 0.0, atol=1e-9)
        assert places[:, 0].min() < -1.95 and places[:, 0].max() > 1.95
        speeds = np.hypot(places[:, 2], places[:, 3])
        assert speeds.max() == pytest.approx(0.8) and np.median(speeds) == pytest.approx(0.8)
        assert np.abs(np.diff(places[:, 0])).max() <= 0.8 * 0.02 + 1e-9  # turns on the spot, never jumps
        assert (np.abs(sim.data.mocap_pos[0, :2] - places[-1, :2]) < 1e-9).all()


def until_the_person_waits(sim: Simulator) -> None:
    for _ in range(400):
        drive(sim, [0.0, 0.0, 0.0], STEP_S)
        x, _, vx, vy = sim.people()[0]
        if (vx, vy) == (0.0, 0.0) and abs(x) < 1.0:  # not just turning at an end of the route
            return
    pytest.fail("the person never waited for the robot")


def test_a_person_waits_for_a_robot_and_in_the_end_turns_back(make_room: MakeRoom) -> None:
    with Simulator(make_room(people=[walker()])) as sim:
        sim.reset([[0.0, 0.0, math.pi / 2]])
        until_the_person_waits(sim)
        waiting = sim.people()[0]
        assert 0.55 < abs(waiting[0]) - DIFF.radius < 0.65
        drive(sim, [0.0, 0.0, 0.0], 0.8 * PATIENCE_S)
        np.testing.assert_array_equal(sim.people()[0], waiting)
        drive(sim, [0.0, 0.0, 0.0], PATIENCE_S)
        assert abs(sim.people()[0, 0]) > abs(waiting[0]) + 0.3
        drive(sim, [0.0, 0.0, 0.0], 10.0)
        assert sim.collisions() == 0


def test_a_person_who_turns_about_beside_a_robot_does_not_walk_into_it() -> None:
    """At the end of a route one walks on before one has turned: what is ahead is where one goes."""
    robot = (0.33, 0.36, DIFF.radius)
    person = Walker(Person(0, "red", "blue", ((0.0, 0.0), (0.0, 2.0)), 0.8), 0.005 / 4.0)
    for _ in range(2000):
        person.step(0.01, [robot])
        gap = math.hypot(person.x - robot[0], person.y - robot[1]) - DIFF.radius - PERSON_RADIUS
        assert gap > 0.04


def test_a_person_goes_on_when_the_robot_has_gone(make_room: MakeRoom) -> None:
    with Simulator(make_room(people=[walker()])) as sim:
        sim.reset([[0.0, 0.0, math.pi / 2]])
        until_the_person_waits(sim)
        side = math.copysign(1.0, sim.people()[0, 0])
        drive(sim, [0.6, 0.0, 0.0], 1.6)  # out of the way
        drive(sim, [0.0, 0.0, 0.0], 1.0)
        assert side * sim.people()[0, 0] < 0.3  # past where the robot stood, or nearly


def test_running_into_a_person_is_a_collision(make_room: MakeRoom) -> None:
    with Simulator(make_room(people=[walker()])) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        until_the_person_waits(sim)
        drive(sim, [math.copysign(0.6, sim.people()[0, 0]), 0.0, 0.0], 2.0)
        assert sim.collisions() == 1


def test_people_can_be_left_out(make_room: MakeRoom) -> None:
    with Simulator(make_room(people=[walker()]), people=False) as sim:
        assert sim.people().shape == (0, 4)
        assert len(sim.house.people) == 1


# Sensors


def test_lidar_ranges_are_those_of_the_room(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[1.0, -0.5, 0.7]])
        scan = sim.scan()
        angles = 0.7 + scan.angle_min + scan.angle_increment * np.arange(180)
        with np.errstate(divide="ignore"):
            to_x = np.where(np.cos(angles) > 0, 3.0 - 1.0, -3.0 - 1.0) / np.cos(angles)
            to_y = np.where(np.sin(angles) > 0, 2.0 + 0.5, -2.0 + 0.5) / np.sin(angles)
        np.testing.assert_allclose(scan.ranges, np.minimum(to_x, to_y), atol=1e-4)
        points = scan.points()
        assert points.shape == (180, 2)
        c, s = math.cos(0.7), math.sin(0.7)
        world = points @ np.array([[c, s], [-s, c]]) + [1.0, -0.5]
        np.testing.assert_allclose(np.abs(world / [3.0, 2.0]).max(axis=1), 1.0, atol=1e-3)


def test_lidar_sees_items_people_and_robots_but_not_itself(make_room: MakeRoom) -> None:
    still = Person(0, "red", "blue", ((0.0, 1.5), (0.0, 1.5001)), 0.001)
    with Simulator(make_room(boxes=[(1.0, 0.0)], people=[still]), (DIFF, OMNI)) as sim:
        sim.reset([[0.0, 0.0, 0.0], [0.0, -1.2, 0.0]])
        ranges = sim.scan().ranges
        assert ranges[90] == pytest.approx(0.8, abs=1e-4)  # the box, ahead
        assert ranges[135] == pytest.approx(1.5 - scene.PERSON_RADIUS, abs=0.01)  # the person, at the left
        assert ranges[45] == pytest.approx(1.2 - OMNI.hull[1], abs=0.01)  # the other robot, at the right
        assert ranges[0] == pytest.approx(3.0, abs=1e-4)


def test_lidar_range_rate_and_noise(make_room: MakeRoom) -> None:
    short = dataclasses.replace(DIFF, lidar=LidarConfig(range_max=1.5))
    noisy = dataclasses.replace(DIFF, lidar=LidarConfig(noise_std=0.02))
    with Simulator(make_room(), (short, noisy, DIFF)) as sim:
        sim.reset([[-0.5, 0.0, 0.0], [1.0, 0.0, 0.0], [-2.0, 0.0, 0.0]])
        assert np.isinf(sim.scan(0).ranges[60]) and len(sim.scan(0).points()) < 180
        errors = sim.scan(1).ranges[80:100] - 2.0 / np.cos(
            sim.scan(1).angle_min + math.tau / 180 * np.arange(80, 100)
        )
        assert 0.005 < errors.std() < 0.04
        first = sim.scan(2)
        sim.step(np.zeros((3, 3)), 0.05)
        assert sim.scan(2) is first  # 10 Hz
        sim.step(np.zeros((3, 3)), 0.05)
        assert sim.scan(2).stamp == pytest.approx(0.1)


def test_odometry_is_true_unless_drift_is_asked_for(make_room: MakeRoom) -> None:
    drifting = dataclasses.replace(
        DIFF, odometry=OdometryConfig(translation_std=0.05, yaw_std=0.05, veer_std=0.05)
    )
    with Simulator(make_room(), (DIFF, drifting)) as sim:
        sim.reset([[-2.0, 1.0, 0.0], [-2.0, -1.0, 0.0]])
        drive(sim, [0.5, 0.0, 0.3], 3.0)
        np.testing.assert_array_equal(sim.observe(0).odometry.pose, sim.pose(0))
        np.testing.assert_array_equal(sim.observe(0).odometry.velocity, sim.velocity(0))
        off = np.abs(sim.observe(1).odometry.pose - sim.pose(1))
        assert 1e-3 < np.hypot(*off[:2]) < 0.5 and 1e-3 < off[2] < 0.5


def test_noise_and_exposure_change_the_picture_only_when_asked_for(make_room: MakeRoom) -> None:
    dark = with_camera(exposure_range=(0.5, 0.5))
    noisy = with_camera(noise_std=8.0)
    images = []
    for robot in (DIFF, dark, noisy):
        with Simulator(make_room(), (robot,)) as sim:
            sim.reset([[0.0, 0.0, 0.0]])
            images.append(sim.observe().rgb.astype(float))
    clean, dim, grainy = images
    np.testing.assert_allclose(dim, 0.5 * clean, atol=1.0)
    assert 4.0 < (grainy - clean).std() < 12.0


def test_an_image_is_as_old_as_the_latency(make_room: MakeRoom) -> None:
    with Simulator(make_room(), (with_camera(latency_s=0.1),)) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        ages, yaws = [], []
        for _ in range(8):
            observation = sim.observe()
            ages.append(sim.time - observation.stamp)
            yaws.append(observation.odometry.pose[2])
            sim.step([[0.0, 0.0, 1.0]], 0.05)
        np.testing.assert_allclose(ages[2:], 0.1, atol=1e-9)
        assert (np.diff(yaws[2:]) > 0).all() and yaws[-1] < sim.pose()[2] - 0.1


def test_a_lost_frame_repeats_the_last_with_its_old_stamp(make_room: MakeRoom) -> None:
    def stamps(robot: RobotConfig) -> tuple[list[float], list[np.ndarray]]:
        with Simulator(make_room(), (robot,), seed=1) as sim:
            sim.reset([[0.0, 0.0, 0.0]])
            seen = []
            for _ in range(40):
                seen.append(sim.observe())
                sim.step([[0.0, 0.0, 1.0]], 0.05)
            return [o.stamp for o in seen], [o.rgb for o in seen]

    kept, _ = stamps(DIFF)
    np.testing.assert_allclose(kept, 0.05 * np.arange(40), atol=1e-9)
    lossy, images = stamps(with_camera(drop_probability=0.4))
    repeated = np.flatnonzero(np.diff(lossy) == 0.0)
    assert 8 <= len(repeated) <= 24
    assert all(np.array_equal(images[i], images[i + 1]) for i in repeated)
    fresh = np.flatnonzero(np.diff(lossy) > 0.0)
    assert all(not np.array_equal(images[i], images[i + 1]) for i in fresh[5:])


def test_sensors_answer_the_same_when_asked_twice(make_room: MakeRoom) -> None:
    robot = dataclasses.replace(DIFF, camera=CameraConfig(noise_std=5.0), lidar=LidarConfig(noise_std=0.01))
    with Simulator(make_room(), (robot,)) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        assert sim.observe() is sim.observe()
        assert sim.scan() is sim.scan()


# What is in sight


def test_visible_is_what_the_labels_show(make_room: MakeRoom) -> None:
    house = make_room(boxes=[(1.5, 0.0), (2.5, 1.2), (-2.0, 0.0)], screens=[(2.0, 0.6, 2.0)])
    with Simulator(house) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        labels = sim.labels()
        assert sim.visible(0) == 1.0 and (labels == 0).sum() > 100
        assert sim.visible(1) == 0.0 and (labels == 1).sum() == 0  # behind the screen
        assert sim.visible(2) == 0.0 and (labels == 2).sum() == 0  # behind the robot
        sim.reset([[0.0, 0.0, math.pi]])
        assert sim.visible(2) == 1.0 and sim.visible(0) == 0.0


def test_visible_falls_while_something_gets_in_the_way(make_room: MakeRoom) -> None:
    shares = []
    for edge in (-2.0, -0.1, 0.0, 0.1, 2.0):
        with Simulator(
            make_room(boxes=[(2.0, 0.0)], screens=[(1.0, -2.0, edge)] if edge > -2.0 else [])
        ) as sim:
            sim.reset([[0.0, 0.0, 0.0]])
            shares.append(sim.visible(0))
    assert shares[0] == 1.0 and shares[-1] == 0.0
    assert shares == sorted(shares, reverse=True) and 0.2 < shares[2] < 0.8


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_visible_agrees_with_labels_in_houses(seed: int) -> None:
    house = generate(seed)
    rng = np.random.default_rng(seed)
    with Simulator(house) as sim:
        checked = 0
        while checked < 12:
            x0, y0, x1, y1 = house.rooms[rng.integers(len(house.rooms))].rect
            try:
                sim.reset([[rng.uniform(x0, x1), rng.uniform(y0, y1), rng.uniform(-np.pi, np.pi)]])
            except ValueError:
                continue
            checked += 1
            labels = sim.labels()
            for item in house.items:
                shown, share = labels == item.index, sim.visible(item.index)
                whole = not (shown[0].any() or shown[-1].any() or shown[:, 0].any() or shown[:, -1].any())
                assert shown.any() or share < 0.15, (sim.pose(), item.category, share)
                assert share > 0.0 or not whole or shown.sum() < 40, (sim.pose(), item.category, shown.sum())


# The whole


def test_the_same_seed_gives_the_same_run() -> None:
    house = generate(3)
    robots = (
        dataclasses.replace(
            DIFF,
            camera=CameraConfig(noise_std=3.0, drop_probability=0.2),
            odometry=OdometryConfig(0.02, 0.02, 0.02),
        ),
        OMNI,
    )
    starts = np.array([[*house.people[0].path[0], 0.3], [*house.people[1].path[1], 2.0]])

    def run(seed: int) -> list[np.ndarray]:
        with Simulator(house, robots, seed=seed) as sim:
            sim.reset(starts)
            record = []
            for k in range(40):
                sim.step([[0.5, 0.0, math.sin(k)], [0.3, 0.2, math.cos(k)]], STEP_S)
                record += [sim.pose(0), sim.pose(1), sim.people(), sim.scan(1).ranges]
            observation = sim.observe(0)
            return [*record, observation.rgb, observation.depth, observation.odometry.pose]

    one, again, other = run(7), run(7), run(8)
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one[2], other[2])


def test_four_robots_in_one_house(make_room: MakeRoom) -> None:
    with Simulator(make_room(), (DIFF, OMNI, DIFF, OMNI)) as sim:
        starts = np.array([[-1.5, 1.0, 0.0], [1.5, 1.0, math.pi], [-1.5, -1.0, 0.0], [1.5, -1.0, math.pi]])
        sim.reset(starts)
        for robot in range(4):
            np.testing.assert_allclose(sim.pose(robot), sim.observe(robot).odometry.pose)
            assert (sim.labels(robot) == scene.ROBOT).any()
        commands = np.array([[0.2, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.3, 0.0]])
        sim.step(commands, 1.0)
        moved = [np.abs(relative(starts[r], sim.pose(r))) > 0.05 for r in range(4)]
        np.testing.assert_array_equal(moved, commands != 0.0)
        assert [sim.collisions(r) for r in range(4)] == [0, 0, 0, 0]
