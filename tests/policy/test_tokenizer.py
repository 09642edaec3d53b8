from __future__ import annotations

from vlingnav_policy.tokenizer import END_THINK, MARKS, PAD, SPECIAL_TOKENS, UNKNOWN, WordTokenizer


def test_words_have_ids_and_others_are_unknown() -> None:
    tokenizer = WordTokenizer.from_texts(["find the red chair", "the bed"], length=6)
    ids = tokenizer.encode("Find the RED sofa!")
    first = len(SPECIAL_TOKENS) + len(MARKS)
    assert tokenizer.words == (".", ",", ":", "bed", "chair", "find", "red", "the")
    assert ids.tolist() == [first + 2, first + 4, first + 3, UNKNOWN, PAD, PAD]
    assert len(tokenizer) == first + 5
    assert tokenizer.unknown("find the sofa") == ["sofa"]


def test_long_texts_are_cut() -> None:
    assert len(WordTokenizer(("a",), length=4).encode("a " * 50)) == 4


def test_thoughts_come_back_with_their_punctuation() -> None:
    text = "Room one, a kitchen: red chair. I have not seen a bed, so I go on."
    tokenizer = WordTokenizer.from_texts([text])
    ids = tokenizer.ids(text)
    assert len(ids) == 21 and UNKNOWN not in ids
    assert tokenizer.text(ids) == text
    assert tokenizer.text([*ids, END_THINK]) == text
    assert tokenizer.ids("a sofa") == [*tokenizer.ids("a"), UNKNOWN]
