"""`takeover` with a recorder and a learner: the robot learns from being taken over, while it drives.

    ros2 launch vlingnav learn.launch.py
    ros2 launch vlingnav learn.launch.py simulation:=false namespace:=''    # on a robot

Then: vlingnav go "find the red chair", and take the stick where you do not like what it does. After five
goals there may be a better version, which drives from the next goal on; vlingnav rollback undoes that.
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("learn")
