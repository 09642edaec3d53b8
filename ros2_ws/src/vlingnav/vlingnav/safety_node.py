"""`safety`: between everything that wants to move the robot and the motors.

A command is filtered when it comes, and again every period against newer scans until the next one comes. A
command, scan or odometry that is missing, too old or not a number brakes the robot, and `safety_state` says
which it was. Whoever drives passes the filter, people too; only where the robot's owner allows it may an
operator move it slowly past the filter, with a button held down, and `safety_state` says so. This reduces the
risk of collisions with what the lidar sees in its plane; it is not a certified safety function.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray

from vlingnav import convert, limits, topics
from vlingnav.markers import safety_markers
from vlingnav.node import Fault, ManagedNode, run
from vlingnav.params import Parameter
from vlingnav.surroundings import Surroundings
from vlingnav_interfaces.msg import SafetyState
from vlingnav_policy.types import Odometry
from vlingnav_safety import FilterConfig, LidarBarrierFilter, NeighbourConfig
from vlingnav_safety.history import into
from vlingnav_safety.movers import Polygon
from vlingnav_safety.types import Limits, Obstacles, Report, State

Array = NDArray[np.float64]

STATUS = {
    "pass": SafetyState.PASS,
    "filtered": SafetyState.FILTERED,
    "brake": SafetyState.BRAKE,
    "override": SafetyState.OVERRIDE,
}
STAND = np.zeros(3)
NOWHERE = np.full(3, np.nan)  # before any odometry: the filter brakes on it


class SafetyNode(ManagedNode):
    """Adapter around a `SafetyFilter`: here the lidar barrier for one robot."""

    PARAMETERS = (
        Parameter(
            "rate_hz",
            20.0,
            "The newest command is filtered at least this often.",
            (1.0, 200.0),
            read_only=True,
        ),
        Parameter(
            "command_timeout_s", 0.3, "The robot brakes when no command came for this long.", (0.05, 5.0)
        ),
        Parameter("scan_timeout_s", 0.4, "The robot brakes when no scan came for this long.", (0.05, 5.0)),
        Parameter(
            "scan_blind_share",
            0.2,
            "The robot brakes when more of a scan's rays than this see nothing: NaN, or nearer than "
            "range_min.",
            (0.0, 1.0),
        ),
        Parameter(
            "scan_zero_is_free",
            False,
            "A range of 0.0 is a ray that met nothing, as some drivers have it, and nothing too near.",
        ),
        Parameter(
            "odometry_timeout_s", 0.3, "The robot brakes when no odometry came for this long.", (0.05, 5.0)
        ),
        Parameter(
            "stamped",
            True,
            "Publish cmd_vel as TwistStamped; false for bases that take Twist.",
            read_only=True,
        ),
        Parameter(
            "desired_stamped",
            True,
            "Take cmd_vel_desired as TwistStamped; false for senders of Twist.",
            read_only=True,
        ),
        Parameter("base_frame", "base_link", "Frame of the commands: the robot's body."),
        Parameter(
            "hull_discs_m", (0.0, 0.0, 0.18), "Discs x, y, radius, one after another, that cover the hull."
        ),
        Parameter("margin_m", 0.02, "Clearance kept from everything the lidar sees.", (0.0, 1.0)),
        Parameter(
            "obstacle_speed_mps",
            0.1,
            "Speed that anything seen may have; the robot keeps room for it.",
            (0.0, 3.0),
        ),
        Parameter(
            "neighbours",
            "",
            "Namespaces of the other robots, separated by commas, whose odom this one listens to; it stands "
            "until it has heard all of them.",
        ),
        Parameter("neighbour_radius_m", 0.18, "Radius of the other robots' hulls.", (0.0, 5.0)),
        Parameter("neighbour_speed_mps", 0.6, "Largest speed of the other robots.", (0.0, 5.0)),
        Parameter(
            "neighbour_acceleration_mps2",
            1.5,
            "By how much the other robots change their speed, and brake.",
            (0.1, 20.0),
        ),
        Parameter(
            "neighbour_timeout_s",
            0.3,
            "A robot that is silent for this long may be anywhere that it can have got to.",
            (0.05, 5.0),
        ),
        Parameter(
            "neighbour_memory_s",
            5.0,
            "A robot that is silent for this long is left to the lidar.",
            (0.1, 60.0),
        ),
        Parameter(
            "right_of_way",
            False,
            "Keep right of robots that come the other way, and back off where two cannot pass; for robots "
            "that no person steers, with a lidar that looks all round.",
        ),
        Parameter("people_speed_mps", 0.3, "The robot's speed beside people.", (0.05, 5.0)),
        Parameter("people_distance_m", 1.2, "From hull to person, what counts as beside.", (0.0, 10.0)),
        Parameter(
            "people_timeout_s",
            0.5,
            "The robot brakes when a detector of people that has been heard is silent for this long.",
            (0.05, 5.0),
        ),
        Parameter(
            "keep_out",
            "",
            "Zones to stay out of, in metres in the frame of odom: corners x y separated by commas, zones "
            'by semicolons, as in "1 0, 2 0, 2 1; 4 4, 5 4, 5 5".',
        ),
        Parameter(
            "operator_override_mps",
            0.0,
            "Speed, of the fastest point of its hull, at which a trained operator who holds the override "
            "button moves the robot past the filter, and past a sensor that has failed; 0 for never.",
            (0.0, 0.3),
        ),
        Parameter("base_delay_s", 0.05, "Time that the base takes to obey a command.", (0.0, 1.0)),
        Parameter("lidar_x_m", 0.0, "Where the lidar is mounted, forward of the hull's centre.", (-2.0, 2.0)),
        Parameter("lidar_y_m", 0.0, "Where the lidar is mounted, left of the hull's centre.", (-2.0, 2.0)),
        Parameter("lidar_yaw_rad", 0.0, "How the lidar is turned, counter-clockwise.", (-3.2, 3.2)),
        *limits.VELOCITY,
        *limits.ACCELERATION,
    )

    def __init__(self) -> None:
        super().__init__("safety")

    def configure(self) -> None:
        """Make the filter and subscribe."""
        base = Limits(
            velocity=(self.param("max_vx_mps"), self.param("max_vy_mps"), self.param("max_wz_radps")),
            acceleration=(self.param("max_ax_mps2"), self.param("max_ay_mps2"), self.param("max_aw_radps2")),
        )
        discs = np.array(self.param("hull_discs_m"))
        if not discs.size or discs.size % 3:
            raise Fault(f"hull_discs_m holds {discs.size} numbers; give x, y and radius for each disc")
        self._hull = discs.reshape(-1, 3)
        config = FilterConfig(
            hull=tuple((x, y, radius) for x, y, radius in self._hull.tolist()),
            margin=self.param("margin_m"),
            obstacle_speed=self.param("obstacle_speed_mps"),
            period=1.0 / self.param("rate_hz"),
            delay=self.param("base_delay_s"),
            state_timeout=self.param("odometry_timeout_s"),
            obstacles_timeout=self.param("scan_timeout_s"),
            people_distance=self.param("people_distance_m"),
            people_speed=self.param("people_speed_mps"),
            keep_out=_zones(self.param("keep_out")),
            right_of_way=self.param("right_of_way"),
        )
        try:
            self._filter = LidarBarrierFilter(config, base)
        except ValueError as error:
            raise Fault(str(error)) from error
        self._stamped = self.param("stamped")
        self._commands = self.output(topics.CMD_VEL if self._stamped else topics.CMD_VEL_UNSTAMPED)
        self._states = self.output(topics.SAFETY_STATE)
        self._markers = self.output(topics.SAFETY_MARKERS)
        mount = np.array([self.param("lidar_x_m"), self.param("lidar_y_m"), self.param("lidar_yaw_rad")])
        self._odometry = self.input(
            topics.ODOM,
            lambda message: (message.header.frame_id, *convert.odometry(message)),
            self.param("odometry_timeout_s"),
        )
        blind, zero_is_free = self.param("scan_blind_share"), self.param("scan_zero_is_free")
        self._scan = self.input(
            topics.SCAN,
            lambda message: convert.obstacles(message, mount, blind, zero_is_free),
            self.param("scan_timeout_s"),
        )
        fleet = NeighbourConfig(
            radius=self.param("neighbour_radius_m"),
            top=self.param("neighbour_speed_mps"),
            acceleration=self.param("neighbour_acceleration_mps2"),
            timeout=self.param("neighbour_timeout_s"),
            memory=self.param("neighbour_memory_s"),
        )
        robots = tuple(name.strip() for name in self.param("neighbours").split(",") if name.strip())
        self._surroundings = Surroundings(self, robots, fleet)
        self._override = self.input(topics.OPERATOR_OVERRIDE, lambda message: bool(message.data))
        tick = self.every(1.0 / self.param("rate_hz"), self._tick)
        stamped = self.param("desired_stamped")
        self._desired = self.input(
            topics.CMD_VEL_DESIRED if stamped else topics.CMD_VEL_DESIRED_UNSTAMPED,
            lambda message: convert.command(message.twist if stamped else message),
            self.param("command_timeout_s"),
            tick.now,
        )

    def halt(self) -> None:
        """Say zero once, and why."""
        self._publish(STAND, STAND, Report("brake", "the safety node was deactivated"))

    def activate(self) -> None:
        """Start with no memory of commands that were given before."""
        self._filter.reset()

    def _tick(self) -> None:
        desired = STAND if self._desired.value is None else self._desired.value
        frame, stamp, odometry = self._odometry.value or ("", -math.inf, Odometry(NOWHERE, NOWHERE))
        obstacles: Obstacles | None = self._scan.value
        begun, now = self.steady(), self.now()
        others = self._surroundings.at(now)
        problem = self.first_problem() or self._surroundings.problem(frame, odometry.pose, others, now)
        self.problem = problem  # for diagnostics
        applied, report = self._filter.filter(
            State(odometry.pose, odometry.velocity, stamp),
            desired,
            others,
            None if problem else obstacles,  # no scan brakes, at the rate that the base can
            now,
        )
        if problem:
            report = replace(report, status="brake", reason=problem, constraint="input")
        if self._overridden():
            applied = self._slowly(desired)
            self._filter.reset()  # what it remembers of commands is no longer so
            reason = "an operator moves the robot past the filter" + (f"; {problem}" if problem else "")
            report = replace(report, status="override", reason=reason, constraint="operator")
        self.diagnostics.latency("filter", self.steady() - begun)
        self._publish(desired, applied, report)
        if self._markers.get_subscription_count():
            place = np.column_stack([into(odometry.pose, others.position), others.radius])
            header = self.get_clock().now().to_msg(), self.param("base_frame")
            self._markers.publish(
                safety_markers(report, desired, applied, obstacles, self._hull, place, *header)
            )

    def _overridden(self) -> bool:
        """Whether an operator may and does move the robot past the filter, by a command that is fresh."""
        now, patience = self.steady(), self.param("command_timeout_s")
        asked = bool(self._override.value) and self._override.age(now) <= patience
        return asked and self.param("operator_override_mps") > 0.0 and not self._desired.problem(now)

    def _slowly(self, desired: Array) -> Array:
        """`desired`, slowed down until no point of the hull is faster than an operator may have it."""
        x, y, radius = self._hull.T
        reach = float((np.hypot(x, y) + radius).max())
        speed = float(np.hypot(desired[0], desired[1]) + abs(desired[2]) * reach)
        return desired * min(1.0, self.param("operator_override_mps") / max(speed, 1e-9))

    def _publish(self, desired: Array, applied: Array, report: Report) -> None:
        message = TwistStamped(twist=convert.twist(applied))
        now, frame = self.get_clock().now().to_msg(), self.param("base_frame")
        message.header.stamp, message.header.frame_id = now, frame
        self._commands.publish(message if self._stamped else message.twist)
        self.diagnostics.count(report.status)
        state = SafetyState(
            header=message.header,
            status=STATUS[report.status],
            reason=report.reason,
            clearance_m=report.clearance,
            barrier_m2=report.barrier,
            slack=report.slack,
            constraint=report.constraint,
            gain=report.gain,
            desired=convert.twist(desired),
            applied=message.twist,
        )
        self._states.publish(state)


def _zones(text: str) -> tuple[Polygon, ...]:
    """The parameter `keep_out` as polygons.

    Raises:
        Fault: it cannot be read.
    """
    try:
        return tuple(
            tuple((float(x), float(y)) for x, y in (corner.split() for corner in zone.split(",")))
            for zone in text.split(";")
            if zone.strip()
        )
    except ValueError as error:
        raise Fault(
            f'keep_out {text!r} cannot be read; write it as "1 0, 2 0, 2 1; 4 4, 5 4, 5 5"'
        ) from error


def main() -> None:
    """Entry point of `vlingnav_safety`."""
    run(SafetyNode)


if __name__ == "__main__":
    main()
