"""Chunks: what a policy answers with, made on an old image and carried out while the next is being made.

`executor` carries them out, on the side of the motors; `replan` says when the policy is to be asked again and
what the robot goes on with meanwhile, on the side of the policy; `flow` is how a flow-matching head makes a
chunk that goes on from that (real-time chunking).
"""

from vlingnav_policy.chunks.executor import Chunk, ChunkExecutor
from vlingnav_policy.chunks.replan import Replanner

__all__ = ["Chunk", "ChunkExecutor", "Replanner"]
