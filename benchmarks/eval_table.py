"""How long `imgret eval` takes: `python -m benchmarks.eval_table` measures the whole table on generated photos.

Photos have two captions and an image vector each, from files, and five questions with vectors; no model is needed but the
small offline embedder. The time of describing and embedding is printed apart. The ratio is to one `rank.search` for each
query, in the same process, on some of the queries: 20 hits, and 1,000 if the photo is not among them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from imgret.cli import ranked
from imgret.cli.measuring import Plan, measure
from imgret.cli.session import session
from imgret.evaluate import stand_in_vectors, stand_ins, vector_file
from imgret.evaluate.dataset import Dataset, Query
from imgret.evaluate.recipe import Recipe
from imgret.pipeline.loading import load_models
from imgret.search.parse import ParsedQuery
from imgret.search.query_encoder import QueryEncoder
from imgret.search.rank import search
from imgret.search.space_queries import SpaceEncoder
from imgret.search.warm_index import WarmIndex
from imgret.store.factory import open_store
from imgret.store.interface import Store

THINGS = ["dog", "cat", "horse", "man", "woman", "child", "bicycle", "boat", "car", "bird", "tree", "kite"]
SYNONYMS = [
    "hound",
    "kitten",
    "pony",
    "guy",
    "lady",
    "kid",
    "bike",
    "ship",
    "automobile",
    "sparrow",
    "oak",
    "toy",
]
COLOURS = ["red", "blue", "green", "yellow", "black", "white", "brown", "striped", "small", "large", "old"]
DEEDS = ["stands", "runs", "waits", "lies", "jumps", "rests", "moves", "plays", "looks around", "sleeps"]
PLACES = [
    "on grass",
    "at the beach",
    "in the snow",
    "on a street",
    "by a lake",
    "in a kitchen",
    "near a wall",
]
QUESTIONS = 5  # for each photo
DIMENSION = 512
RANKS = ("vector", "words", "image", "hybrid")


def main() -> None:
    """Generate the files, and print the times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eval_table", description=__doc__)
    parser.add_argument("--photos", type=int, default=1000, help="with five questions each")
    parser.add_argument("--sample", type=int, default=20, help="queries that are searched one by one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgret-bench-") as folder:
        for kind in ("CONFIG", "STATE", "DATA", "CACHE"):
            os.environ[f"XDG_{kind}_HOME"] = os.path.join(folder, kind.lower())
        generate(folder, options.photos)
        run(folder, options.sample)


def run(folder: str, sample: int) -> None:
    """Evaluate on the files in `folder`, and search for some of the queries one by one."""
    here = session()
    file = vector_file.read(os.path.join(folder, "vectors.npz"))
    vectors = stand_in_vectors.located(file, folder)
    dataset = stand_in_vectors.dataset(file, folder, "generated")
    captions = stand_ins.read(os.path.join(folder, "captions.jsonl"), folder)
    index = os.path.join(folder, "eval.db")
    began, cpu = time.perf_counter(), time.process_time()
    report = measure(here, dataset, Plan((), RANKS, index, captions, vectors))
    whole, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{report.photos} photos, {len(report.queries)} queries, {len(report.runs)} rows")
    print(f"describing and embedding   {report.seconds:8.1f} s")
    print(f"all rows                   {whole - report.seconds:8.1f} s")
    print(f"both, processor time       {cpu:8.1f} s")
    for run in report.runs:
        print(
            f"  {run.name:24s} {run.seconds:8.1f} s   {1000 * run.seconds / len(report.queries):6.2f} ms a query"
        )
    models = load_models(here.settings, here.places, ["embed"])
    texts = [query.text for query in dataset.queries]
    encoder = ranked.CachedQueryVectors(QueryEncoder(models["embed"]), texts)
    some = random.Random(1).sample(dataset.queries, sample)
    with open_store(index.replace(".db", f".{Recipe.BOTH}.db")) as store:
        warm = WarmIndex(store)
        for one in report.runs:
            if one.recipe != Recipe.BOTH or one.rank not in RANKS:
                continue
            took = one_by_one(store, dataset, some, encoder, vectors, warm, one.rank)
            times = took / (one.seconds / len(texts))
            print(f"one by one, {one.rank:8s} {1000 * took:8.1f} ms a query: {times:4.0f} times as long")


def one_by_one(
    store: Store,
    dataset: Dataset,
    queries: Sequence[Query],
    encoder: SpaceEncoder,
    image: SpaceEncoder,
    warm: WarmIndex,
    rank: str,
) -> float:
    """Return the seconds that `rank.search` takes to find the rank of the photo of a query."""
    began = time.perf_counter()
    for given in queries:
        query = ParsedQuery(words=given.text, terms=tuple(given.text.split()))
        for limit in (20, 1000):
            found = search(
                store,
                query,
                encoder,
                rank=rank,
                limit=limit,
                all_copies=True,
                warm=warm,
                others={"image": image},
            )
            if dataset.path(given.photo) in [hit.path for hit in found.hits]:
                break
    return (time.perf_counter() - began) / len(queries)


def generate(folder: str, photos: int) -> None:
    """Write the captions, questions and vectors of so many photos to `folder`."""
    chance, random_numbers = random.Random(7), np.random.default_rng(7)
    names, questions, of = [], [], []
    with open(os.path.join(folder, "captions.jsonl"), "w", encoding="utf-8") as file:
        for number in range(photos):
            parts = [chance.choice(words) for words in (COLOURS, THINGS, DEEDS, PLACES)]
            other = [chance.choice(words) for words in (COLOURS, THINGS)]
            names.append(f"photo_{number:06}.jpg")
            captions = [
                f"a picture of a {' '.join(parts)} with a {' '.join(other)}",
                f"a {parts[1]} {parts[3]} and a {other[1]}",
            ]
            file.write(json.dumps({"path": names[-1], "captions": captions}) + "\n")
            for turn in range(QUESTIONS):
                chosen = [part for part in parts if chance.random() < 0.7] or parts
                another = SYNONYMS[THINGS.index(other[1])] if chance.random() < 0.5 else other[1]
                questions.append(
                    f"{' '.join(chosen)} next to a {another} , number {number} {'i' * turn}".strip()
                )
                of.append(number)
    seen = random_numbers.standard_normal((photos, DIMENSION))
    query_rows = seen[of] + 3 * random_numbers.standard_normal((len(of), DIMENSION))
    np.savez(
        os.path.join(folder, "vectors.npz"),
        names=np.array(names),
        images=seen.astype(np.float16),
        questions=np.array(questions),
        vectors=query_rows.astype(np.float16),
        photos=np.array(names)[of],
    )


if __name__ == "__main__":
    main()
