"""The safety filter alone, for a robot that something else drives: `cmd_vel_desired` in, `cmd_vel` out.

ros2 launch vlingnav safety.launch.py namespace:=''
ros2 launch vlingnav safety.launch.py namespace:='' desired_stamped:=false stamped:=false    # Twist
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("safety")
