"""Nodes that read or make strings."""

import numpy as np

from .draw import TEXTS, Undrawable, draws
from .table import TEXT

WORDS = np.array(["a", "b", "ab", "é", ""], dtype=object)


def texts(d, shape, among=WORDS):
    return d.ints(np.asarray(d.rng.choice(among, shape), dtype=object).reshape(shape), TEXT)


@draws("StringConcat", exact=True)
def concat(d):
    return d.node([d.data(shape, d.type("T", texts=True)) for shape in d.broadcast_pair()])


@draws("StringSplit", exact=True)
def split(d):
    among = np.array(["a b c", "a,b", ",a,,b,c", ",", "x, y, z", "banana  split", "aa", "no", "é, ö"], dtype=object)
    x = texts(d, d.shape(0, 3, empty=False, most=30), among)
    return d.node([x], d.some(delimiter=d.pick([",", "a", ", ", "na"]), maxsplit=d.between(0, 3)), 2)


@draws("StringNormalizer", exact=True)
def normalize(d):
    """Letters of ASCII only: onnxruntime needs a locale for others, which tests/strings.py compares with Python."""
    among = np.array(["", "a", "Abc", "ABC", "monday", "Monday", "1.5"], dtype=object)
    count = d.between(1, 9)
    attributes = d.some(case_change_action=d.pick(["NONE", "LOWER", "UPPER"]), is_case_sensitive=d.below(2))
    stops = [str(word) for word in d.rng.choice(among, d.below(4))]
    return d.node([texts(d, d.pick([(count,), (1, count)]), among)], attributes | ({"stopwords": stops} if stops else {}) | {"locale": "C"})


PATTERNS = ["", "a*", "(a|b)*", "[a-c]+", "[^a]", r"\d{2,3}", r"\w+", "(?i)ABC", ".*", "a.c?", "(ab){1,2}", "x|b", "[é-ü]+", r"\S+"]


@draws("RegexFullMatch", exact=True)
def match(d):
    return d.node([texts(d, d.shape(0, 3), np.concatenate([WORDS, np.array(["12", "abab", "Abc", "a c"], dtype=object)]))], {"pattern": d.pick(PATTERNS)})


@draws("TfIdfVectorizer")
def tfidf(d):
    lengths = d.between(1, 3)
    kind, grams, starts = d.type("X", texts=True), [], []
    letters = {TEXT: WORDS[:4]}.get(kind, np.arange(2, 6))
    for length in range(1, lengths + 1):  # different ones, those of one length together
        starts.append(sum(len(gram) for gram in grams))
        places = sorted({tuple(int(i) for i in d.rng.integers(0, 4, length)) for _ in range(d.between(1, 4))})
        grams += [[letters[i] for i in place] for place in places]
    pool = [item for gram in grams for item in gram]
    shape = d.pick([(d.between(1, 9),), (d.between(1, 3), d.between(1, 9))])
    attributes = {"mode": d.pick(["TF", "IDF", "TFIDF"]), "min_gram_length": d.between(1, lengths), "max_gram_length": lengths, "max_skip_count": d.below(3),
                  "ngram_counts": starts, "ngram_indexes": [int(i) for i in d.rng.permutation(len(grams))]}
    attributes |= {"pool_strings": [str(item) for item in pool]} if kind == TEXT else {"pool_int64s": [int(item) for item in pool]}
    weights = {"weights": [d.uniform(0.25, 3) for _ in grams]} if attributes["mode"] != "TF" or d.chance(0.5) else {}
    return d.node([d.ints(np.asarray(d.rng.choice(letters, shape), kind), kind)], attributes | weights)


@draws("CategoryMapper", exact=True, domain="ai.onnx.ml")
def category(d):
    kind = d.type("T1", texts=True)
    words, numbers = [str(word) for word in d.rng.permutation(TEXTS)[:3]], [int(n) for n in d.rng.permutation(9)[:3]]
    x = texts(d, d.shape(1, 2), np.array(words + ["?"], dtype=object)) if kind == TEXT else d.ints(d.rng.choice(numbers + [77], d.shape(1, 2)), np.int64)
    default = {"default_int64": -7} if kind == TEXT else {"default_string": "none"}
    if not x.array.size:
        raise Undrawable
    return d.node([x], {"cats_strings": words, "cats_int64s": numbers} | default)
