"""A tuner that was learned: one layer of a graph network, in numpy.

A neighbourhood is a small graph: a robot, and one edge to each robot and each hit that it sees. Every edge
becomes a message, the mean of a robot's messages its picture of the situation, and from the two come the
gain, the share and the cost of that edge. As nothing depends on how many edges there are, a network trained
among two dozen robots runs among a thousand.

The filter bounds what a tuner says, so a network can be badly trained, but not dangerous. The network itself
is `vlingnav_train.safety.network`, in the same words; a test holds the two and the ONNX graph together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_safety.multi.batch import Tuning
from vlingnav_safety.multi.tuner import View

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]

NODE, EDGE, HIT = 4, 7, 3
"""Numbers of a node, of an edge to a robot and of an edge to a hit: those of `View`, and the distance."""
WEIGHTS = "tuner.npz"
_REACH = 0.5  # [m] to which distances are related
_STEEP = 2.0  # of gains: the largest are far from where it starts
_START = -2.0  # added to the gains: untrained, it is as cautious as a filter with a gain of 4/s
_FARTHEST = 3.0  # largest logarithm of a cost


@dataclass(frozen=True)
class Graph:
    """What the network reads: N nodes, M edges to robots, H edges to hits, only those that are there.

    Attributes:
        nodes: `(N, NODE)`.
        edges: `(M, EDGE)`.
        owner: `(M,)` whose edge it is, not decreasing.
        hits: `(H, HIT)`.
        hit_owner: `(H,)` likewise.
    """

    nodes: Array
    edges: Array
    owner: Indices
    hits: Array
    hit_owner: Indices


def graph(view: View) -> Graph:
    """The edges of all robots of all worlds, one after another."""
    there, seen = view.index >= 0, np.isfinite(view.hit_edges[..., 0])
    edges, hits = view.edges[there], view.hit_edges[seen]
    nodes = view.nodes.reshape(-1, NODE) / [_REACH, 1.0, 1.0, 1.0]
    edges = np.concatenate([edges / [_REACH, _REACH, 1.0, 1.0, 1.0, 1.0], _length(edges)], axis=1)
    hits = np.concatenate([hits / _REACH, _length(hits)], axis=1)
    return Graph(nodes, edges, _owners(there), hits, _owners(seen))


def tuning(view: View, pairs: Array, hits: Array) -> Tuning:
    """What the heads `pairs (M, 3)` and `hits (H, 2)` say, in the places of `view`."""
    there, seen = view.index >= 0, np.isfinite(view.hit_edges[..., 0])
    most = 1.0 / view.dt
    return Tuning(
        gain=_put(there, most * _part(_STEEP * pairs[:, 0] + _START)),
        share=_put(there, _part(pairs[:, 1])),
        cost=_put(there, np.exp(np.clip(pairs[:, 2], -_FARTHEST, _FARTHEST))),
        hit_gain=_put(seen, most * _part(_STEEP * hits[:, 0] + _START)),
        hit_cost=_put(seen, np.exp(np.clip(hits[:, 1], -_FARTHEST, _FARTHEST))),
    )


class LearnedTuner:
    """The network, from the weights that `vlingnav train-safety` leaves beside the ONNX graph."""

    def __init__(self, folder: Path) -> None:
        """Load `tuner.npz` from `folder`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it holds other layers, or numbers that are not finite.
        """
        if not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(f"{folder / WEIGHTS} is missing; make it with: vlingnav train-safety")
        with np.load(folder / WEIGHTS) as file:
            self._weights = {name: file[name].astype(np.float64) for name in file.files}
        expected = {f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")}
        if self._weights.keys() != expected:
            raise ValueError(f"{folder / WEIGHTS} holds other layers than this version has; train it again")
        if not all(np.isfinite(values).all() for values in self._weights.values()):
            raise ValueError(f"{folder / WEIGHTS} holds numbers that are not finite; train it again")

    def __call__(self, view: View) -> Tuning:
        """Gains, shares and costs of all edges of the view; NaN where there is no edge."""
        return tuning(view, *self.heads(graph(view)))

    def heads(self, seen: Graph) -> tuple[Array, Array]:
        """What the network says of each edge: `(M, 3)` of gain, share and cost, `(H, 2)` of gain and cost."""
        count = len(seen.nodes)
        told = self._message("edge", np.concatenate([seen.nodes[seen.owner], seen.edges], axis=1))
        hit = self._message("hit", np.concatenate([seen.nodes[seen.hit_owner], seen.hits], axis=1))
        means = [_mean(told, seen.owner, count), _mean(hit, seen.hit_owner, count)]
        robot = self._layer("robot", np.concatenate([seen.nodes, *means], axis=1))
        return (
            self._affine("edge_head", np.concatenate([robot[seen.owner], told], axis=1)),
            self._affine("hit_head", np.concatenate([robot[seen.hit_owner], hit], axis=1)),
        )

    def _message(self, name: str, features: Array) -> Array:
        return self._layer(f"{name}_out", self._layer(f"{name}_in", features))

    def _layer(self, name: str, features: Array) -> Array:
        return np.maximum(self._affine(name, features), 0.0)

    def _affine(self, name: str, features: Array) -> Array:
        return features @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]


LAYERS = ("edge_in", "edge_out", "hit_in", "hit_out", "robot", "edge_head", "hit_head")
"""Affine layers, all but the heads followed by max(0, x)."""


@njit(cache=True, error_model="numpy", nogil=True)
def _mean(messages: Array, owner: Indices, count: int) -> Array:
    """Mean of the messages `(M, D)` of each of `count` robots; zero for one that has none."""
    result = np.zeros((count, messages.shape[1]))
    first = 0
    for m in range(len(messages)):
        result[owner[m]] += messages[m]
        if m + 1 == len(messages) or owner[m + 1] != owner[m]:
            result[owner[m]] /= m + 1 - first
            first = m + 1
    return result


def _part(value: Array) -> Array:
    """Logistic function, for any number without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * value)


def _length(edges: Array) -> Array:
    return np.linalg.norm(edges[:, :2], axis=1, keepdims=True) / _REACH


def _owners(there: Bools) -> Indices:
    return np.nonzero(there.reshape(-1, there.shape[-1]))[0]


def _put(there: Bools, values: Array) -> Array:
    result = np.full(there.shape, np.nan)
    result[there] = values
    return result
