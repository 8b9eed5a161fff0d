"""Read the Metadata of a photo: from its EXIF, IPTC and XMP, and from its sidecars. Runs in decoder processes only.

Words and names of all sources are joined. Of a value that a photo has once (title, rating, ...), the first source counts: the
XMP sidecar that was modified last, other XMP sidecars, the photo's XMP, IPTC and EXIF, Takeout's JSON. Dates have another order:
EXIF comes first, because a camera wrote it. What cannot be read becomes a sentence in `Metadata.problems`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any

from msgspec.structs import replace
from PIL import Image

from imgret.decode import albums, exif_texts, iptc, takeout, xmp, xmp_fields
from imgret.decode.exif import Tags
from imgret.decode.hashing import OPEN_FLAGS
from imgret.decode.metadata_dates import iptc_date, is_future, year_of
from imgret.decode.metadata_packets import iptc_record, xmp_packets
from imgret.decode.metadata_texts import DESCRIPTION, MOST_NAMES, TITLE, description, losses, names, text
from imgret.photo import Metadata, PhotoDate
from imgret.sidecar_names import ALBUM_FILES, ALBUMS

_ONCE = ("title", "description", "rating", "label", "copyright")
_JOINED = ("keywords", "paths", "people", "albums", "creator", "location")
_MOST_CHARACTERS = 200_000  # of all names of a photo
_MOST_PROBLEMS = 10
_SOURCES = {"exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "sidecar": "sidecar's"}


def read_metadata(
    path: bytes,
    file: IO[bytes],
    image: Image.Image,
    directories: tuple[Tags, Tags, Tags],
    sidecars: Sequence[bytes],
) -> Metadata:
    """Return the metadata of an open photo and of its sidecars, given by their paths, the most important first.

    `directories` are the EXIF directories IFD0, Exif and GPS. Raises nothing but MemoryError.
    """
    problems: list[str] = []
    own = _own(path, file, image, directories, problems)
    beside = _sidecars(path, sidecars, problems)
    first = [found for name, found in beside if not _is_json(name)]
    last = [found for name, found in beside if _is_json(name)]
    problems += _disagreements(beside)
    merged = merge([*first, *own["XMP"], *own["IPTC"], *own["EXIF"], *last])
    exif_first = [*own["EXIF"], *own["XMP"], *own["IPTC"], *first, *last]
    taken = _first_date(path, [each.taken for each in exif_first if each.taken], problems)
    position = next((each.position for each in exif_first if each.position is not None), None)
    sentences = tuple(text(problem) or "" for problem in problems[:_MOST_PROBLEMS])
    return replace(merged, taken=taken, position=position, problems=sentences)


def merge(sources: Sequence[Metadata]) -> Metadata:
    """Join metadata of several sources, the most important first."""
    once: dict[str, Any] = {
        field: next((value for each in sources if (value := getattr(each, field)) is not None), None)
        for field in _ONCE
    }
    joined: dict[str, Any] = {
        field: _bounded(names(v for each in sources for v in getattr(each, field))) for field in _JOINED
    }
    faces = next((each.faces for each in sources if each.faces), ())[:MOST_NAMES]
    note = max((each.note for each in sources if each.note), key=lambda note: note.at, default=None)
    return Metadata(**once, **joined, faces=faces, note=note)


def _bounded(found: tuple[str, ...]) -> tuple[str, ...]:
    left, kept = _MOST_CHARACTERS // len(_JOINED), []
    for name in found:
        left -= len(name)
        if left < 0:
            break
        kept.append(name)
    return tuple(kept)


def _own(
    path: bytes,
    file: IO[bytes],
    image: Image.Image,
    directories: tuple[Tags, Tags, Tags],
    problems: list[str],
) -> dict[str, list[Metadata]]:
    """Return the metadata in the photo's own XMP, IPTC and EXIF."""
    name = os.fsdecode(os.path.basename(path))
    readers: dict[str, Callable[[], list[Metadata]]] = {
        "XMP": lambda: [_xmp(packet, "xmp") for packet in xmp_packets(file, image, directories[0])],
        "IPTC": lambda: [_iptc(iptc_record(image, directories[0]))],
        "EXIF": lambda: [exif_texts.metadata(*directories)],
    }
    return {what: _guarded(read, f"the {what} of {name}", problems) for what, read in readers.items()}


