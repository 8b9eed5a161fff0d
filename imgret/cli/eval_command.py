"""`imgret eval`: measure how well the search finds photos by captions that people wrote."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from imgret.cli import console
from imgret.cli.session import session
from imgret.errors import UsageError
from imgret.evaluate.recipe import Recipe
from imgret.terminal.clean import clean

# Usual names of the caption files, relative to the images folder or its parent.
CAPTIONS = {
    "flickr8k": ("Flickr8k.token.txt", "dataset_flickr8k.json", "captions.txt"),
    "flickr30k": ("results_20130124.token", "dataset_flickr30k.json", "captions.txt"),
    "coco": ("dataset_coco.json", "captions_*.json", "annotations/captions_*.json"),
}
TITLES = {"flickr8k": "Flickr8k", "flickr30k": "Flickr30k", "coco": "MSCOCO"}


class Rank(StrEnum):
    """How the photos are ranked, as in `imgret query --rank`."""

    VECTOR = "vector"
    WORDS = "words"
    HYBRID = "hybrid"


Images = Annotated[str, typer.Option("--images", metavar="DIR", help="The folder with the photos.")]
OwnImages = Annotated[
    str | None,
    typer.Option(
        "--images", metavar="DIR", help="The folder that paths are relative to. Default: that of FILE."
    ),
]
Captions = Annotated[
    str | None,
    typer.Option(
        "--captions", metavar="FILE", help="The captions. Default: a known file name near --images."
    ),
]
Split = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="A split, a list of photos, or `all`. Default: test.")
]
Recipes = Annotated[
    list[Recipe] | None, typer.Option("--recipe", help="Which texts are embedded. Default: all three.")
]
Ranks = Annotated[
    list[Rank] | None, typer.Option("--rank", help="How photos are ranked. Default: all three.")
]
StandIns = Annotated[
    str | None,
    typer.Option(
        "--stand-in-captions", metavar="FILE", help='Captions to use: {"path":..., "caption":...} lines.'
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")]
Save = Annotated[
    str | None, typer.Option(metavar="FILE", help="Save the rank of every query, for `eval compare`.")
]
IndexFile = Annotated[
    str | None,
    typer.Option(
        "--index", metavar="FILE", help="The index of the described photos, reused by the next run."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only the first photos, at most this many.")]

eval_app = typer.Typer(
    no_args_is_help=True,
    help="Measure the search on photos with captions.\n\nEach caption is a query that should find its photo.",
)


class Options(Struct, frozen=True):
    """The options that all data sets have in common."""

    recipes: list[Recipe] | None
    ranks: list[Rank] | None
    stand_in_captions: str | None
    as_json: bool
    save: str | None
    index: str | None
    limit: int | None


def _on(dataset: str) -> Callable[..., None]:
    """Return the command of a published data set."""

    def command(
        images: Images,
        captions: Captions = None,
        split: Split = None,
        recipes: Recipes = None,
        ranks: Ranks = None,
        stand_in_captions: StandIns = None,
        as_json: AsJson = False,
        save: Save = None,
        index: IndexFile = None,
        limit: Limit = None,
    ) -> None:
        options = Options(recipes, ranks, stand_in_captions, as_json, save, index, limit)
        _evaluate(dataset, captions or _captions(dataset, images), images, split, options)

    return command


for name, title in TITLES.items():
    eval_app.command(name, help=f"{title}, beside the published image-retrieval figures.")(_on(name))


@eval_app.command("jsonl")
def jsonl(
    file: Annotated[str, typer.Argument(metavar="FILE", help='{"path": ..., "queries": [...]} lines.')],
    images: OwnImages = None,
    recipes: Recipes = None,
    ranks: Ranks = None,
    stand_in_captions: StandIns = None,
    as_json: AsJson = False,
    save: Save = None,
    index: IndexFile = None,
    limit: Limit = None,
) -> None:
    """Your own photos and queries."""
    name = os.path.splitext(os.path.basename(file))[0]
    folder = images or os.path.dirname(os.path.abspath(file))
    options = Options(recipes, ranks, stand_in_captions, as_json, save, index, limit)
    _evaluate(name, file, folder, None, options)


@eval_app.command("compare")
def compare(
    first: Annotated[str, typer.Argument(metavar="A.json", help="A file written by --save.")],
    second: Annotated[str, typer.Argument(metavar="B.json", help="Another one.")],
    rows: Annotated[
        tuple[str, str],
        typer.Option(metavar="A B", help="The rows to compare, such as both/vector both/hybrid."),
    ] = ("", ""),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Test whether B is significantly better than A.

    Compares two files written by --save query by query.
    """
    from imgret.evaluate import saved, table

    found = saved.compare(saved.load(first), saved.load(second), rows if all(rows) else ())
    if as_json:
        console.out_json(msgspec.json.encode(table.compared_json(found)))
    else:
        _print(table.compared(found))


def _evaluate(name: str, captions: str, images: str, split: str | None, options: Options) -> None:
    from imgret.cli.measuring import Plan, measure
    from imgret.evaluate import saved, stand_ins, table
    from imgret.evaluate.dataset import first_photos, summarize
    from imgret.evaluate.dataset_formats import read

    if not os.path.isdir(images):
        raise UsageError(f"{images} is not a folder", "Name the folder with the photos with --images.")
    here = session()
    given = stand_ins.read(options.stand_in_captions, images) if options.stand_in_captions else None
    described = frozenset(given.captions) if given else frozenset()
    dataset = read(captions, images, name=name, split=split, described=described)
    if options.limit is not None:
        dataset = first_photos(dataset, options.limit)
    console.say_all(summarize(dataset.problems))
    if not dataset.queries:
        raise UsageError(f"{captions} contains no usable query", "The messages above say what was left out.")
    plan = Plan(
        recipes=tuple(dict.fromkeys(options.recipes or Recipe)),
        ranks=tuple(rank.value for rank in dict.fromkeys(options.ranks or Rank)),
        index=os.path.abspath(options.index or os.path.join(here.places.state, "eval", f"{name}.db")),
        stand_ins=given,
    )
    report = measure(here, dataset, plan)
    if options.save:
        saved.save(report, options.save)
    if options.as_json:
        console.out_json(msgspec.json.encode(table.as_json(report)))
    else:
        _print(table.markdown(report))


def _captions(dataset: str, images: str) -> str:
    """Return the path of the captions of a data set. Raises UsageError if there are none or several."""
    above = os.path.dirname(os.path.abspath(images))
    for name in CAPTIONS[dataset]:
        for folder in (images, above):
            found = sorted(glob.glob(os.path.join(glob.escape(folder), name)))
            if len(found) > 1:
                raise UsageError(
                    f"there are several files of captions: {', '.join(found)}", "Name one with --captions."
                )
            if found:
                return found[0]
    names = ", ".join(CAPTIONS[dataset])
    raise UsageError(
        f"there are no captions of {TITLES[dataset]} in or above {images}",
        f"Looked for {names}. Name them with --captions.",
    )


def _print(text: str) -> None:
    for line in text.splitlines():
        console.out_line(clean(line))
