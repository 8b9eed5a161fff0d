"""Merge imgret's results for a photo into its XMP sidecar. Everything else in the sidecar stays, byte for byte.

Keywords are added to the lists that are there. What is not there yet goes into an rdf:Description of its own. A property
must not occur twice (XMP Specification Part 1, 7.4: Adobe's toolkit refuses such a file), so a description that somebody
wrote stays, and imgret's captions are then in its own namespace only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from msgspec import Struct
from msgspec.structs import replace

from imgret.decode import own_xmp, xmp
from imgret.decode.own_xmp import CAPTION, LISTS, NOTE, OWN, PHOTO_FIELDS, PREFIX, ROOT, Record, folded
from imgret.decode.xmp import RDF
from imgret.decode.xmp_fields import DC, DIGIKAM, LIGHTROOM, MICROSOFT, MWG_KEYWORDS, XMP
from imgret.sidecars.remove_own import (
    DESCRIPTION,
    NAMES,
    SUBJECT,
    TAGS,
    TREE,
    items,
    remove_own,
    written,
)
from imgret.sidecars.xmp_document import Document, insert_inside

CAPTIONS, COUNTS, NOTES, OCR = "captions", "counts", "notes", "ocr"
KINDS = (CAPTIONS, COUNTS, NOTES, OCR)
_FIELDS = {CAPTIONS: ("captions",), COUNTS: ("counts",), NOTES: ("note", "note_at"), OCR: ("text",)}
STAGES = {"caption": CAPTIONS, "detect": COUNTS, "ocr": OCR}  # whose models are recorded

_NEW = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="imgret">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 </rdf:RDF>
</x:xmpmeta>
"""
_NAMESPACES = {"dc": DC, "xmp": XMP, "lr": LIGHTROOM, "digiKam": DIGIKAM, PREFIX: OWN}
# Other programs' lists of keywords. Where one is there, a new list with imgret's words alone would hide it in digiKam.
_KEYWORDS = (SUBJECT, TREE, TAGS, MICROSOFT + "LastKeywordXMP", MWG_KEYWORDS + "Keywords")


class Known(Struct, frozen=True):
    """The results of imgret for a photo, as they are written into a sidecar."""

    captions: tuple[str, ...] = ()
    counts: tuple[tuple[int, str], ...] = ()  # (2, "dog")
    note: str | None = None
    note_at: int = 0  # seconds since 1970
    text: tuple[str, ...] = ()  # lines in the image
    models: tuple[str, ...] = ()  # "caption NAME REVISION"
    # What the photo and its other sidecars have: a new list of keywords, and a new sidecar, have these too, so that they
    # hide nothing.
    keywords: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()  # "Places|Italy|Rome"
    title: str | None = None
    description: str | None = None
    rating: int | None = None
    label: str | None = None


def merge(data: bytes | None, known: Known, kinds: Iterable[str], modified: int = 0) -> bytes | None:
    """Return the sidecar with `kinds` of what is known; None: no sidecar. Other kinds stay as they were written before.

    `data` is the sidecar, None if there is none; `modified` is when, in seconds since 1970. Raises XmpError.
    """
    before = written(data) if data is not None else Record()
    wanted = _wanted(before, known, frozenset(kinds))
    if data is None:
        left: bytes | None = None
    else:
        older = _is_older_note(data, before, known, wanted, modified)
        left = remove_own(data, before, edited_description=older)
    if wanted.is_empty:
        return left
    if data is not None and left is not None and before.created:
        # Another program has written into the sidecar: what it has from the photo stays, as that of the other program.
        left = remove_own(data, _without_photo(before, known), edited_description=older)
    created = "True" if left is None else None
    return _added(left or _NEW, replace(wanted, created=created), known)


def _without_photo(before: Record, known: Known) -> Record:
    return replace(
        before,
        keywords=tuple(each for each in before.keywords if each not in known.keywords),
        paths=tuple(each for each in before.paths if each not in (*known.paths, *known.keywords)),
        **dict.fromkeys(PHOTO_FIELDS),
    )


