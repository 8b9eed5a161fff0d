"""Remove from a sidecar what imgret wrote into it, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from imgret.decode import own_xmp, xmp
from imgret.decode.own_xmp import OWN, Record, folded
from imgret.decode.xmp import RDF
from imgret.decode.xmp_fields import DC, DIGIKAM, LIGHTROOM, of_photo
from imgret.sidecars.xmp_document import Document, Node, Range, cut

SUBJECT, DESCRIPTION = DC + "subject", DC + "description"
TREE, TAGS = LIGHTROOM + "hierarchicalSubject", DIGIKAM + "TagsList"
NAMES = {SUBJECT: "dc:subject", TREE: "lr:hierarchicalSubject", TAGS: "digiKam:TagsList"}


def items(record: Record) -> dict[str, list[str]]:
    """Return the items of keyword lists that a record has: property -> texts."""
    return {
        SUBJECT: list(record.keywords),
        TREE: list(record.paths),
        TAGS: [path.replace("|", "/") for path in record.paths],
    }


def written(data: bytes) -> Record:
    """Return what imgret wrote into a sidecar. Raises XmpError."""
    return own_xmp.record(xmp.parse(data))


def remove_own(data: bytes, record: Record, *, edited_description: bool = False) -> bytes | None:
    """Return a sidecar without what `record` has; None if nothing else is in it, and imgret created it.

    A description that was edited since stays, except with `edited_description`. Raises XmpError.
    """
    document = Document(data)
    cuts: list[Range] = []
    copied = of_photo(record)
    lists = items(record)
    for description in document.rdf.children:
        gone = [each for each in description.children if each.name.startswith(OWN)]
        for each in description.children:
            if each.name in NAMES:
                of_list = _items(each, lists[each.name])
                if of_list and _is_all(each, of_list) and NAMES[each.name] not in record.extended:
                    gone.append(each)
                cuts += map(document.whole, of_list)
            elif each.name in copied:
                texts = _texts(each, copied[each.name])
                if texts and _is_all(each, texts):
                    gone.append(each)
                cuts += map(document.whole, texts)
            elif each.name == DESCRIPTION and record.description is not None:
                texts = _texts(each, None if edited_description else record.description)
                if texts and _is_all(each, texts):
                    gone.append(each)
                cuts += map(document.whole, texts)
        cuts += map(document.whole, gone)
        own = any(name.startswith(OWN) for name in description.attributes)
        others = [
            name
            for name, text in description.attributes.items()
            if not name.startswith((OWN, RDF)) and copied.get(name) != text
        ]
        if (gone or own) and not others and len(gone) == len(description.children):
            cuts.append(document.whole(description))
    for node in document.root.walk():
        cuts += _attributes(document, node, copied)
    left = cut(data, cuts)
    if record.created and not Document(left).rdf.children:
        return None
    return left


def _items(property_: Node, wanted: list[str]) -> list[Node]:
    """Return the items of a list with these texts, one for each."""
    array, left = property_.array(), Counter(wanted)
    found = []
    for item in array.children if array is not None else ():
        if left[item.text] and not item.children:
            left[item.text] -= 1
            found.append(item)
    return found


def _texts(property_: Node, wanted: str | None) -> list[Node]:
    """Return the default text of a description, if it is `wanted`; None: whatever it is."""
    array = property_.array()
    candidates = array.children if array is not None else [property_]
    default = [each for each in candidates if each.attributes.get(f"{xmp.XML}lang") in (None, "x-default")][
        :1
    ]
    return [each for each in default if wanted is None or folded(each.text) == folded(wanted)]


def _is_all(property_: Node, found: list[Node]) -> bool:
    array = property_.array()
    return found == [property_] or (array is not None and len(found) == len(array.children))


def _attributes(document: Document, node: Node, copied: Mapping[str, str]) -> list[Range]:
    """Return the attributes of a tag that imgret wrote, and the declarations of its namespace."""
    ours = {
        raw
        for raw, name in node.raw_names.items()
        if name.startswith(OWN) or copied.get(name) == node.attributes[name]
    }
    ours |= {raw for raw, uri in node.declared.items() if uri == own_xmp.NAMESPACE}
    return [range_ for raw, range_ in document.attributes(node) if raw in ours] if ours else []
