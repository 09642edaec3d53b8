"""A robot driven by hand through the safety filter, without a policy; in simulation or not.

    ros2 launch vlingnav teleop.launch.py simulation:=false namespace:=''

Then: vlingnav drive --namespace '' for the keys of a terminal, or a joystick by ros2 run joy joy_node.
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("teleop")
