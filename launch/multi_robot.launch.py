"""Four robots in one simulated house, each with its own policy, controller and safety node, and no server.

    ros2 launch vlingnav multi_robot.launch.py

Then, for each: vlingnav go --namespace robot0 "find the red chair". `vlingnav up multi_robot` also gives the
four instructions and keeps a film. The policy is scripted unless another is named (policy:=nano).
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("multi_robot")