def _wanted(before: Record, known: Known, kinds: frozenset[str]) -> Record:
    """Return the record of what to write. The fields that depend on the sidecar are still empty."""
    values = {
        "captions": known.captions,
        "counts": tuple(f"{count} {label}" for count, label in known.counts if label.strip()),
        "note": known.note,
        "note_at": str(known.note_at) if known.note else None,
        "text": known.text,
    }
    new = {field: values[field] for kind in kinds for field in _FIELDS[kind]}
    kept = {field: getattr(before, field) for kind in KINDS for field in _FIELDS[kind]}
    cleaned: dict[str, Any] = {field: _cleaned(value) for field, value in (kept | new).items()}
    # Models of what is written now, and of what was written before.
    sources = {f"{stage} ": (known if kind in kinds else before).models for stage, kind in STAGES.items()}
    models = [
        each
        for stage, made_by in sources.items()
        for each in made_by
        if each.startswith(stage) and cleaned[_FIELDS[STAGES[stage.strip()]][0]]
    ]
    return Record(**cleaned, models=tuple(models))


def _is_older_note(data: bytes, before: Record, known: Known, wanted: Record, modified: int) -> bool:
    """Return whether the description is the note as somebody edited it before the note was changed in imgret, or the same."""
    if before.description_of != NOTE or wanted.note is None:
        return False
    found = xmp.parse(data).get(DESCRIPTION, [None])[0]
    now = folded(found if isinstance(found, str) else None)
    if now == folded(before.description):
        return False  # it was not edited
    return now == folded(wanted.note) or known.note_at > modified


def _added(data: bytes, wanted: Record, known: Known) -> bytes:
    """Return a sidecar in which nothing is imgret's, with what is wanted."""
    document = Document(data)
    text, of = (wanted.note, NOTE) if wanted.note else (next(iter(wanted.captions), None), CAPTION)
    if text and known.description is None and not document.has(DESCRIPTION):
        wanted = replace(wanted, description=text, description_of=of)
    if wanted.created:
        wanted = _of_photo(wanted, known)
    has_keywords = any(map(document.has, _KEYWORDS))
    wanted = _with_keywords(document, wanted, known, new_tree=not has_keywords)
    new: dict[str, list[str]] = {}
    extended: list[str] = []
    for name, texts in items(wanted).items():
        node = document.find(name)
        array = node.array() if node is not None else None
        if array is None:
            if texts and not document.has(name) and (name == SUBJECT or not has_keywords):
                new[name] = texts
            continue
        there = {item.text for item in array.children}
        added = [each for each in texts if each not in there]
        if added:
            space = document.space_before(array.children[-1]).decode() if array.children else ""
            items_ = "".join(f"{space}{_item(array.prefix, each)}" for each in added)
            document = Document(insert_inside(document, array, items_))
            extended.append(NAMES[name])
    wanted = replace(wanted, extended=tuple(extended))
    rdf = document.rdf
    space = document.space_before(rdf.children[-1]).decode() if rdf.children else "\n  "
    return insert_inside(document, rdf, space + _description(document, wanted, new))


def _with_keywords(document: Document, wanted: Record, known: Known, *, new_tree: bool) -> Record:
    """Add the keywords that are not there yet to the record. `new_tree`: hierarchical ones, too, where there are none."""
    labels = [count.partition(" ")[2] for count in wanted.counts]
    if not labels and not wanted.created:
        return wanted
    flat, tree = labels, [f"{ROOT}|{label}" for label in labels]
    if not document.has(SUBJECT):
        flat = [*known.keywords, *labels]
    elif document.find(SUBJECT) is None or not _texts(document, SUBJECT):
        flat = []  # in a form that cannot be extended
    if new_tree:
        levels = {level.casefold() for path in known.paths for level in path.split("|")}
        tree = [*known.paths, *(each for each in known.keywords if each.casefold() not in levels), *tree]
    elif not (document.has(TREE) or document.has(TAGS)):
        tree = []
    there = {each.casefold() for each in _texts(document, SUBJECT)}
    names = {each.casefold(): each for each in _list(flat) if each.casefold() not in there}
    return replace(wanted, keywords=tuple(names.values()), paths=tuple(dict.fromkeys(_list(tree))))


