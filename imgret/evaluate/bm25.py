"""BM25 over whole passages: the baseline for all other rankings.

Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) with k1 = 1.2, b = 0.75
and Lucene's idf, ln(1 + (N - n + 0.5) / (n + 0.5)). Words are runs of letters and digits in lower case:
no stemming, no stop words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np

from imgret.evaluate.metrics import Floats, Ids

K1, B = 1.2, 0.75


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return re.findall(r"[^\W_]+", text.lower())


class Bm25:
    """A BM25 index of the passages (content -> text) of a gallery."""

    def __init__(self, passages: Mapping[int, str]) -> None:
        self._contents: Ids = np.array(list(passages), np.int64)
        counted = [Counter(words(text)) for text in passages.values()]
        length = np.array([counts.total() for counts in counted], np.float64)
        self._norm = K1 * (1 - B + B * length / max(length.mean() if len(length) else 0.0, 1e-9))
        postings: dict[str, tuple[list[int], list[int]]] = {}  # word -> (passages, occurrences in each)
        for number, counts in enumerate(counted):
            for word, count in counts.items():
                which, often = postings.setdefault(word, ([], []))
                which.append(number)
                often.append(count)
        self._postings = {
            word: (np.array(which), np.array(often, np.float64)) for word, (which, often) in postings.items()
        }

    def __call__(self, text: str) -> tuple[Ids, Floats]:
        """Return the contents that share a word with the query, and their scores."""
        scores = np.zeros(len(self._contents))
        for word, times in Counter(words(text)).items():
            if word in self._postings:
                which, often = self._postings[word]
                idf = np.log1p((len(scores) - len(which) + 0.5) / (len(which) + 0.5))
                scores[which] += times * idf * often * (K1 + 1) / (often + self._norm[which])
        found = scores > 0
        return self._contents[found], scores[found]
