"""Quality of the rankings: `python -m benchmarks.quality` prints R@1 and MRR of each ranking, and exits with 1 if
`hybrid` is significantly worse than its best part anywhere.

The libraries are real indexes, searched by the real ranking:

- the gallery of the baseline project, if that folder is available, with sentences about its photos as notes or as
  captions, and the objects that a detector counts in them; and the same with the sentences of another author;
- scenes in words, which need no other files: different words in captions and queries;
- scenes as drawings, described by the tiny checkpoints of `imgret demo`, their image encoder included;
- if those folders are available, photos as CLIP sees them with a caption each, also with noise on the vectors, with poor
  captions, and where half of the photos lack one or the other; and photos with the captions of two captioners.

The text embedder is the small offline one, but for the drawings.

R@1 is the share of queries whose first hit is right, MRR the mean of 1 / rank of the first right hit. `hybrid - best` is the
difference in MRR from the part with the greatest MRR, with a 95 % bootstrap interval over photos.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from benchmarks import quality_images, quality_libraries
from benchmarks.quality_libraries import JudgedQuery, Library
from imgret.config import Settings, places
from imgret.evaluate.metrics import Difference, PhotoRank, Ranks, differences, photo_rank, ranks, scores
from imgret.pipeline.loading import load_model
from imgret.search.parse import ParsedQuery
from imgret.search.rank_all import LibraryRanker
from imgret.stages import registry
from imgret.stages.embed import EmbedSettings

LEAST_LOSS = 0.005  # of MRR; a smaller one is no failure, however sure it is


MAKERS = {
    "described": quality_libraries.described,
    "drawings": quality_images.drawings,
    "clip": quality_images.photos,
    "captions": quality_images.captioned,
}


def main() -> int:
    """Create the libraries and print the tables. Return 1 if `hybrid` is worse than a part anywhere."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only some of them: {', '.join(MAKERS)}")
    wanted = parser.parse_args().names or list(MAKERS)
    if unknown := set(wanted) - MAKERS.keys():
        parser.error(f"there are no libraries {', '.join(sorted(unknown))}: {', '.join(MAKERS)}")
    settings = Settings().with_tables(embed=EmbedSettings(weights="wordllama"))
    model = load_model(registry.own()["embed"], settings, places())
    worse = []
    with tempfile.TemporaryDirectory(prefix="imgret-bench-") as folder:
        for name in wanted:
            for library in MAKERS[name](folder, model):  # each is closed when the next one is made
                print(f"\n{library.title}: {len(library.store.filters.matching(()))} photos", flush=True)
                for kind, judged in library.kinds.items():
                    difference = compared(library, kind, judged)
                    if difference.high < 0 and difference.value < -LEAST_LOSS:
                        worse.append(f"{library.title}, {kind}: {difference.value:+.3f}")
    for line in worse:
        print(f"hybrid is worse than its best part: {line}", file=sys.stderr)
    return bool(worse)


def compared(library: Library, kind: str, judged: Sequence[JudgedQuery]) -> Difference:
    """Print the figures of all rankings for one kind of queries. Return how much better hybrid is than its best part."""
    ranker = LibraryRanker(library.store, library.encoder, library.others)
    orders = ("image", "vector", "words", "hybrid") if library.others else ("vector", "words", "hybrid")
    photos = len(library.store.filters.matching(()))
    found = {order: ranked(ranker, judged, order, photos) for order in orders}
    parts = []
    figures = {order: scores(each) for order, each in found.items()}
    for order, measures in figures.items():
        parts.append(f"{order} {measures['R@1'].value:.3f} {measures['MRR'].value:.3f}")
    best = max(orders[:-1], key=lambda order: figures[order]["MRR"].value)
    difference = differences(found[best], found["hybrid"])["MRR"]
    interval = f"[{difference.low:+.3f}, {difference.high:+.3f}]"
    print(
        f"  {kind:32s} {len(judged):4d}  {'  '.join(parts)}  hybrid - {best} {difference.value:+.3f} {interval}"
    )
    return difference


def ranked(ranker: LibraryRanker, judged: Sequence[JudgedQuery], order: str, photos: int) -> Ranks:
    """Return the rank of the first relevant photo of each query; the library has `photos` photos."""
    places_found: list[PhotoRank] = []
    for one in judged:
        query = ParsedQuery(words=one.text, terms=tuple(one.text.split()))
        contents, found = ranker.ranked(query, order)
        right = np.isin(contents, list(one.relevant))
        if not right.any():
            places_found.append(PhotoRank(None, len(contents)))
            continue
        first = int(contents[right][np.argmax(found[right])])
        kept = ~right | (contents == first)
        places_found.append(photo_rank(contents[kept], found[kept].astype(np.float64), first))
    return ranks(places_found, [min(one.relevant) for one in judged], photos)


if __name__ == "__main__":
    sys.exit(main())
