"""Stage 0b: new words for an old tower, which stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vlingnav_sim.house import HouseConfig, generate
from vlingnav_train import language as stage
from vlingnav_train.checkpoint import Nano
from vlingnav_train.language import LanguageConfig, look, teach, train_language
from vlingnav_train.networks import NanoConfig, similarity
from vlingnav_train.questions import TAUGHT, TESTED, Questions
from vlingnav_train.views import CELL, ViewBatches, Views, collect_house
from vlingnav_train.vocabulary import CATEGORIES, CLASSES, COLOUR_NAMES, MAY_NAME, NO_COLOUR, tokenizer

TINY = NanoConfig(channels=16, dim=32, layers=2, heads=2)
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
        batches = ViewBatches(views)
        asked = [batches.thing(view % len(views), q) for view in range(400) for q in range(8)]
        return [(category, colour) for category, colour in asked if colour >= 0]

    assert all(MAY_NAME[thing] for thing in named())
    monkeypatch.setattr("vlingnav_train.views.MAY_NAME", np.ones_like(MAY_NAME))
    assert not all(MAY_NAME[thing] for thing in named())


def test_questions_say_what_they_ask_for(views: Views) -> None:
    questions, index = Questions(views, 8, 0), np.arange(40)
    words = tokenizer()
    for kind in TESTED:
        asked = questions.ask(kind, index)
        assert asked.truth.min() == 0.0 and (asked.truth.max() == 1.0 or kind not in TAUGHT)
        if asked.words is None:
            assert kind == "image" and (views.shows[asked.pictures] >= 0).all()
            continue
        texts = [words.text(ids) for ids in asked.words.flatten(0, 1).tolist()]
        things = asked.things.reshape(-1, 2)
        for text, (category, colour) in zip(texts, things, strict=True):
            if kind in ("known", "route", "unseen"):
                assert CATEGORIES[category] in text.lower()
            if kind == "clothes":
                assert "person" in text and category == -1
            elif colour >= 0:
                assert COLOUR_NAMES[colour] in text and MAY_NAME[category, colour] != (kind == "unseen")


def test_old_words_stay_and_new_ones_come_to_mean_the_same(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    before = Nano.untrained(TINY)
    torch.nn.init.normal_(before.language.head[2].weight)  # so that it tells things apart
    before.save(tmp_path / "nano.pt")
    monkeypatch.setattr(stage, "collect", lambda houses, per_house, house: views)
    config = LanguageConfig(batch=8, questions=8, steps=60, lr=1e-2)
    figures = train_language(config, tmp_path / "nano.pt", TINY, tmp_path / "new.pt")
    assert set(figures["before"]) == set(figures["after"]) == set(TESTED)
    assert figures["after"]["clothes"] > 1.2 * figures["before"]["clothes"]
    after = Nano.load(tmp_path / "new.pt")
    for name in ("tower", "policy"):
        old, new = getattr(before, name).state_dict(), getattr(after, name).state_dict()
        assert all(torch.equal(old[key], new[key]) for key in old)

    cells, taught = look(before.tower, views), teach(before.language)
    questions, index = Questions(views, 8, 5), np.arange(32)
    for kind in TAUGHT[:3]:
        asked = questions.ask(kind, index)
        assert asked.words is not None
        things = asked.things[..., 0], asked.things[..., 1]
        wanted = similarity(cells[index].float(), taught[things]).sigmoid()

        def miss(nano: Nano, asked: torch.Tensor = asked.words, wanted: torch.Tensor = wanted) -> float:
            with torch.no_grad():
                query = nano.language.eval()(asked.flatten(0, 1)).unflatten(0, asked.shape[:2])
            return float((similarity(cells[index].float(), query).sigmoid() - wanted).abs().mean())

        fresh = Nano.untrained(TINY)
        assert miss(after) < 0.7 * miss(fresh), kind
