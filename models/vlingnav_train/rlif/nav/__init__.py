"""RLIF for a robot that searches houses: a head that edits its policy's decisions, learned from takeovers.

`watcher` is the scripted person, `episodes` a house with robot and person in it, `head` what edits and
`methods` how it learns; `study` is all of `vlingnav rlif-nav`, with `figures` and `store`. `export` makes a
model of it. `recorded` and `learner` do the same with what a real robot recorded: `vlingnav train rlif`,
and in `process` what the node `learner` runs beside the robot.
"""
