"""Stage 0: what views hold, what they are asked, and that tower, words and goal images come to agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vlingnav_sim.house import HouseConfig, generate
from vlingnav_train import tower as stage
from vlingnav_train.checkpoint import Nano
from vlingnav_train.networks import NanoConfig
from vlingnav_train.optimise import KEEP
from vlingnav_train.questions import TAUGHT, TESTED, Questions
from vlingnav_train.tower import Stage0, TowerConfig, evaluate, load_tower, losses, train_tower
from vlingnav_train.views import CELL, Views, collect_house
from vlingnav_train.vocabulary import CATEGORIES, CLASSES, COLOUR_NAMES, MAY_NAME, NO_COLOUR, tokenizer

TINY = NanoConfig(widths=(8, 16, 24), channels=16, dim=32, layers=2, heads=2)
HOUSE = HouseConfig(max_rooms=2, people=(3, 3))


@pytest.fixture(scope="module")
def views() -> Views:
    return Views.join([collect_house(seed, 25, HOUSE) for seed in (1, 2, 3)])


def test_people_in_views_wear_what_they_wear(views: Views) -> None:
    people = {(p.top, p.bottom) for seed in (1, 2, 3) for p in generate(seed, HOUSE).people}
    somebody = views.pair_class == CLASSES.index("person")
    worn = zip(views.pair_top[somebody], views.pair_bottom[somebody], strict=True)
    assert somebody.any()
    assert {(COLOUR_NAMES[top], COLOUR_NAMES[bottom]) for top, bottom in worn} <= people
    assert (views.pair_top[~somebody] == NO_COLOUR).all()
    total = np.zeros(views.pair_cells.shape[1:] + (len(views),), np.int64)
    np.add.at(total.transpose(2, 0, 1), views.pair_view, views.pair_cells)
    assert (total == CELL**2).all()  # every pixel is of one pair


def test_a_goal_image_shows_a_thing_large_and_in_its_middle(views: Views) -> None:
    shown = np.flatnonzero(views.shows >= 0)
    assert len(shown)
    for view in shown:
        pair = views.shows[view]
        assert views.pair_view[pair] == view and views.pair_class[pair] < len(CATEGORIES)
        cells = views.pair_cells[pair].astype(float)
        assert cells.sum() >= 0.03 * CELL**2 * cells.size and cells[:, 4:12].any()


def test_no_question_names_a_pair_that_is_kept_from_training(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named() -> list[tuple[int, int]]:
        questions, rng = Questions(views), np.random.default_rng(0)
        kinds = [kind for kind in TAUGHT if kind not in ("clothes", "image")]
        asked = [questions.ask(kind, np.arange(len(views)), 24, rng).things for kind in kinds]
        return [tuple(thing) for things in asked for thing in things.reshape(-1, 2) if thing[1] >= 0]

    assert all(MAY_NAME[thing] for thing in named())
    monkeypatch.setattr("vlingnav_train.questions.MAY_NAME", np.ones_like(MAY_NAME))
    assert not all(MAY_NAME[thing] for thing in named())


def test_questions_say_what_they_ask_for(views: Views) -> None:
    questions, words, rng = Questions(views), tokenizer(), np.random.default_rng(0)
    index = questions.draw(40, rng)
    for kind in TESTED:
        asked = questions.ask(kind, index, 8, rng)
        assert asked.truth.min() == 0.0 and (asked.truth.max() == 1.0 or kind not in TAUGHT)
        if asked.words is None:
            assert kind == "image"
            for b, q in np.ndindex(asked.pictures.shape):
                pair = views.shows[index[asked.pictures[b, q]]]
                assert tuple(asked.things[b, q]) == (views.pair_class[pair], views.pair_colour[pair])
            continue
        texts = [words.text(ids) for ids in asked.words.reshape(320, -1).tolist()]
        for text, (category, colour) in zip(texts, asked.things.reshape(-1, 2), strict=True):
            if kind in ("known", "route", "unseen"):
                assert CATEGORIES[category] in text.lower()
            if kind == "clothes":
                assert "person" in text and category == -1
            elif colour >= 0:
                assert COLOUR_NAMES[colour] in text and MAY_NAME[category, colour] != (kind == "unseen")


def test_a_mirrored_view_has_its_answers_mirrored(views: Views) -> None:
    """Whatever is mirrored, the cells of a class have that class's pixels behind them."""
    questions = Questions(views)
    batch = questions.batch(32, np.random.default_rng(3))
    index = questions.draw(32, np.random.default_rng(3))
    straight = (batch["rgb"].numpy() == views.rgb[index]).all(axis=(1, 2, 3))
    assert 4 < straight.sum() < 28
    classes, _ = views.shares(index)
    for b in range(32):
        wanted = classes[b] if straight[b] else classes[b, ..., ::-1]
        assert np.array_equal(batch["classes"][b].numpy(), wanted)
        picture = views.rgb[index[b]] if straight[b] else views.rgb[index[b], :, ::-1]
        assert np.array_equal(batch["rgb"][b].numpy(), picture)


def test_tower_words_and_goal_images_come_to_agree(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "collect", lambda houses, per_house, house: views)
    torch.manual_seed(0)
    before = evaluate(Stage0(TINY), views, batches=3)
    after = train_tower(TowerConfig(batch=24, steps=120, lr=5e-3), TINY, tmp_path)
    for kind in ("known", "synonym", "route", "image"):
        assert after[kind] > 2.0 * before[kind], kind
    assert after["classes"] > 0.5
    config, tower, language, goal = load_tower(tmp_path / "tower.pt")
    assert config == TINY
    nano = Nano.untrained(config)
    nano.tower, nano.language, nano.goal = tower, language, goal
    nano.save(tmp_path / "nano.pt")
    again = load_tower(tmp_path / "nano.pt")
    for one, other in zip((tower, language, goal), again[1:], strict=True):
        pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    weights = torch.load(tmp_path / "tower.pt", weights_only=True)
    del weights["config"]
    torch.save(weights, tmp_path / "old.pt")
    with pytest.raises(ValueError, match=r"old\.pt does not say the sizes"):
        load_tower(tmp_path / "old.pt")


def test_stage_0_cut_off_goes_on_as_if_it_had_not_been(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert KEEP > 3
    monkeypatch.setattr(stage, "collect", lambda houses, per_house, house: views)
    monkeypatch.setattr("vlingnav_train.optimise.KEEP", 3)
    config = TowerConfig(batch=4, steps=8)

    def train(out: Path, cut_off_at: int | None) -> dict[str, torch.Tensor]:
        seen = []

        def cut(*args: object) -> dict[str, torch.Tensor]:
            seen.append(1)
            if len(seen) == cut_off_at:
                raise KeyboardInterrupt
            return losses(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(stage, "losses", cut)
        train_tower(config, TINY, out)
        return torch.load(out / "tower.pt", weights_only=True)["tower"]

    whole = train(tmp_path / "whole", None)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", 6)
    resumed = train(tmp_path / "cut", None)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
