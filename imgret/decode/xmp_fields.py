"""Turn XMP properties into Metadata, with the namespaces of the programs that write them."""

from __future__ import annotations

from collections.abc import Iterator

from imgret import inputs
from imgret.decode import exif, own_xmp
from imgret.decode.metadata_dates import written_date
from imgret.decode.metadata_texts import (
    MOST_NAMES,
    NAME,
    TITLE,
    description,
    first,
    losses,
    names,
    number,
    separated,
    stars,
    stars_of_percent,
    text,
)
from imgret.decode.own_xmp import Record, folded
from imgret.decode.xmp import Struct, Value
from imgret.photo import Face, Metadata, PhotoDate, SidecarNote

DC = "http://purl.org/dc/elements/1.1/}"
XMP = "http://ns.adobe.com/xap/1.0/}"
PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/}"
EXIF = "http://ns.adobe.com/exif/1.0/}"
DIGIKAM = "http://www.digikam.org/ns/1.0/}"
DARKTABLE = "http://darktable.sf.net/}"
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/}"
MICROSOFT = "http://ns.microsoft.com/photo/1.0/}"
_MICROSOFT_BY_EXIFTOOL = "http://ns.microsoft.com/photo/1.0}"
CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
ACDSEE = "http://ns.acdsee.com/iptc/1.0/}"
MWG_KEYWORDS = "http://www.metadataworkinggroup.com/schemas/keywords/}"
# Face regions: of the Metadata Working Group, and of Microsoft.
REGIONS = "http://www.metadataworkinggroup.com/schemas/regions/}"
AREA = "http://ns.adobe.com/xmp/sType/Area#}"
MP = "http://ns.microsoft.com/photo/1.2/}"
MPRI = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#}"
MPREG = "http://ns.microsoft.com/photo/1.2/t/Region#}"

_DIGIKAM_LABELS = ("", "red", "orange", "yellow", "green", "blue", "magenta", "gray", "black", "white")
_DARKTABLE_LABELS = ("red", "yellow", "green", "blue", "purple")


def metadata(found: Struct, source: str, modified: int = 0) -> Metadata:
    """Return the metadata in the properties. `source` is that of the date: xmp or sidecar; `modified` when a sidecar was, in
    seconds since 1970. What imgret itself wrote is left out, unless somebody edited it.
    """
    found = {name.replace(_MICROSOFT_BY_EXIFTOOL, MICROSOFT): values for name, values in found.items()}
    own = own_xmp.record(found)
    found = _without_copies(found, own)
    note = _note(found, own, modified) if source == "sidecar" else None
    faces = tuple(_faces(found))
    own_paths = {_path(form) for each in own.paths for form in (each, each.replace("/", "|"))}
    paths = tuple(path for path in _hierarchy(found) if path not in own_paths)
    flat = _all(found, DC + "subject") or [
        part for path in _hierarchy(found, 1) if path not in own_paths for part in path.split("|")
    ]
    ours = {each.casefold() for each in names([*own.keywords, own_xmp.ROOT if own.paths else None])}
    people = [*(face.name for face in faces), *_all(found, EXTENSION + "PersonInImage")]
    return Metadata(
        title=first([*_all(found, DC + "title"), *_all(found, PHOTOSHOP + "Headline")], _title),
        description=first(
            [
                *([] if _is_own_description(found, own, note) else _all(found, DC + "description")),
                *_all(found, ACDSEE + "caption"),
                *_all(found, EXIF + "UserComment"),
                *_all(found, CORE + "AltTextAccessibility"),
            ],
            description,
        ),
        keywords=tuple(name for name in names(flat) if name.casefold() not in ours),
        paths=paths,
        people=names(people),
        faces=faces[:MOST_NAMES],
        rating=_rating(found),
        label=_label(found),
        creator=names(_all(found, DC + "creator")),
        copyright=first(_all(found, DC + "rights"), text),
        location=_location(found),
        taken=_taken(found, source),
        position=exif.degrees(_gps(found)),
        note=note,
        problems=(*losses(flat, "keyword"), *exif.position_problems(_gps(found))),
    )


def of_photo(own: Record) -> dict[str, str]:
    """Return what imgret copied from the photo into a new sidecar: property -> text."""
    copied = {
        DC + "title": own.photo_title,
        DC + "description": own.photo_description,
        XMP + "Rating": own.photo_rating,
        XMP + "Label": own.photo_label,
    }
    return {name: value for name, value in copied.items() if value is not None}


def _without_copies(found: Struct, own: Record) -> Struct:
    """Return the properties without those that imgret copied from the photo: the photo may have others now."""
    copied = of_photo(own)

    def is_copy(name: str, value: object) -> bool:
        return name in copied and isinstance(value, str) and folded(value) == folded(copied[name])

    return {name: values for name, values in found.items() if not is_copy(name, next(iter(values), None))}


def _note(found: Struct, own: Record, modified: int) -> SidecarNote | None:
    """Return the note that a sidecar has: as imgret wrote it, or as somebody edited it in another program."""
    if own.note is None:
        return None
    written = _described(found)
    if own.description_of == own_xmp.NOTE and written and written != folded(own.description):
        edited = str(_one(found, DC + "description"))
        return SidecarNote(inputs.clean_text(edited)[: inputs.NOTE_LIMIT], modified, edited=True)
    return SidecarNote(inputs.clean_text(own.note)[: inputs.NOTE_LIMIT], int(number(own.note_at) or 0))


