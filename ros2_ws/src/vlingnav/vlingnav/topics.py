"""Name, type and quality of service of every interface, once.

Names are relative: the namespace a node is started in says which robot it belongs to. Sensors are best
effort (the newest counts, and a best-effort subscriber hears every publisher); commands are reliable
and one deep, so that nothing old is ever acted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry, Path
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Joy, LaserScan
from std_msgs.msg import Bool, String
from visualization_msgs.msg import InteractiveMarkerFeedback, InteractiveMarkerUpdate, MarkerArray
from visualization_msgs.srv import GetInteractiveMarkers

from vlingnav_interfaces.action import Navigate
from vlingnav_interfaces.msg import Intervention, People, ReasoningTrace, SafetyState, Takeover
from vlingnav_interfaces.srv import Decide, Score

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
STREAM = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
RECORD = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
STATE = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
LATCHED = QoSProfile(
    depth=20, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


@dataclass(frozen=True)
class Topic:
    """One topic: its name in the robot's namespace (or absolute), message type and quality of service."""

    name: str
    type: type[Any]
    qos: QoSProfile


IMAGE = Topic("image", Image, NEWEST)
IMAGE_COMPRESSED = Topic("image/compressed", CompressedImage, NEWEST)
INSTRUCTION = Topic("instruction", String, RECORD)
DEPTH = Topic("depth", Image, NEWEST)
CAMERA_INFO = Topic("camera_info", CameraInfo, NEWEST)
SCAN = Topic("scan", LaserScan, NEWEST)
ODOM = Topic("odom", Odometry, STREAM)
GROUND_TRUTH = Topic("ground_truth", Odometry, STREAM)
PEOPLE = Topic("people", People, NEWEST)
PEOPLE_TRUTH = Topic("people_truth", People, NEWEST)
# What the robot is after now, an empty instruction when nothing; and how a goal ended, said just before.
GOAL = Topic("goal", Navigate.Goal, STATE)
RESULT = Topic("result", Navigate.Result, RECORD)
PLAN = Topic("plan", Path, COMMAND)
REASONING = Topic("reasoning", ReasoningTrace, RECORD)
CMD_VEL_POLICY = Topic("cmd_vel_policy", TwistStamped, COMMAND)
CMD_VEL_TELEOP = Topic("cmd_vel_teleop", TwistStamped, COMMAND)
CMD_VEL_DESIRED = Topic("cmd_vel_desired", TwistStamped, COMMAND)
CMD_VEL_DESIRED_UNSTAMPED = Topic("cmd_vel_desired", Twist, COMMAND)
CMD_VEL = Topic("cmd_vel", TwistStamped, COMMAND)
CMD_VEL_UNSTAMPED = Topic("cmd_vel", Twist, COMMAND)
REASONING_MARKERS = Topic("reasoning_markers", MarkerArray, LATCHED)
SAFETY_STATE = Topic("safety_state", SafetyState, RECORD)
SAFETY_MARKERS = Topic("safety_markers", MarkerArray, COMMAND)
JOY = Topic("joy", Joy, STREAM)
KEYBOARD = Topic("keyboard", Joy, RECORD)
CMD_VEL_RVIZ = Topic("cmd_vel_rviz", TwistStamped, COMMAND)
CMD_VEL_RVIZ_UNSTAMPED = Topic("cmd_vel_rviz", Twist, COMMAND)
TAKEOVER_BUTTON = Topic("takeover_button", Bool, RECORD)
RVIZ_TARGET = Topic("target/update", InteractiveMarkerUpdate, RECORD)
RVIZ_TARGET_FEEDBACK = Topic("target/feedback", InteractiveMarkerFeedback, RECORD)
OPERATOR_OVERRIDE = Topic("operator_override", Bool, RECORD)
EMERGENCY_STOP = Topic("emergency_stop", Bool, RECORD)
TAKEOVER = Topic("takeover", Takeover, RECORD)
INTERVENTION = Topic("intervention", Intervention, LATCHED)
CLOCK = Topic("/clock", Clock, NEWEST)
DIAGNOSTICS = Topic("/diagnostics", DiagnosticArray, RECORD)

REQUESTS = QoSProfile(depth=64, reliability=ReliabilityPolicy.RELIABLE)
"""Of a service that many ask at once."""

NAVIGATE = ("navigate", Navigate)
DECIDE = ("decide", Decide)
SCORE = ("score", Score)
RVIZ_TARGET_MARKERS = ("target/get_interactive_markers", GetInteractiveMarkers)
