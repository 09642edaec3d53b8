"""Learning to tune the multi-robot filter: multi-agent PPO in the worlds of `vlingnav_safety.multi`.

`network` has the graph network, `rollout` lets many robots drive with it, `ppo` learns from that, `export`
writes what `vlingnav_safety.multi.learned` reads. Nothing here is imported with the room.
"""
