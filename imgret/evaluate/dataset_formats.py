"""Read data sets in the file formats in which they are published.

- Flickr8k's `Flickr8k.token.txt` and Flickr30k's `results_20130124.token`: `name.jpg#0<TAB>caption`,
  with splits in lists of names such as `Flickr_8k.testImages.txt`;
- Kaggle's `captions.txt`: `image,caption`, quoted like CSV;
- Karpathy's `dataset_*.json`, which contains its splits;
- COCO's `captions_*.json`;
- imgret's own JSON lines: `{"path": ..., "queries": [...]}` with all queries of a photo, or
  `{"photo": ..., "question": ...}` with one query each.

Each line, or each element of a JSON document, is parsed on its own. An invalid one does not affect the others and is
reported with its place.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator
from functools import partial
from itertools import chain
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from imgret.errors import UsageError
from imgret.evaluate.dataset import Dataset, Entry, Problem, ProblemKind, assemble
from imgret.evaluate.text import Line, document, lines

ALL = "all"  # the name of the split with all photos
SPLIT_LIST = "Flickr_8k.{}Images.txt"  # the list of a split's photos, in a file beside the captions
KNOWN = "Supported are Flickr's .token files, Kaggle's captions.txt, Karpathy's and COCO's JSON, and .jsonl."

Found = Iterator[Entry | Problem]
Row = TypeVar("Row", bound=Struct)


class _Own(Struct):
    path: str
    queries: list[str]


class _QuestionLine(Struct):
    photo: str
    question: str


class _Sentence(Struct):
    raw: str


class _KarpathyImage(Struct):
    filename: str
    sentences: list[_Sentence]
    split: str = ""
    filepath: str = ""


class _Image(Struct):
    id: int | str
    file_name: str


class _Annotation(Struct):
    id: int | str
    image_id: int | str
    caption: str


class _Document(Struct):
    images: list[Raw]
    annotations: list[Raw] | None = None


def read(
    captions: str,
    images: str,
    *,
    name: str = "",
    split: str | None = None,
    described: Collection[bytes] = (),
) -> Dataset:
    """Read the data set in the file `captions`, whose photos are in the folder `images`.

    `split` is the name of a split, the path of a list of photos, or `all`. The default is the test split if there is
    one, otherwise all photos. Photos in `described` (absolute paths) need not exist. Raises UsageError if the file
    cannot be read, has an unknown format or no such split.
    """
    build = partial(assemble, name or os.path.basename(captions), images, described=described)
    suffix = os.path.splitext(captions)[1].lower()
    if suffix == ".json":
        data, odd = document(captions)
        try:
            whole = msgspec.json.decode(data, type=_Document)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise UsageError(f"{captions} is not a supported data set: {error}", KNOWN) from None
        if whole.annotations is None:
            wanted = "test" if split is None else split
            pictured = chain(odd, _karpathy(captions, whole, images, wanted))
            return build(pictured, split="" if wanted == ALL else wanted)
        found: Found = chain(odd, _coco(captions, whole))
        split = split or ALL
    elif suffix in (".jsonl", ".ndjson"):
        found = _own(captions)
        split = split or ALL
    else:
        found = _delimited(captions)
    path = _list(captions, split)
    if path is None:
        return build(found)
    listed = list(_names(path))
    only = frozenset(entry.photo for entry in listed if isinstance(entry, Entry))
    return build(chain(listed, found), split=os.path.basename(path), only=only)


def _delimited(path: str) -> Found:
    """Read Kaggle's file, recognised by its header, or Flickr's, by its first row. Raises UsageError for others."""
    rows = lines(path)
    odd: list[Problem] = []
    for first in rows:
        if isinstance(first, Line):
            break
        odd.append(first)
    else:
        raise UsageError(f"{path} is empty", KNOWN)
    yield from odd
    if first.text.lower().replace(" ", "") == "image,caption":
        yield from _csv(rows)
    elif "\t" in first.text and "#" in first.text:
        yield from _token(chain([first], rows))
    else:
        raise UsageError(f"{first.where}: the captions have an unknown format", KNOWN)


def _token(rows: Iterator[Line | Problem]) -> Found:
    """`name.jpg#0<TAB>caption`"""
    for line in rows:
        if isinstance(line, Problem):
            yield line
            continue
        identity, tab, caption = line.text.partition("\t")
        photo, _, number = identity.strip().rpartition("#")
        if tab and photo and number.isdecimal():
            yield Entry(photo, (caption,), line.where, identity.strip())
        else:
            yield _malformed(line, "not of the form name.jpg#0<TAB>caption")


def _csv(rows: Iterator[Line | Problem]) -> Found:
    """`image,caption`. Each line is parsed alone: an unclosed quote must not affect the lines after it."""
    for line in rows:
        if isinstance(line, Problem):
            yield line
            continue
        try:
            fields = next(csv.reader([line.text], strict=True))
        except csv.Error as error:
            yield _malformed(line, str(error))
            continue
        if len(fields) == 2:
            yield Entry(fields[0].strip(), (fields[1],), line.where)
        else:
            yield _malformed(line, f"{len(fields)} fields instead of 2")


def _own(path: str) -> Found:
    for line in lines(path):
        if isinstance(line, Problem):
            yield line
            continue
        try:
            kind: type[_Own | _QuestionLine] = (
                _QuestionLine if "question" in msgspec.json.decode(line.text, type=dict[str, Raw]) else _Own
            )
            row = msgspec.json.decode(line.text, type=kind)
        except (msgspec.DecodeError, UnicodeError) as error:
            yield _malformed(line, str(error))
            continue
        if isinstance(row, _QuestionLine):
            yield Entry(row.photo, (row.question,), line.where)
        else:
            yield Entry(row.path, tuple(row.queries), line.where, row.path)


def _karpathy(path: str, whole: _Document, images: str, wanted: str) -> Found:
    splits: set[str] = set()
    for row in _rows(path, "images", whole.images, _KarpathyImage):
        if isinstance(row, Problem):
            yield row
            continue
        where, pictured = row
        splits.add(pictured.split)
        if wanted == ALL or pictured.split == wanted:
            # COCO's photos are in two folders, and users often have only one of them.
            folder = pictured.filepath
            inside = os.path.isdir(os.path.join(images, folder))
            photo = os.path.join(folder, pictured.filename) if inside else pictured.filename
            yield Entry(photo, tuple(sentence.raw for sentence in pictured.sentences), where, photo)
    if wanted != ALL and wanted not in splits:
        has = ", ".join(sorted(splits - {""})) or "none"
        raise UsageError(f"{path} has no split {wanted}", f"Its splits are {has}; `{ALL}` uses all photos.")


def _coco(path: str, whole: _Document) -> Found:
    names: dict[int | str, str] = {}
    for image in _rows(path, "images", whole.images, _Image):
        if isinstance(image, Problem):
            yield image
            continue
        place, listed = image
        names.setdefault(listed.id, listed.file_name)
        yield Entry(listed.file_name, (), place, f"image {listed.id}")
    for annotation in _rows(path, "annotations", whole.annotations or [], _Annotation):
        if isinstance(annotation, Problem):
            yield annotation
            continue
        where, one = annotation
        if one.image_id in names:
            yield Entry(names[one.image_id], (one.caption,), where, f"annotation {one.id}")
        else:
            yield Problem(ProblemKind.MALFORMED, where, f"image {one.image_id} is not in the file", 1)


def _rows(path: str, part: str, rows: list[Raw], kind: type[Row]) -> Iterator[tuple[str, Row] | Problem]:
    for number, raw in enumerate(rows):
        where = f"{os.path.basename(path)}: {part}[{number}]"
        try:
            yield where, msgspec.json.decode(raw, type=kind)
        except (msgspec.DecodeError, UnicodeError) as error:
            yield Problem(ProblemKind.MALFORMED, where, str(error), 1)


def _list(captions: str, split: str | None) -> str | None:
    """Return the path of the list of a split's photos, one per line; None for all photos."""
    if split == ALL:
        return None
    beside = os.path.join(os.path.dirname(captions), SPLIT_LIST.format(split or "test"))
    if os.path.isfile(beside):
        return beside
    if split is None:
        return None  # only Flickr's captions, without the lists that belong to them
    if os.path.isfile(split):
        return split
    raise UsageError(f"there is no split {split}", f"Neither {split} nor {beside} is a file.")


def _names(path: str) -> Found:
    for line in lines(path):
        if isinstance(line, Problem):
            yield line
        else:
            yield Entry(line.text.strip(), (), line.where, f"{line.text.strip()} in the list")


def _malformed(line: Line, what: str) -> Problem:
    return Problem(ProblemKind.MALFORMED, line.where, what, 1)
