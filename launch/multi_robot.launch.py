"""Four robots in one simulated house, each with its own policy, controller and safety node, and no server.

    ros2 launch vlingnav multi_robot.launch.py

Each is sent through a door to something in another room; a film from above, plots and tables are left in
runs/. With missions:=false: vlingnav go robot0="find the red chair" robot1="find the bed". The policy is
scripted, for the default house only, unless another is named (policy:=nano).
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("multi_robot")
