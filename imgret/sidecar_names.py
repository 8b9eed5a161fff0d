"""Which files beside a photo describe it: their names follow from the photo's name. Pure.

XMP sidecars are called `a.jpg.xmp` (darktable, digiKam) or `a.xmp` (Lightroom, Adobe). Google Takeout writes `a.jpg.json` or
`a.jpg.supplemental-metadata.json`, cuts the part before `.json` to 46 characters, and moves the number of `a(1).jpg` behind
the suffix: `a.jpg(1).json`. An edited photo `a-edited.jpg` has no file of its own, so that of `a.jpg` describes it.
`metadata.json` names the album of all photos in its folder, and `albums.json` has several albums of photos in its folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection

# What Takeout appends to the names of edited photos, in some of its languages.
EDITED = (
    *("-edited", "-effects", "-bearbeitet", "-modifié", "-editado", "-edytowane", "-redigerad", "-bewerkt"),
    *("-modificato", "-muokattu", "-upraveno", "-編集済み", "-已修改"),
)
XMP, JSON = b".xmp", b".json"
# In which Takeout describes the album that a folder is, in some of its languages.
ALBUM_FILES = tuple(
    name.encode()
    for name in (
        *("metadata.json", "Metadaten.json", "métadonnées.json", "metadatos.json", "metadati.json"),
        *("metagegevens.json", "metadane.json", "metadados.json", "メタデータ.json", "元数据.json"),
    )
)
ALBUMS = b"albums.json"  # names albums and their photos in the same folder
_SUPPLEMENTAL = b".supplemental-metadata"
_LONGEST = 46  # characters before `.json`, as Takeout cuts them
_NUMBERED = re.compile(rb"(.*)(\(\d{1,4}\))", re.DOTALL)


def sidecar_names(photo: bytes) -> list[bytes]:
    """Return the names that sidecars of a photo can have; of two that disagree, the first one is used."""
    stem = stem_of(photo)
    names = _xmp_names(photo)
    suffix = photo[len(stem) :]
    for base in dict.fromkeys((stem, *_originals(stem))):
        names += _takeout(base, suffix)
    return list(dict.fromkeys([*names, *ALBUM_FILES, ALBUMS]))


def written_sidecar(photo: bytes, photos: Collection[bytes], present: Collection[bytes]) -> bytes:
    """Return the name of the XMP sidecar into which the words of a photo are written.

    `photos` are all photos in its folder, `present` all files there. A sidecar `a.xmp` is that of `a.jpg` only if no other
    photo and no file has this name; of a photo without a sidecar it is `a.jpg.xmp`.
    """
    stem = stem_of(photo)
    shared = (b"." in stem and stem in present) or any(
        other != photo and stem in (other, stem_of(other)) for other in photos
    )
    own = [name for name in _xmp_names(photo) if not shared or name.startswith(photo)]
    return next((name for name in own if name in present), photo + XMP)


def stem_of(photo: bytes) -> bytes:
    """Return the name of a photo without its suffix."""
    return photo[: photo.rfind(b".")] if b"." in photo[1:] else photo


def _xmp_names(photo: bytes) -> list[bytes]:
    return [base + suffix for base in (photo, stem_of(photo)) for suffix in (XMP, b".XMP", b".Xmp")]


def _originals(stem: bytes) -> list[bytes]:
    """Return the stem of the original of an edited photo: `a-edited(1)` and `a(1)-edited` -> `a(1)`."""
    match = _NUMBERED.fullmatch(stem)
    whole, number = (match[1], match[2]) if match else (stem, b"")
    for word in EDITED:
        if whole.endswith(word.encode()):
            return [whole.removesuffix(word.encode()) + number]
    return []


def _takeout(stem: bytes, suffix: bytes) -> list[bytes]:
    whole = stem + suffix
    match = _NUMBERED.fullmatch(stem)
    names = []
    if match:  # the number follows what was cut
        plain, number = match[1] + suffix, match[2]
        names += [cut + number for cut in (_cut(plain), *_supplemental(plain))]
    names += [whole, _cut(whole), *_supplemental(whole)]
    names.append(stem)  # the title had no suffix
    return [name + JSON for name in dict.fromkeys(names)]


def _cut(name: bytes) -> bytes:
    return os.fsencode(os.fsdecode(name)[:_LONGEST])


def _supplemental(name: bytes) -> list[bytes]:
    """Return `a.jpg.supplemental-metadata` and what remains of it when it is cut, the longest first."""
    whole = name + _SUPPLEMENTAL
    return [whole, *(whole[:end] for end in range(len(whole) - 1, len(name), -1))]
