"""Told in words, the robot finds things: policy, controller and safety, and a simulated house to do it in.

    ros2 launch vlingnav navigate.launch.py house:=800003
    ros2 launch vlingnav navigate.launch.py simulation:=false namespace:=''    # on a robot

Then: vlingnav go "find the red chair"
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("navigate")
