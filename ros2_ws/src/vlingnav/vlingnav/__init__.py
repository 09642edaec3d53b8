"""VLingNav on a robot: thin ROS 2 nodes around the ROS-free rooms; nothing in here decides anything."""
