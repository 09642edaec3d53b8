"""The learner under RLIF: critics computed as one, batches mixed from two sources, what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vlingnav_train.rlif.networks import Actor, Critics
from vlingnav_train.rlif.replay import Batch, Replay, mixed
from vlingnav_train.rlif.rlpd import Rlpd, RlpdConfig

CPU = torch.device("cpu")
SMALL = RlpdConfig(width=32, critics=4, batch=32)


def single(critics: Critics, number: int) -> nn.Sequential:
    """The same critic made of torch's own layers."""
    layers: list[nn.Module] = []
    for index, (weight, bias) in enumerate(zip(critics.weights, critics.biases, strict=True)):
        linear = nn.Linear(*weight.shape[1:])
        linear.weight.data, linear.bias.data = (
            weight[number].T.detach().clone(),
            bias[number, 0].detach().clone(),
        )
        layers.append(linear)
        if index < len(critics.gains):
            norm = nn.LayerNorm(critics.width)
            norm.weight.data = critics.gains[index][number, 0].detach().clone()
            norm.bias.data = critics.shifts[index][number, 0].detach().clone()
            layers += [norm, nn.ReLU()]
    return nn.Sequential(*layers)


@pytest.fixture
def critics() -> Critics:
    torch.manual_seed(0)
    made = Critics(5, observation=3, action=2, width=16, layers=2)
    for parameter in (*made.gains, *made.shifts):
        nn.init.normal_(parameter)  # as it begins, a norm that is left out would not be seen
    return made


def test_the_ensemble_is_a_loop_over_single_critics(critics: Critics) -> None:
    observation, action = torch.randn(7, 3), torch.randn(7, 2)
    values = critics(observation, action)
    assert values.shape == (5, 7)
    (values**2).sum().backward()
    for number in range(5):
        alone = single(critics, number)
        value = alone(torch.cat([observation, action], dim=1)).squeeze(1)
        torch.testing.assert_close(values[number], value)
        (value**2).sum().backward()
        gradient = critics.weights[0].grad
        assert gradient is not None
        torch.testing.assert_close(gradient[number].T, alone[0].weight.grad)


def test_some_members_alone_say_what_they_say_among_all(critics: Critics) -> None:
    observation, action = torch.randn(7, 3), torch.randn(7, 2)
    chosen = torch.tensor([3, 1])
    torch.testing.assert_close(critics(observation, action, chosen), critics(observation, action)[chosen])


def test_likelihoods_are_those_of_a_squashed_gaussian() -> None:
    torch.manual_seed(0)
    actor, observation = Actor(3, 2, width=16, layers=2), torch.randn(64, 3)
    action, likelihood = actor.sample(observation, torch.Generator().manual_seed(1))
    mean, log_std = actor(observation)
    squashed = torch.distributions.TransformedDistribution(
        torch.distributions.Normal(mean, log_std.exp()), [torch.distributions.TanhTransform()]
    )
    torch.testing.assert_close(likelihood, squashed.log_prob(action).sum(dim=1), rtol=1e-3, atol=1e-3)


def filled(count: int, reward: float, capacity: int = 100) -> Replay:
    replay = Replay(capacity, observation=3, action=2)
    for number in range(count):
        replay.add(np.full(3, number), np.full(2, 0.5), np.full(3, number + 1), reward, 1.0)
    return replay


@pytest.mark.parametrize("share, old", [(0.5, 8), (0.25, 4), (0.0, 0), (1.0, 16)])
def test_a_batch_has_the_share_of_prior_data_it_shall(share: float, old: int) -> None:
    batch = mixed(filled(50, -1.0), filled(50, 0.0), 16, share, np.random.default_rng(0))
    assert (int((batch.reward == 0.0).sum()), len(batch.reward)) == (old, 16)
    assert torch.equal(batch.next_observation, batch.observation + 1)


def test_the_oldest_transition_makes_room() -> None:
    replay = filled(7, 0.0, capacity=4)
    drawn = replay.sample(200, np.random.default_rng(0)).observation[:, 0]
    assert len(replay) == 4 and set(drawn.tolist()) == {3.0, 4.0, 5.0, 6.0}


def batch_of(reward: float, mask: float, count: int = 32) -> Batch:
    observation = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    action = torch.zeros(count, 2)
    return Batch(observation, action, observation, torch.full((count,), reward), torch.full((count,), mask))


def test_where_nothing_comes_after_the_target_is_the_reward() -> None:
    learner = Rlpd(3, 2, SMALL, seed=0, device=CPU)
    assert (learner.target(batch_of(reward=-1.0, mask=0.0)) == -1.0).all()
    assert (learner.target(batch_of(reward=-1.0, mask=1.0)) != -1.0).all()


def test_the_target_takes_the_smaller_of_the_chosen_critics() -> None:
    config = RlpdConfig(
        width=32, critics=4, target_critics=4
    )  # all of them, so that the choice does not matter
    learner, batch = Rlpd(3, 2, config, seed=0, device=CPU), batch_of(reward=0.0, mask=1.0)
    noise = learner._noise.get_state()
    target = learner.target(batch)
    learner._noise.set_state(noise)
    torch.randperm(4, generator=learner._noise)
    action, _ = learner.actor.sample(batch.next_observation, learner._noise)
    values = learner.targets(batch.next_observation, action)
    torch.testing.assert_close(target, 0.99 * values.min(dim=0).values)


def test_critics_learn_a_reward_and_the_actor_follows_it() -> None:
    """Reward: minus the distance of the action from 0.5, and nothing comes after."""
    learner, noise = Rlpd(3, 1, SMALL, seed=0, device=CPU), torch.Generator().manual_seed(0)
    for _ in range(400):
        observation = torch.randn(32, 3, generator=noise)
        action = 2.0 * torch.rand(32, 1, generator=noise) - 1.0
        reward = -5.0 * (action[:, 0] - 0.5).abs()
        learner.update([Batch(observation, action, observation, reward, torch.zeros(32))])
    done = [float(learner.act(np.array([x, 0.0, -x]), explore=False)[0]) for x in (-1.0, 0.0, 1.0)]
    assert np.abs(np.array(done) - 0.5).max() < 0.25


def test_the_same_seed_gives_the_same_learner_and_another_another() -> None:
    def first_action(seed: int) -> list[float]:
        return Rlpd(3, 2, SMALL, seed, CPU).act(np.ones(3), explore=True).tolist()

    assert first_action(1) == first_action(1) != first_action(2)