def _of_photo(wanted: Record, known: Known) -> Record:
    """Add to the record what a new sidecar has from the photo."""
    rating = None if known.rating is None else str(known.rating)
    label = None if known.label is None else known.label.capitalize()
    copied = (known.title, known.description, rating, label)
    title, description, rating, label = (None if each is None else _text(each) or None for each in copied)
    return replace(
        wanted, photo_title=title, photo_description=description, photo_rating=rating, photo_label=label
    )


def _texts(document: Document, name: str) -> list[str]:
    node = document.find(name)
    array = node.array() if node is not None else None
    return [each.text for each in array.children] if array is not None else []


def _description(document: Document, wanted: Record, lists: dict[str, list[str]]) -> str:
    """Return an rdf:Description with the properties that are not in the document."""
    rdf = document.rdf.prefix
    name = f"{rdf}about" if rdf else "rdf:about"
    about = next(
        (
            each.attributes[f"{RDF}about"]
            for each in document.rdf.children
            if f"{RDF}about" in each.attributes
        ),
        "",
    )
    lines = [f"<{rdf}Description {name}={quoteattr(about)}"]
    declared = dict(_NAMESPACES) if rdf else {**_NAMESPACES, "rdf": RDF}
    used = {NAMES[each].partition(":")[0] for each in lists} | {PREFIX, "rdf"}
    alternatives = {
        "dc:title": wanted.photo_title,
        "dc:description": wanted.description or wanted.photo_description,
    }
    simple = {"xmp:Rating": wanted.photo_rating, "xmp:Label": wanted.photo_label}
    used |= {name.partition(":")[0] for name, text in (alternatives | simple).items() if text is not None}
    lines += [
        f"    xmlns:{prefix}={quoteattr(uri.removesuffix('}'))}"
        for prefix, uri in declared.items()
        if prefix in used
    ]
    lines[-1] += ">"
    for property_, text in alternatives.items():
        if text is not None:
            item = f'<{rdf}li xml:lang="x-default">{escape(text)}</{rdf}li>'
            lines.append(f"   <{property_}><{rdf}Alt>{item}</{rdf}Alt></{property_}>")
    for property_, text in simple.items():
        if text is not None:
            lines.append(f"   <{property_}>{escape(text)}</{property_}>")
    for each, texts in lists.items():
        lines += _array(rdf, NAMES[each], "Bag", texts)
    for field in Record.__struct_fields__:
        value, property_ = getattr(wanted, field), f"{PREFIX}:{own_xmp.property_name(field)}"
        if value and field in LISTS:
            lines += _array(rdf, property_, "Seq", value)
        elif value:
            lines.append(f"   <{property_}>{escape(value)}</{property_}>")
    return "\n".join([*lines, f"  </{rdf}Description>"])


def _array(rdf: str, name: str, kind: str, texts: Iterable[str]) -> list[str]:
    found = [f"     {_item(rdf, each)}" for each in texts]
    return [f"   <{name}>", f"    <{rdf}{kind}>", *found, f"    </{rdf}{kind}>", f"   </{name}>"]


def _item(rdf: str, text: str) -> str:
    return f"<{rdf}li>{escape(text)}</{rdf}li>"


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return _text(value) or None
    return _list(value) if isinstance(value, tuple) else value


def _list(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for each in texts if (text := _text(each)))


def _text(value: str) -> str:
    """Return a text without the characters that XML excludes; carriage returns would be read as line feeds."""
    text = value.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    return xmp.FORBIDDEN.sub(" ", text).strip()
