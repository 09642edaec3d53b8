"""Labels of a collected dataset: a few per cent of the steps, the same however often it is interrupted."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vlingnav_cli import CommandFailed, UserError
from vlingnav_datasets.annotate import (
    AnnotationConfig,
    AnnotatorUnavailable,
    BadAnswer,
    Label,
    OracleAnnotator,
    Request,
)
from vlingnav_datasets.annotate.dataset import Annotated, Who, annotate_dataset
from vlingnav_datasets.annotate.journal import JOURNAL
from vlingnav_datasets.annotate.lexicon import read_lexicon
from vlingnav_datasets.commands import add_annotate, add_dataset_check
from vlingnav_datasets.lerobot_v3 import GOAL, DatasetError, DatasetReader, check, statistics
from vlingnav_datasets.navigation import NavigationDataset
from vlingnav_sim.lexicon import LEXICON

CONFIG = AnnotationConfig(LEXICON)
Prints = Callable[[Path], dict[str, str]]


class Watched(OracleAnnotator):
    """Notes what it is asked; gives up when it has answered so often, and sometimes talks nonsense."""

    def __init__(self, answers: int = 1 << 30, nonsense: int = 0) -> None:
        super().__init__(LEXICON)
        self.requests: list[Request] = []
        self.said: list[tuple[float, str]] = []
        self._answers, self._nonsense = answers, nonsense

    def annotate(self, request: Request) -> Label:
        if len(self.requests) >= self._answers:
            raise AnnotatorUnavailable("out for lunch")
        self.requests.append(request)
        self.said.append((request.knowledge.now.stamp, request.memory))
        if len(self.requests) <= self._nonsense:
            raise BadAnswer("no label at all")
        return super().annotate(request)


def annotate(root: Path, annotator: OracleAnnotator, looks: bool = False) -> Annotated:
    return annotate_dataset(root, Who("oracle", annotator, looks), CONFIG, progress=False)


@pytest.fixture
def dataset(tmp_path: Path, collected: Path) -> Path:
    return Path(shutil.copytree(collected, tmp_path / "dataset"))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory, collected: Path) -> tuple[Path, Annotated, Watched]:
    """Labelled at one go."""
    root = Path(shutil.copytree(collected, tmp_path_factory.mktemp("labelled") / "dataset"))
    annotator = Watched()
    return root, annotate(root, annotator), annotator


def test_a_few_per_cent_of_the_steps_think(labelled: tuple[Path, Annotated, Watched]) -> None:
    root, done, _ = labelled
    figures = statistics(root)
    assert 0.01 <= figures["thought_share"] <= 0.15
    assert (done.episodes, done.new, done.steps) == (4, 4, figures["steps"])
    assert done.thoughts == round(figures["thought_share"] * done.steps) and not done.rejected
    assert done.reasons["start"] == 4 and check(root, decode=True) == []


def test_training_reads_the_memory_that_the_annotator_was_shown(
    labelled: tuple[Path, Annotated, Watched], collected: Path
) -> None:
    root, _, annotator = labelled
    shown = iter(annotator.said)
    written = 0
    before = DatasetReader(collected)
    for episode in NavigationDataset(root):
        assert episode.memories[0] == "" and episode.thinks[0], "the start deserves a thought"
        for step in range(len(episode)):
            thinks = bool(episode.thoughts[step])
            assert episode.thinks[step] == thinks == bool(episode.summaries[step])
            if thinks:
                stamp, memory = next(shown)
                assert (round(stamp, 3), memory) == (round(episode.stamps[step], 3), episode.memories[step])
                written += f" {step + 1}th: {episode.summaries[step]}" in episode.memories[-1]
            elif step:
                changed = episode.memories[step] != episode.memories[step - 1]
                assert changed == bool(episode.summaries[step - 1])
        assert episode.facts == before.episode(episode.index).texts["facts"]
        assert (episode.goal.image is not None) == (episode.goal.task == "image")
    assert next(shown, None) is None and written > 3


def test_it_goes_on_where_it_was_interrupted(
    dataset: Path, labelled: tuple[Path, Annotated, Watched], fingerprints: Prints
) -> None:
    root, done, all_at_once = labelled
    interrupted = Watched(answers=len(all_at_once.requests) - 1)
    with pytest.raises(AnnotatorUnavailable):
        annotate(dataset, interrupted)
    with (dataset / JOURNAL).open("ab") as journal:  # as kill -9 leaves it in the middle of a line
        journal.write(b'{"episode": 3, "steps": 2')
    again = Watched()
    later = annotate(dataset, again)
    last = [request.seed[1] for request in again.requests]
    assert set(last) == {3}, "only the episode that was not finished is asked for again"
    assert fingerprints(dataset) == fingerprints(root)
    assert (later.thoughts, later.reasons, later.new) == (done.thoughts, done.reasons, 1)
    assert annotate(dataset, Watched(answers=0)).new == 0


def test_labels_that_are_in_the_journal_alone_still_come_to_the_dataset(
    dataset: Path, labelled: tuple[Path, Annotated, Watched], fingerprints: Prints
) -> None:
    shutil.copy(labelled[0] / JOURNAL, dataset / JOURNAL)
    annotate(dataset, Watched(answers=0))
    assert fingerprints(dataset) == fingerprints(labelled[0])


def test_answers_that_are_not_taken_are_counted(dataset: Path) -> None:
    done = annotate(dataset, Watched(nonsense=4), looks=True)
    assert (done.rejected, done.dropped) == ({"answer": 4}, 1), "three attempts a step"
    assert annotate(dataset, Watched(answers=0)) == Annotated(**{**vars(done), "new": 0})
    assert not NavigationDataset(dataset).episode(0).thinks[0]


def test_an_annotator_that_looks_is_shown_the_latest_pictures(dataset: Path) -> None:
    annotator = Watched()
    annotate(dataset, annotator, looks=True)
    assert {len(request.frames) for request in annotator.requests} >= {1, 10}
    image = next(request.goal.image for request in annotator.requests if request.goal.task == "image")
    assert image is not None and image.shape == annotator.requests[0].frames[0].shape


def test_labels_of_two_annotators_are_not_mixed(dataset: Path) -> None:
    annotate(dataset, OracleAnnotator(LEXICON))
    with pytest.raises(
        DatasetError, match="holds labels by annotator oracle, seed 0, not by annotator model"
    ):
        annotate_dataset(dataset, Who("model", OracleAnnotator(LEXICON), True), CONFIG, progress=False)
    (dataset / JOURNAL).unlink()
    annotate_dataset(dataset, Who("model", OracleAnnotator(LEXICON), True), CONFIG, progress=False)


def test_what_is_damaged_is_named_and_the_rest_is_labelled(dataset: Path) -> None:
    video = next(dataset.glob(f"videos/{GOAL}/*/*.mp4"))
    video.write_bytes(video.read_bytes()[:1000])
    with pytest.raises(CommandFailed, match=f"1 episodes cannot be read(.|\n)*{video}") as failed:
        command(add_annotate, str(dataset))
    assert failed.value.figures is not None and failed.value.figures["episodes"] == 3
    readers = DatasetReader(dataset)
    assert [any(readers.episode(k).texts["thought"]) for k in range(4)] == [True, False, True, True]


def command(add: Callable[[argparse.ArgumentParser], None], *words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add(parser)
    args = parser.parse_args(words)
    figures: dict[str, object] = args.run(args)
    return figures


def test_the_commands(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_lexicon(dataset) == LEXICON
    figures = command(add_annotate, str(dataset))
    assert 0.01 <= figures["thought_share"] <= 0.15
    assert command(add_dataset_check, str(dataset), "--decode")["thought_share"] == figures["thought_share"]
    said = capsys.readouterr().out
    assert "4 episodes (4 new), thoughts at" in said and "object: 2 episodes" in said
    page = (dataset / "statistics.html").read_text()
    assert f"{100 * figures['thought_share']:.1f} %" in page and "<h2>Categories</h2>" in page
    data = next(dataset.glob("data/*/*"))
    data.write_bytes(data.read_bytes()[:5000])
    with pytest.raises(CommandFailed, match=f"has 1 problems:\n  {data}"):
        command(add_dataset_check, str(dataset))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--annotator", "clairvoyant"], "take oracle, openai:URL or transformers:FOLDER"),
        (["--annotator", "openai:http://localhost:1/v1"], "name it with --model"),
        (["--annotator", "openai:localhost", "--model", "m"], "is no address of an endpoint"),
        (["--annotator", "transformers:/nowhere"], "there is no model in /nowhere"),
    ],
)
def test_annotators_that_cannot_be_had_are_refused(dataset: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        command(add_annotate, str(dataset), *words)
    assert not (dataset / JOURNAL).exists()


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    for add in (add_annotate, add_dataset_check):
        with pytest.raises(UserError, match="no dataset in"):
            command(add, str(tmp_path))
