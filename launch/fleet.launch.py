"""Two robots in one simulated house that share one engine: `multi_robot` with an inference node.

    ros2 launch vlingnav fleet.launch.py

The policy is `nano`, unless another is named. With missions:=false: vlingnav go robot0="find the red chair"
robot1="find the bed".
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("fleet")
