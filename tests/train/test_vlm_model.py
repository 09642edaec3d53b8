"""VLingNav on every family: learning, answering, driving, and the same after saving."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers", reason="backbones come from the package transformers")

from vlingnav_policy.history import Frame  # noqa: E402
from vlingnav_policy.manifest import CameraSpec  # noqa: E402
from vlingnav_policy.memory import Entry, Memory  # noqa: E402
from vlingnav_policy.thinking import ThinkingConfig  # noqa: E402
from vlingnav_policy.types import TASKS, Goal, Observation, Odometry  # noqa: E402
from vlingnav_policy.vlm import sequence  # noqa: E402
from vlingnav_policy.vlm.answer import respond  # noqa: E402
from vlingnav_train.vlm.batch import Sample, collate, write_sample  # noqa: E402
from vlingnav_train.vlm.export import manifest_of  # noqa: E402
from vlingnav_train.vlm.model import VLingNavModel  # noqa: E402
from vlingnav_train.vlm.policy import VLingNavPolicy  # noqa: E402
from vlingnav_train.vlm.tiny import TINY, tiny_model  # noqa: E402

Think = Literal["adaptive", "never", "always"]


@pytest.fixture(params=TINY, scope="module")
def model(request: pytest.FixtureRequest) -> VLingNavModel:
    gc.collect()
    return tiny_model(request.param)


def picture(seed: int, model: VLingNavModel) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*model.config.image, 3), dtype=np.uint8)


def see(image: np.ndarray, model: VLingNavModel) -> np.ndarray:
    return model.see(image[None])[0]


def driving(
    model: VLingNavModel, think: Think = "never", rng: np.random.Generator | None = None
) -> VLingNavPolicy:
    rows, columns = model.config.image
    manifest = manifest_of(model, TASKS, CameraSpec(columns, rows, 1.5, 0.7, 0.15), {})
    return VLingNavPolicy(model, manifest, ThinkingConfig(think), rng)


def frames(model: VLingNavModel, count: int) -> list[Frame]:
    return [Frame(see(picture(i, model), model), float(i), np.zeros(3), 0) for i in range(count)]


def prompt(
    model: VLingNavModel, words: str, seen: int, remembered: str = "", goal: np.ndarray | None = None
) -> list[sequence.Segment]:
    memory = model.writer.memory()
    memory.write(1, remembered)
    return model.writer.prompt(memory.text(), model.writer.instruction(words, goal), frames(model, seen))


def samples(model: VLingNavModel) -> list[Sample]:
    """With and without a thought, a memory, a goal image; all of other lengths."""
    way = np.linspace(0.0, 1.0, 24, dtype=np.float32).reshape(8, 3)
    plain = prompt(model, "Search for the brown chair", 2)
    image = prompt(model, "Go there", 4, "A bed is here.", see(picture(9, model), model))
    return [
        write_sample(model.writer, plain, way, stop=False),
        write_sample(model.writer, image, -way, stop=False, thought="The bed is left", summary="A bed."),
        write_sample(model.writer, plain, way, stop=True),
    ]


def close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, atol=2e-5, rtol=1e-4)


def test_it_learns_and_its_tower_does_not(model: VLingNavModel) -> None:
    model.train()
    assert not model.backbone.vision.training
    parts = model(collate(samples(model)))
    assert set(parts) == {"text", "trajectory", "stop", "spread"}
    assert all(torch.isfinite(part) for part in parts.values())
    model.zero_grad()
    torch.stack(list(parts.values())).sum().backward()
    learned = {id(p) for projector in model.backbone.projectors for p in projector.parameters()}
    assert learned
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    for name, parameter in model.named_parameters():
        if id(parameter) in learned or name.startswith(("time", "head")):
            assert name in moved
    assert any("layers" in name for name in moved) and any("embed_tokens" in name for name in moved)
    for parameter in model.backbone.vision.parameters():
        assert parameter.requires_grad == (id(parameter) in learned)
    model.zero_grad()
    model.eval()


@torch.no_grad()
def test_a_sample_means_the_same_alone_and_in_company(model: VLingNavModel) -> None:
    all_of_them = samples(model)
    together = model(collate(all_of_them))
    alone = [model(collate([sample])) for sample in all_of_them]
    for name in ("trajectory", "stop", "spread"):
        assert close(together[name], torch.stack([parts[name] for parts in alone]).mean())
    words = torch.tensor([float(sample.sequence.learn.sum()) for sample in all_of_them])
    text_alone = torch.stack([parts["text"] for parts in alone])
    assert close(together["text"], (text_alone * words).sum() / words.sum())


@torch.no_grad()
@pytest.mark.parametrize("think", ["always", "never"])
def test_what_is_said_step_by_step_is_what_is_read_at_once(model: VLingNavModel, think: Think) -> None:
    """The KV-cached, padded answer ends in the hidden state of the whole sequence."""
    asked = prompt(model, "Search for the bed", 3, "A bed is here.")
    length = model.writer.prompt_length(60)
    said = respond(model, model.writer.pack(asked), length, ThinkingConfig(think))
    assert (said.thought is None) == (think == "never")
    tags, config = model.writer.text.tags, model.config
    whole = model.writer.pack([*asked, *sequence.answer(tags, said.thought, said.summary)])
    assert len(whole) <= model.writer.longest()
    sample = Sample(whole, np.zeros((8, 3), np.float32), False)
    hidden = model.hidden(collate([sample]))
    action = model.head(hidden[:, -1])
    assert np.allclose(action.mean[0], said.action.mean, atol=2e-5, rtol=1e-4)
    assert float(action.stop) == pytest.approx(said.action.stop, abs=2e-5, rel=1e-4)
    if said.thought is None or said.summary is None:
        return
    assert len(said.thought) <= config.thought_tokens and len(said.summary) <= config.summary_tokens
    sayable = torch.from_numpy(model.writer.text.sayable)
    logits = model.backbone.logits(hidden[0, :-1])[:, : len(sayable)]
    greedy = logits.masked_fill(~sayable, -torch.inf).argmax(-1)
    first = len(whole.ids) - len(said.summary) - len(said.thought) - 4  # after <think_on><think>
    assert greedy[first - 1 : first - 1 + len(said.thought)].tolist() == list(said.thought)


@torch.no_grad()
def test_it_thinks_when_the_indicator_says_so(model: VLingNavModel) -> None:
    asked = model.writer.pack(prompt(model, "Search", 1))
    hidden = model.hidden(collate([Sample(asked, np.zeros((8, 3), np.float32), False)]))
    logits = model.backbone.logits(hidden[0, -1])
    on, off = logits[[model.writer.text.tags.think_on, model.writer.text.tags.think_off]].tolist()
    answer = respond(model, asked, model.writer.prompt_length(60))
    assert (answer.thought is not None) == (on > off)
    if answer.thought is None:
        assert answer.calm == pytest.approx(1.0 / (1.0 + np.exp(on - off)), abs=1e-4)
    # What fell due some steps ago is thought now, if only a little is said for it.
    length = model.writer.prompt_length(60)
    assert respond(model, asked, length, calm=1e-3).thought is not None
    assert respond(model, asked, length, ThinkingConfig("never"), calm=1e-3).thought is None


def test_it_is_the_same_after_saving(model: VLingNavModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    files = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert ".safetensors" in files and not files & {".bin", ".pt", ".pkl", ".pickle"}
    again = VLingNavModel.load(tmp_path).eval()
    assert again.config == model.config and again.writer.text.tags == model.writer.text.tags
    assert again.backbone.image == model.backbone.image
    batch = collate(samples(model))
    with torch.no_grad():
        for name, part in model(batch).items():
            assert torch.equal(part, again(batch)[name])
    assert np.array_equal(see(picture(1, model), model), see(picture(1, model), again))
    (tmp_path / "vlingnav.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no VLingNav that can be read"):
        VLingNavModel.load(tmp_path)


def test_it_drives_and_sees_every_frame_once(model: VLingNavModel) -> None:
    calls = []
    hook = model.backbone.vision.register_forward_hook(lambda *_: calls.append(1))
    policy = driving(model, "always", np.random.default_rng(0))
    with pytest.raises(RuntimeError, match="reset"):
        policy.act(Observation(picture(0, model), 0.0))
    policy.reset(Goal("Search for the <image_goal>", image=picture(9, model)))
    for step in range(4):
        decision = policy.act(Observation(picture(step, model), 0.4 * step))
        assert decision.trajectory.shape == (8, 3) and decision.stamp == 0.4 * step
        assert decision.thought is not None and decision.summary is not None
        assert decision.memory == policy.memory.text()
    hook.remove()
    assert len(calls) == 5  # four frames and the goal
    assert [entry.step for entry in policy.memory.entries][-1] == 4
    quiet = driving(model)
    quiet.reset(Goal("Search"))
    first = quiet.act(Observation(picture(0, model), 0.0))
    assert first.thought is None and not quiet.memory.entries
    quiet.reset(Goal("Search"))
    assert np.array_equal(first.trajectory, quiet.act(Observation(picture(0, model), 0.0)).trajectory)


@pytest.mark.parametrize(
    ("hold_s", "drawn", "held"), [(1.2, False, True), (0.0, False, False), (1.2, True, False)]
)
def test_a_thought_is_kept_to_unless_trajectories_are_drawn(hold_s: float, drawn: bool, held: bool) -> None:
    model = tiny_model("small")
    policy = driving(model, rng=np.random.default_rng(0) if drawn else None)
    policy.reset(Goal("Search"))
    ways = []
    for step, think in enumerate(("always", "never")):
        policy.thinking = ThinkingConfig(think, hold_s=hold_s)
        odometry = Odometry(pose=np.zeros(3), velocity=np.zeros(3))
        ways.append(policy.act(Observation(picture(step, model), 0.4 * step, odometry=odometry)).trajectory)
    rest = np.vstack([ways[0][2:], ways[0][-1:], ways[0][-1:]])  # rows are 0.2 s apart
    assert np.allclose(ways[1], rest, atol=1e-5) == held


def test_step_500_costs_what_step_10_costs() -> None:
    """In tokens, which time and memory are made of here: a prompt always has the same length."""
    model = tiny_model("small")
    policy = driving(model)
    policy.reset(Goal("Search"))
    lengths, real, run = [], [], model.backbone.hidden

    def counted(streams: Tensor, mask: Tensor, *rest: object) -> Tensor:
        lengths.append(streams.shape[1])
        real.append(int(mask.sum()))
        return run(streams, mask, *rest)  # type: ignore[arg-type]

    model.backbone.hidden = counted  # type: ignore[method-assign, assignment]
    cells = see(picture(0, model), model)
    for step in range(1, 501):
        if step in (1, 10, 500):
            policy.act(Observation(picture(step, model), 0.4 * step))
        else:
            policy.history.add(Frame(cells, 0.4 * step, np.zeros(3), 0))
            policy.memory.write(step, "The bed is left of the door.")
    assert len(set(lengths[::2])) == 1 and lengths[1::2] == [2, 2, 2]  # the prompt; indicator and action
    assert real[4] > real[0]  # it remembers more, and pays no more for it
    assert len(policy.history.frames) <= model.config.history.max_frames


def test_it_learns_when_to_think_what_to_say_and_where_to_go() -> None:
    model = tiny_model("small")
    way = np.linspace(0.0, 1.0, 24, dtype=np.float32).reshape(8, 3) * model.config.scale
    plain, hard = prompt(model, "Search", 1), prompt(model, "Search", 3, "A bed is here.")
    batch = collate(
        [
            write_sample(model.writer, plain, way.astype(np.float32), stop=True),
            write_sample(model.writer, hard, -way.astype(np.float32), False, "a chair", "a bed"),
        ]
    )
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    # Trajectories are drawn in training: at a steady rate the last draws would show.
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, total_iters=120)
    for _ in range(120):
        optimiser.zero_grad()
        torch.stack(list(model.train()(batch).values())).sum().backward()
        optimiser.step()
        schedule.step()
    model.eval()
    easy, thoughtful = (respond(model, model.writer.pack(asked), 400) for asked in (plain, hard))
    assert easy.thought is None and easy.action.stop > 0.0
    assert thoughtful.thought is not None and thoughtful.summary is not None
    decode = model.writer.text.decode
    assert decode(thoughtful.thought) == "a chair" and decode(thoughtful.summary) == "a bed"
    assert thoughtful.action.stop < 0.0
    assert np.allclose(thoughtful.action.mean * np.array(model.config.scale), -way, atol=0.1)


def test_what_was_seen_before_matters() -> None:
    model = tiny_model("small")
    policy = driving(model)
    ways = []
    for first in (0, 1):
        policy.reset(Goal("Search"))
        policy.act(Observation(picture(first, model), 0.0))
        ways.append(policy.act(Observation(picture(2, model), 1.0)).trajectory)
    assert not np.array_equal(*ways)


def test_a_memory_of_an_earlier_run_is_read() -> None:
    model = tiny_model("small")
    policy = driving(model)
    ways = []
    for memory in (None, "The bed is in the left room."):
        earlier = Memory(entries=[Entry(77, memory)]).for_next_run() if memory else None
        policy.reset(Goal("Search for the bed"), earlier)
        if memory:
            assert policy.memory.text().endswith(f"0th: {memory}")
        ways.append(policy.act(Observation(picture(0, model), 0.0)).trajectory)
    assert not np.array_equal(*ways)
