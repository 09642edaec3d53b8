"""Learning from the moment of a takeover: RLIF (Luo et al. 2023, arXiv:2311.12996) and its baselines.

`networks`, `replay` and `rlpd` are the off-policy learner; `tasks`, `person` and `trial` are a robot that
acts while somebody watches. `method` says what a method is, and `run` is the loop for all. Each has a file:
`rlif`, `human_reward` (over `offpolicy`), `hg_dagger`, `dagger`, `bc` (over `cloning`). A new one is one
more such file and a line in `bench.METHODS`; another critic or advantage is another `Rlpd.target`. `experts`
trains those who take over, `bench` compares. `nav` is the same for the robot that searches houses. Nothing
here is imported with the room.
"""
