from __future__ import annotations

from vlingnav_policy.tokenizer import PAD, SPECIAL_TOKENS, UNKNOWN, WordTokenizer


def test_words_have_ids_and_others_are_unknown() -> None:
    tokenizer = WordTokenizer.from_texts(["find the red chair", "the bed"], length=6)
    ids = tokenizer.encode("Find the RED sofa!")
    first = len(SPECIAL_TOKENS)
    assert tokenizer.words == ("bed", "chair", "find", "red", "the")
    assert ids.tolist() == [first + 2, first + 4, first + 3, UNKNOWN, PAD, PAD]
    assert len(tokenizer) == first + 5
    assert tokenizer.unknown("find the sofa") == ["sofa"]


def test_long_texts_are_cut() -> None:
    assert len(WordTokenizer(("a",), length=4).encode("a " * 50)) == 4