def _guarded(read: Callable[[], list[Metadata]], what: str, problems: list[str]) -> list[Metadata]:
    try:
        found = read()
        problems += [f"{what} {problem}" for each in found for problem in each.problems]
        return found
    except (xmp.XmpError, takeout.TakeoutError, albums.AlbumsError) as error:
        problems.append(f"{what} {text(str(error), TITLE)}")
    except MemoryError:
        raise
    except OSError as error:
        problems.append(f"{what} cannot be read: {text(error.strerror or str(error), TITLE)}")
    except Exception as error:  # damaged files make parsers raise anything; the rest is still read
        problems.append(f"{what} cannot be read: {text(f'{type(error).__name__} {error}', TITLE)}")
    return []


def _xmp(packet: bytes, source: str, modified: int = 0) -> Metadata:
    return xmp_fields.metadata(xmp.parse(packet), source, modified)


def _iptc(record: bytes) -> Metadata:
    found = iptc.datasets(record)

    def one(number: int) -> str | None:
        return next(iter(found.get(number, ())), None)

    return Metadata(
        title=description(one(iptc.TITLE), TITLE) or description(one(iptc.HEADLINE), TITLE),
        description=description(one(iptc.DESCRIPTION), DESCRIPTION),
        keywords=names(found.get(iptc.KEYWORDS, ())),
        creator=names(found.get(iptc.CREATOR, ())),
        copyright=text(one(iptc.COPYRIGHT)),
        location=names(one(each) for each in (iptc.SUBLOCATION, iptc.CITY, iptc.STATE, iptc.COUNTRY)),
        taken=iptc_date(one(iptc.DATE) or "", one(iptc.TIME) or ""),
        problems=losses(found.get(iptc.KEYWORDS, ()), "keyword"),
    )


def _sidecars(path: bytes, sidecars: Iterable[bytes], problems: list[str]) -> list[tuple[bytes, Metadata]]:
    """Return the metadata of each sidecar: XMP first, and of several the one that was modified last."""
    found: list[tuple[int, bytes, Metadata]] = []
    for sidecar in sidecars:
        modified = 0

        def read(sidecar: bytes = sidecar) -> list[Metadata]:
            nonlocal modified
            data, modified = _read(sidecar)
            if data is None:
                return []
            if not _is_json(sidecar):
                return [_xmp(data, "sidecar", modified)]
            name = os.path.basename(sidecar)
            if name == ALBUMS:
                return [albums.metadata(data, os.path.basename(path))]
            made = takeout.metadata(data, os.path.basename(path), album=name in ALBUM_FILES)
            return [made] if made is not None else []

        name = os.fsdecode(os.path.basename(sidecar))
        found += [(modified, sidecar, each) for each in _guarded(read, name, problems)]
    found.sort(key=lambda each: (_is_json(each[1]), 0 if _is_json(each[1]) else -each[0]))
    return [(sidecar, each) for _, sidecar, each in found]


def _is_json(sidecar: bytes) -> bool:
    return sidecar[-5:].lower() == b".json"


def _read(sidecar: bytes) -> tuple[bytes | None, int]:
    """Return the bytes of a sidecar, at most one more than allowed, and when it was modified; None if it is not there."""
    try:
        fd = os.open(sidecar, OPEN_FLAGS | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None, 0
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None, 0
        most = takeout.MOST_BYTES if _is_json(sidecar) else xmp.MOST_BYTES
        return file.read(most + 1), int(status.st_mtime)


def _disagreements(beside: list[tuple[bytes, Metadata]]) -> list[str]:
    """Return a sentence for each value in which two sidecars differ."""
    problems = []
    for field in ("title", "description", "rating", "label"):
        values = [(name, value) for name, each in beside if (value := getattr(each, field)) is not None]
        if len({value for _, value in values}) > 1:
            listed = [os.fsdecode(os.path.basename(name)) for name, _ in values]
            problems.append(f"{' and '.join(listed)} disagree on the {field}; {listed[0]} is used")
    return problems


def _first_date(path: bytes, dates: Sequence[PhotoDate], problems: list[str]) -> PhotoDate | None:
    """Return the first date that is not in the future, with the time zone of another one of the same second if need be."""
    name = os.fsdecode(os.path.basename(path))
    for date in dates:
        if is_future(date):
            problems.append(
                f"the {_SOURCES[date.source]} date of {name} is in the year {year_of(date)}, so it is not used"
            )
            continue
        zone = next((each.zone for each in dates if each.at == date.at and each.zone is not None), None)
        return replace(date, zone=date.zone if date.zone is not None else zone)
    return None
