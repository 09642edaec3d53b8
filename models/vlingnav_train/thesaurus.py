"""Other words for what the policy can name, by WordNet: "wing chair" is an armchair, "crimson" is red.

A policy that has one token a word knows nothing of words that no training text held. What English has to
say about them is looked up here once, by rules that are the same for all names; no evaluation's words have a
part in it. The table lies beside this file, is made by `vlingnav train thesaurus`, and goes with every
exported model.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlingnav_policy.tokenizer import split_words
from vlingnav_sim.house import CATALOGUE, COLOURS
from vlingnav_sim.house.layout import KINDS
from vlingnav_sim.tasks.words import TOP_GARMENTS
from vlingnav_train.wordnet import ARTIFACT, ATTRIBUTE, ROOT, WordNet

TABLE = Path(__file__).with_name("thesaurus.json")
NAMES: Mapping[str, int] = {
    **dict.fromkeys((*CATALOGUE, *KINDS, "corridor", *TOP_GARMENTS, "trousers"), ARTIFACT),
    **dict.fromkeys(COLOURS, ATTRIBUTE),
    "plant": ROOT,  # the artifact of that name is a factory
}
"""What a policy can name, and in which of the lexicographers' files its concept is."""

NO_NOUNS = frozenset(
    split_words(
        "about above across against along around as at below beneath beside between beyond but by can could "
        "down for from he her here him his how if in inside into it its like may me might mine must near off "
        "on one onto or our out outside over past round shall she should since so some than that there they "
        "this till to under until up us we what when where which while who why will with within would you"
    )
)
"""Words of grammar: WordNet has those that are nouns too, but not what they mostly are."""


@dataclass(frozen=True)
class Rules:
    """What counts as another word for a name.

    Attributes:
        deepest: steps to more special concepts.
        common: a word counts if the concept is among this many of its most common ones in the same file. For
            plants it must be the most common of all: an apple is a fruit before it is a tree.
        common_parts: the same of the words that may take the place of a part of a name.
        longest: words of an expression.
        aside: distance of a more general concept, and of a whole that the concept is a part of.
        by_parts: distance of an expression that has another word in the place of a part of a name.
    """

    deepest: int = 4
    common: int = 2
    common_parts: int = 3
    longest: int = 3
    aside: float = 1.5
    by_parts: float = 2.0


@dataclass(frozen=True, order=True)
class _Claim:
    """That a word is another one for `name`: how far they are apart, and how uncommon that meaning is."""

    distance: float
    rank: int
    name: str


def thesaurus(wordnet: WordNet, rules: Rules = Rules()) -> dict[str, str]:
    """Expressions, each with the name that it is nearest to; every name stands for itself.

    The concept of a name is the most common one in its file. What else names it is at distance 0, each step
    to more special concepts adds 1. More general concepts and wholes count one step far, and only those that
    have no second name below them. If several names claim a word, the nearest has it, then the one whose
    concept the word more commonly means; if that does not decide either, none.
    """
    spelled = {name.replace(" ", ""): name for name in NAMES}  # however it is: "book shelf", "book-shelf"
    claims: dict[str, set[_Claim]] = defaultdict(set)
    for word, claim in (*_by_concept(wordnet, rules), *_by_parts(wordnet, rules)):
        words = split_words(word)
        claims[spelled.setdefault("".join(words), " ".join(words))].add(claim)
    table = {}
    for word, several in claims.items():
        first, *others = sorted(several)
        tied = any((other.distance, other.rank) == (first.distance, first.rank) for other in others)
        if not tied and _usable(word, first.name, rules):
            table[word] = first.name
    return dict(sorted((table | {name: name for name in NAMES}).items()))


def _by_concept(wordnet: WordNet, rules: Rules) -> Iterator[tuple[str, _Claim]]:
    """Words for the concept of a name and for those around it."""
    concepts = {name: ids[0] for name, file in NAMES.items() if (ids := wordnet.senses_in(name, file))}
    below: dict[str, set[str]] = defaultdict(set)
    for name, concept in concepts.items():
        for general in wordnet.above(concept):
            below[general].add(name)
    for name, concept in concepts.items():
        plant = NAMES[name] == ROOT
        common = 1 if plant else rules.common
        near = layer = {concept: 0.0}
        for depth in range(1, rules.deepest + 1):
            special = [other for synset in layer for other in wordnet.neighbours(synset, "~")]
            layer = {other: float(depth) for other in special if other not in near}
            near = near | layer
        for other in wordnet.neighbours(concept, "@", "#p"):
            if below[other] <= {name}:
                near.setdefault(other, rules.aside)
        for synset, distance in near.items():
            for word in wordnet.synsets[synset].words:
                rank = wordnet.rank(word, synset, everywhere=plant)
                # Colours are adjectives in running text, and nouns here.
                noun = NAMES[name] == ATTRIBUTE or word not in wordnet.no_nouns
                if rank is not None and rank < common and noun:
                    yield word, _Claim(distance, rank, name)


def _by_parts(wordnet: WordNet, rules: Rules) -> Iterator[tuple[str, _Claim]]:
    """Names with one of their words replaced by another for the same thing."""
    for name in NAMES:
        words = name.split()
        for i, word in enumerate(words if len(words) > 1 else ()):
            for rank, synset in enumerate(wordnet.senses_in(word, ARTIFACT)[: rules.common_parts]):
                for other in wordnet.synsets[synset].words:
                    if " " not in other:
                        expression = " ".join((*words[:i], other, *words[i + 1 :]))
                        yield expression, _Claim(rules.by_parts, rank, name)


def _usable(expression: str, name: str, rules: Rules) -> bool:
    """Not too long, no word of grammar, and no colour before a thing: that is told beside what it is."""
    words = expression.split()
    coloured = words[0] in COLOURS and name not in COLOURS
    return len(words) <= rules.longest and expression not in NO_NOUNS and not coloured


def write(wordnet: WordNet, out: Path = TABLE) -> dict[str, str]:
    """Write the table with WordNet's licence, which asks to be kept with all that is made of it."""
    table = thesaurus(wordnet)
    about = "Other words for what a policy can name; made from WordNet by `vlingnav train thesaurus`."
    data = {"about": about, "licence": wordnet.licence, "names": table}
    out.write_text(json.dumps(data, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    return table
