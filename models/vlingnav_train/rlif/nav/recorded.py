"""What a robot recorded, as moments to learn from: its policy decides once more on the pictures of then.

Of each decision that gives what a head sees, and the trajectory before any edit; the dataset says where
whoever drove went instead. What is not known of a robot in use: how ready its head was to stop, since nobody
can object to a stop that has ended the goal. So of a recorded episode that part of the edit is 0 everywhere.

The columns are those of the recorder; `next.reward` is -1 in the frame before a takeover.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlingnav_datasets.lerobot_v3 import FRONT, DatasetError, DatasetReader, Episode
from vlingnav_datasets.navigation import goal_of
from vlingnav_policy.edit import difference
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.types import Observation, Odometry
from vlingnav_train.rlif.nav.episodes import COMPARED_LEGS, Watched
from vlingnav_train.rlif.nav.head import LIMITS, Head
from vlingnav_train.rlif.trial import Moment

COLUMNS = ("decided", "stamp", "observation.state", "action", "intervention", "stop", "next.reward")


def check_columns(reader: DatasetReader) -> None:
    """Raise DatasetError if a dataset lacks a column that is learned from."""
    if missing := [key for key in COLUMNS if key not in reader.info.frame]:
        raise DatasetError(
            f"no column {missing[0]!r} tells who drove; learn from what the node recorder made"
        )


def moments_of(episode: Episode, policy: NanoPolicy) -> Watched:
    """A recorded episode, as its robot's head would have seen it.

    Args:
        episode: of a dataset that `check_columns` lets pass.
        policy: whose decisions are edited; an edit of its own is left out.

    Raises:
        DatasetError: its pictures are damaged.
        ValueError: the policy cannot take on its goal, or has another camera.
    """
    policy = policy.another(edit=(head := Head(None)))
    policy.reset(goal_of(episode))
    state, columns = episode.arrays["observation.state"], episode.arrays
    held, decided = columns["intervention"], np.flatnonzero(columns["decided"])
    taken = [bool((span < 0.0).any()) for span in np.split(columns["next.reward"], decided)[1:]]
    pictures = (picture for row, picture in enumerate(episode.pictures(FRONT)) if columns["decided"][row])
    moments: list[Moment] = []
    for row, before_takeover, picture in zip(decided, taken, pictures, strict=True):
        odometry = Odometry(state[row, :3].astype(np.float64), state[row, 3:].astype(np.float64))
        decision = policy.act(Observation(picture, float(columns["stamp"][row]), odometry=odometry))
        driven = columns["action"][row].reshape(-1, 3)
        change = difference(decision.trajectory, driven, decision.dt, COMPARED_LEGS)
        edit = np.clip([*np.array(change) / LIMITS[:2], 0.0], -1.0, 1.0).astype(np.float32)
        if moments:
            moments[-1] = replace(moments[-1], next_observation=head.seen)
        moments.append(
            Moment(
                head.seen,
                edit,
                advice=edit,
                held=bool(held[row]),
                next_observation=head.seen,
                reward=0.0,
                fell=False,
                before_takeover=before_takeover and not held[row],
                arrived=bool(columns["stop"][row]),
            )
        )
    if moments and not moments[-1].arrived:
        moments.pop()  # what came after it was not recorded
    steps = np.hypot(*np.diff(state[:, :2], axis=0).T)
    return Watched(
        episode.meta.index,
        moments,
        {"recorded": sum(moment.before_takeover for moment in moments)},
        own_m=float(steps[~held[:-1]].sum()),
        held=float(held.mean()),
    )