def _is_own_description(found: Struct, own: Record, note: SidecarNote | None) -> bool:
    """Return whether the description is imgret's caption, or a note, which is kept as a note."""
    if own.description_of == own_xmp.NOTE:
        return note is not None
    return own.description_of == own_xmp.CAPTION and _described(found) == folded(own.description)


def _described(found: Struct) -> str:
    written = _one(found, DC + "description")
    return folded(written) if isinstance(written, str) else ""


def _title(value: object) -> str | None:
    return description(value, TITLE)


def _all(found: Struct, name: str) -> list[Value]:
    return found.get(name, [])


def _one(found: Struct, name: str) -> Value | None:
    return next(iter(found.get(name, ())), None)


def _structs(values: list[Value]) -> Iterator[Struct]:
    return (value for value in values if isinstance(value, dict))


def _hierarchy(found: Struct, least: int = 2) -> tuple[str, ...]:
    """Return the hierarchical keywords with at least so many levels, divided by `|`."""
    written: list[object] = [*_all(found, LIGHTROOM + "hierarchicalSubject")]
    for name in (DIGIKAM + "TagsList", MICROSOFT + "LastKeywordXMP"):
        written += [value.replace("/", "|") for value in _all(found, name) if isinstance(value, str)]
    for tree in _structs(_all(found, MWG_KEYWORDS + "Keywords")):
        written += _branches(tree, "Hierarchy", "")
    paths = map(_path, written)
    return names(path for path in paths if path.count("|") + 1 >= least and not path.startswith("darktable|"))


def _path(value: object) -> str:
    return "|".join(names(separated(value, "|")))


def _branches(node: Struct, children: str, above: str) -> Iterator[str]:
    """Yield the paths of a keyword tree that apply: those of leaves, and those that are marked as applied.

    Metadata Working Group, Guidelines 2.0, 5.3.
    """
    for child in _structs(_all(node, MWG_KEYWORDS + children)):
        name = text(_one(child, MWG_KEYWORDS + "Keyword"), NAME)
        path = f"{above}|{name}" if above and name else name or above
        applied = str(_one(child, MWG_KEYWORDS + "Applied")).casefold()
        if name and (
            applied == "true" or (applied != "false" and not _all(child, MWG_KEYWORDS + "Children"))
        ):
            yield path
        yield from _branches(child, "Children", path)


def _rating(found: Struct) -> int | None:
    own = stars(_one(found, XMP + "Rating"))
    return own if own is not None else stars_of_percent(_one(found, MICROSOFT + "Rating"))


def _label(found: Struct) -> str | None:
    written = text(_one(found, XMP + "Label"), NAME)
    if written is not None:
        return written.lower()
    for name, labels in (
        (DIGIKAM + "ColorLabel", _DIGIKAM_LABELS),
        (DARKTABLE + "colorlabels", _DARKTABLE_LABELS),
    ):
        place = number(_one(found, name))
        if place is not None and 0 <= place < len(labels) and labels[int(place)]:
            return labels[int(place)]
    return None


def _location(found: Struct) -> tuple[str, ...]:
    flat = [CORE + "Location", PHOTOSHOP + "City", PHOTOSHOP + "State", PHOTOSHOP + "Country"]
    parts: list[object] = [_one(found, name) for name in flat]
    for name in (EXTENSION + "LocationShown", EXTENSION + "LocationCreated"):
        for place in _structs(_all(found, name)):
            parts += [
                _one(place, EXTENSION + part)
                for part in ("Sublocation", "City", "ProvinceState", "CountryName")
            ]
    return names(parts)


def _taken(found: Struct, source: str) -> PhotoDate | None:
    written = (
        _one(found, name)
        for name in (
            EXIF + "DateTimeOriginal",
            PHOTOSHOP + "DateCreated",
            EXIF + "DateTimeDigitized",
            XMP + "CreateDate",
        )
    )
    return next((date for value in written if (date := written_date(value, source)) is not None), None)


def _gps(found: Struct) -> exif.Tags:
    """Return texts such as `43,45.5N`: degrees, minutes, and perhaps seconds; under the numbers that EXIF has for them."""
    return {
        exif.LATITUDE: _one(found, EXIF + "GPSLatitude"),
        exif.LONGITUDE: _one(found, EXIF + "GPSLongitude"),
    }


def _faces(found: Struct) -> Iterator[Face]:
    for regions in _structs(_all(found, REGIONS + "Regions")):
        for region in _structs(_all(regions, REGIONS + "RegionList")):
            kind, name = _one(region, REGIONS + "Type"), text(_one(region, REGIONS + "Name"), NAME)
            area = next(_structs(_all(region, REGIONS + "Area")), {})
            size = [number(_one(area, AREA + part)) for part in ("x", "y", "w", "h")]
            if name and kind in (None, "Face", "Pet"):
                x, y, width, height = (part or 0.0 for part in size)
                yield Face(name, _box(x - width / 2, y - height / 2, width, height))
    for info in _structs(_all(found, MP + "RegionInfo")):
        for region in _structs(_all(info, MPRI + "Regions")):
            name = text(_one(region, MPREG + "PersonDisplayName"), NAME)
            sides = [number(part) or 0.0 for part in separated(_one(region, MPREG + "Rectangle"), ",")]
            if name:
                left, top, width, height = sides if len(sides) == 4 else (0.0, 0.0, 0.0, 0.0)
                yield Face(name, _box(left, top, width, height))


def _box(left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom, each from 0 to 1."""
    sides = (left, top, left + width, top + height)
    return tuple(round(min(1.0, max(0.0, side)), 4) for side in sides)  # type: ignore[return-value]
