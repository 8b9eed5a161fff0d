"""`imgret eval`: measure how well the search finds photos by captions that people wrote."""

from __future__ import annotations

import glob
import inspect
import os
import shutil
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, get_type_hints

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import replace

from imgret.cli import console
from imgret.cli.eval_plot import plotted
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
    IMAGE = "image"
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


class Options(Struct, frozen=True):
    """The options that all data sets have in common, as the command line has them."""

    recipes: Annotated[
        list[Recipe] | None,
        typer.Option(
            "--recipe",
            help="What is searched: `image`, the vectors of the images; `caption`, the captions; `detect`, the counts of"
            " objects; `both`, the image and its text: image vectors, captions and counts, without image vectors as in"
            " the baseline recipe; `all`, the results of all stages. Default: all for which there are results.",
        ),
    ] = None
    ranks: Annotated[
        list[Rank] | None,
        typer.Option("--rank", help="How photos are ranked. Default: all ways that the recipe has."),
    ] = None
    stand_in_captions: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help='Captions to use: {"path":..., "caption":...} lines, several for several captions of a photo.'
            " The photos need not exist.",
        ),
    ] = None
    stand_in_vectors: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npz",
            help="Image vectors to use: the arrays names (n,), images (n, d), questions (m,), vectors (m, d)."
            " The photos need not exist.",
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False
    plot: Annotated[bool, typer.Option("--plot", help="Also show R@1, R@5 and MRR as bars.")] = False
    save: Annotated[
        str | None, typer.Option(metavar="FILE", help="Save the rank of every query, for `eval compare`.")
    ] = None
    index: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The index of the described photos, reused by the next run."),
    ] = None
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use only the first photos, at most this many.")
    ] = None


eval_app = typer.Typer(
    no_args_is_help=True,
    help="Measure the search on photos with captions.\n\nEach caption is a query that should find its photo.",
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that has a parameter for each of `Options` in place of the parameter `options`."""
    shared = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=getattr(Options(), name), annotation=kind
        )
        for name, kind in get_type_hints(Options, include_extras=True).items()
    ]
    own = inspect.signature(command, eval_str=True)
    before = [each for each in own.parameters.values() if each.name != "options"]

    def with_options(**given: Any) -> None:
        options = Options(**{each.name: given.pop(each.name) for each in shared})
        command(**given, options=options)

    with_options.__doc__ = command.__doc__
    with_options.__signature__ = own.replace(parameters=[*before, *shared])  # type: ignore[attr-defined]
    return with_options


def _on(dataset: str) -> Callable[..., None]:
    """Return the command of a published data set."""

    def command(images: Images, captions: Captions = None, split: Split = None, *, options: Options) -> None:
        _evaluate(dataset, captions or _captions(dataset, images), images, split, options)

    return _with_options(command)


for name, title in TITLES.items():
    eval_app.command(name, help=f"{title}, beside the published image-retrieval figures.")(_on(name))


@eval_app.command("jsonl")
@_with_options
def jsonl(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help='{"path":..., "queries": [...]} or {"photo":..., "question":...} lines.'
        ),
    ],
    images: OwnImages = None,
    *,
    options: Options,
) -> None:
    """Your own photos and queries."""
    _evaluate(_stem(file), file, _folder(file, images), None, options)


@eval_app.command("npz")
@_with_options
def npz(
    file: Annotated[str, typer.Argument(metavar="FILE.npz", help="Photos and questions with their vectors.")],
    images: OwnImages = None,
    *,
    options: Options,
) -> None:
    """Photos and questions of a file of vectors.

    The file is also --stand-in-vectors. Question i belongs to photo i, or to the photo that the array photos (m,) names.
    """
    if options.stand_in_vectors is not None:
        raise UsageError(
            "--stand-in-vectors does not go with `imgret eval npz`, whose file has the vectors",
            "Leave the option out, or give the questions as JSON lines to `imgret eval jsonl`.",
        )
    _evaluate(_stem(file), None, _folder(file, images), None, replace(options, stand_in_vectors=file))


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


def _evaluate(name: str, captions: str | None, images: str, split: str | None, options: Options) -> None:
    """Evaluate on the data set in the file `captions`; None: on that of the stand-in vectors."""
    from imgret.cli.measuring import Plan, measure
    from imgret.evaluate import saved, stand_in_vectors, stand_ins, table, vector_file
    from imgret.evaluate.dataset import first_photos, summarize
    from imgret.evaluate.dataset_formats import read

    if not os.path.isdir(images):
        raise UsageError(
            f"{images} is not a folder", "Name the folder that paths are relative to with --images."
        )
    here = session()
    texts = stand_ins.read(options.stand_in_captions, images) if options.stand_in_captions else None
    file = vector_file.read(options.stand_in_vectors) if options.stand_in_vectors else None
    vectors = stand_in_vectors.located(file, images) if file else None
    described = frozenset(texts.captions if texts else ()).union(vectors.images if vectors else ())
    if captions is not None:
        dataset = read(captions, images, name=name, split=split, described=described)
    else:
        assert file is not None
        dataset = stand_in_vectors.dataset(file, images, name)
    if options.limit is not None:
        dataset = first_photos(dataset, options.limit)
    console.messages(summarize(dataset.problems))
    if not dataset.queries:
        raise UsageError(
            f"{captions or options.stand_in_vectors} contains no usable query",
            "The messages above list what was left out.",
        )
    if vectors is not None:
        known = len(dataset.problems)
        dataset = stand_in_vectors.with_vectors(dataset, vectors)
        console.messages(summarize(dataset.problems[known:]))
    plan = Plan(
        recipes=tuple(dict.fromkeys(options.recipes or ())),
        ranks=tuple(rank.value for rank in dict.fromkeys(options.ranks or Rank)),
        index=os.path.abspath(options.index or os.path.join(here.places.state, "eval", f"{name}.db")),
        captions=texts,
        vectors=vectors,
    )
    report = measure(here, dataset, plan)
    if options.save:
        saved.save(report, options.save)
    if options.as_json:
        console.out_json(msgspec.json.encode(table.as_json(report)))
    else:
        _print(table.markdown(report))
        if options.plot:
            _print("\n".join(plotted(report, min(100, shutil.get_terminal_size().columns))))


def _stem(file: str) -> str:
    return os.path.splitext(os.path.basename(file))[0]


def _folder(file: str, images: str | None) -> str:
    return images or os.path.dirname(os.path.abspath(file))


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
