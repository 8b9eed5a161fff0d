"""Explain a search without hits: which filter no photo passes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imgret.search.filter_keys import MOST_STARS
from imgret.search.hit_json import taken
from imgret.stages import registry
from imgret.store import labels
from imgret.store.clauses import (
    Around,
    Camera,
    Clause,
    Containing,
    Format,
    Has,
    Inside,
    Named,
    Near,
    Objects,
    Online,
    Phrase,
    Rated,
    Tagged,
    Taken,
)
from imgret.store.interface import Store

NAMED = 3  # existing values that a sentence lists

_LACKING = {
    "note": "no photo has a note",
    "caption": "no photo has a caption",
    "gps": "no photo has coordinates (gps)",
    "objects": "no photo has objects that were detected",
    "topics": "no photo has topics",
    "date": "no photo has a known date",
    "text": "no text was read in any photo",
}
# Value of `has:` -> its stage.
_STAGES = {
    "caption": "caption",
    "objects": "detect",
    "topics": "topics",
    "text": "ocr",
}


def unknown_labels(store: Store, clauses: Sequence[Clause], off: Collection[str] = ()) -> list[str]:
    """Return a sentence for each label that no photo shows, with similar labels that exist.

    `off` are the stages that the settings switch off.
    """
    there = store.facets.labels()
    requested = [clause.filter.label for clause in clauses if isinstance(clause.filter, Objects)]
    return [_no_label(label, there, off) for label in requested if not labels.matching_labels(label, there)]


def reasons(store: Store, clauses: Sequence[Clause], off: Collection[str] = ()) -> list[str]:
    """Return why no photo passes these filters, in sentences; none if some do. Labels that no photo shows are left out."""
    if len(store.filters.matching(clauses)):
        return []
    if not len(store.filters.matching(())):
        return ["no photo is indexed yet"]
    alone = [clause for clause in clauses if not len(store.filters.matching([clause]))]
    if not alone:
        return ["each filter lets some photos through, but no photo passes all of them"]
    sentences = [_excluded(clause) if clause.negated else _missing(store, clause, off) for clause in alone]
    return [sentence for sentence in dict.fromkeys(sentences) if sentence]


def nothing_strong(strengths: Sequence[str | None], *, kept: int) -> list[str]:
    """Return a sentence if none of the hits, the best first, matches well. `kept` of them are strong enough to be shown."""
    if strengths and not kept:
        return [
            f"nothing matches well enough: the best hit is {strengths[0]}; `--min-strength weak` shows it"
        ]
    if strengths and all(strength == "weak" for strength in strengths):
        return ["nothing matches well; these are the nearest"]
    return []


def _excluded(clause: Clause) -> str:
    return f"every photo is left out by the filter -{_short(clause)}"


def _missing(store: Store, clause: Clause, off: Collection[str]) -> str:
    match clause.filter:
        case Taken():
            span = store.facets.dates()
            if span is None:
                return "no photo has a known date, so filters by date find nothing"
            first, last = (str(taken(at))[:10] for at in span)
            if first == last:
                return f"no photo was taken then; the only known date is {first}"
            return f"no photo was taken then; the known dates are between {first} and {last}"
        case Inside(folder):
            return f"no indexed photo is in a folder {folder.decode('utf-8', 'replace')}"
        case Named(pattern):
            return f"no file name {'fits' if set('*?') & set(pattern) else 'holds'} {pattern!r}"
        case Objects(label):
            return _no_count(store, label)
        case Tagged(kind, name):
            there = store.facets.commonest(kind, NAMED)
            if there:
                return f"no photo has a {kind} {name!r}; there is {_listed(there)}"
            return _off_kind(kind, off) or f"no photo has {kind}s yet"
        case Rated():
            return "no photo has such a rating"
        case Camera(name):
            there = store.facets.cameras(NAMED)
            if there:
                return f"no photo was taken with a camera {name!r}; there is {_listed(there)}"
            return "no photo names its camera"
        case Has(what):
            return (what in _STAGES and _off(_STAGES[what], off)) or _LACKING.get(
                what, f"no photo has any {what}"
            )
        case Online(online):
            return f"no photo is {'online' if online else 'offline'}"
        case Format(name):
            there = store.facets.formats()
            return f"no photo has the format {name}" + (f"; there is {_listed(there)}" if there else "")
        case Containing(text):
            if len(store.filters.matching([Clause(Has("text"))])):
                return f"{text!r} stands in no photo that has text"
            return _off("ocr", off) or _LACKING["text"]
        case Near() | Around() if not len(store.filters.matching([Clause(Has("gps"))])):
            return "no photo has coordinates"
        case Near(latitude, longitude, km):
            return f"no photo was taken within {km:g} km of {latitude:.4f}, {longitude:.4f}"
        case Around(area, _):
            return f"no photo was taken near {area}"
        case Phrase(text):
            return f"{text!r} stands in no caption, label, note or name"


def _no_label(label: str, there: Sequence[str], off: Collection[str]) -> str:
    if not there:
        return f"no photo shows {label!r}: {_off('detect', off) or 'no object was detected in any photo yet'}"
    near = labels.suggestions(label, there)
    return f"no photo shows {label!r}" + (f"; there is {_listed(near)}" if near else "")


def _no_count(store: Store, label: str) -> str:
    meant = labels.matching_labels(label, store.facets.labels())
    if not meant:
        return ""  # `unknown_labels` has reported it
    top = store.facets.most_counted(meant)
    return f"no photo shows {label!r} that often; the most in one photo is {top}"


def _off(stage: str, off: Collection[str]) -> str:
    """Return a sentence if a stage is switched off; "" if it is not."""
    known = registry.find(stage) if stage in off else None
    if known is None:
        return ""
    return f'{known.noun} are switched off (weights = "none" in [{stage}] of the configuration)'


def _off_kind(kind: str, off: Collection[str]) -> str:
    """Return a sentence if the stage with tags of this kind is switched off; "" if it is not."""
    sentences = [_off(stage, off) for stage in off if (known := registry.find(stage)) and kind in known.kinds]
    return next(iter(sentences), "")


def _short(clause: Clause) -> str:
    """A filter as it is named in a message, shortened."""
    match clause.filter:
        case Taken():
            return "date"
        case Inside(folder):
            return f"in:{folder.decode('utf-8', 'replace')}"
        case Objects(label, _, _):
            return label
        case Online(online):
            return f"is:{'online' if online else 'offline'}"
        case Has(what):
            return f"has:{what}"
        case Tagged(kind, text):
            return f"{kind}:{text}"
        case Containing(text):
            return f"text:{text}"
        case Rated(least, most):
            if least == most:
                return f"rating:{least}"
            return f"rating>={least}" if most == MOST_STARS else f"rating<={most}"
        case Near(latitude, longitude, km):
            return f"near:{latitude:g},{longitude:g},{km:g}km"
        case Around(area, _):
            return f"near:{area}"
        case Named(text) | Camera(text) | Format(text) | Phrase(text):
            return text


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED])
