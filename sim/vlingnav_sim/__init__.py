"""Where VLingNav acts: houses, robots, people, sensors, tasks, experts and measures.

Nothing is imported here, so that using one part (the house generator needs only numpy) does not load another.
"""
