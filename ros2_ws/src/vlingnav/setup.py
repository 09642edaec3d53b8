"""The ROS package `vlingnav`; colcon needs this file, pip reads it too."""

from glob import glob

from setuptools import find_packages, setup

NAME = "vlingnav"
VERSION = "0.1.0"
NODES = ("sim", "safety", "controller", "policy", "inference", "teleop", "arbiter", "recorder", "learner")

launch_files = sorted(glob("launch/*.launch.py"))
if not launch_files:
    # `launch` is a link; copied without its target, a package without launch files would be built.
    raise SystemExit(
        "ros2_ws/src/vlingnav/launch holds no launch file; build from a whole checkout of the repository"
    )

setup(
    name=NAME,
    version=VERSION,
    description="VLingNav on a robot: policy, controller, safety and simulation as ROS 2 nodes.",
    license="Apache-2.0",
    maintainer="The VLingNav authors",
    maintainer_email="vlingnav@users.noreply.github.com",
    packages=find_packages(include=[NAME]),
    install_requires=["setuptools"],
    zip_safe=True,
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", launch_files),
        (f"share/{NAME}/config", sorted(glob("config/*.yaml"))),
        (f"share/{NAME}/config/robots", sorted(glob("config/robots/*.yaml"))),
        (f"share/{NAME}/rviz", sorted(glob("rviz/*.rviz"))),
    ],
    entry_points={
        "console_scripts": [f"{NAME}_{node} = {NAME}.{node}_node:main" for node in NODES],
        "vlingnav.commands": [
            "up = vlingnav.commands:add_up",
            "go = vlingnav.commands:add_go",
            "drive = vlingnav.commands:add_drive",
            "bench.loop = vlingnav.commands:add_bench_loop",
        ],
    },
)
