"""A search request, from the command line or the socket, and its validation."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from imgret.errors import UsageError
from imgret.photo import RANKS, SORTS, STRENGTHS

MOST_HITS = 100_000  # of one search
FORMATS = ("plain", "json", "null", "count")

# The names of these fields in the socket protocol, which other programs use as well.
_WIRE = {"limit": "k", "min_strength": "minimum", "all_copies": "apart", "negatives": "away"}


class SearchRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename=_WIRE):
    """A query and its options: those of `imgret query`, and the `params` of the socket."""

    text: str = ""
    limit: int = 20
    rank: str = "hybrid"
    sort: str = "score"  # one of SORTS; without words all matches are equal, and `score` is `date`
    format: str = "plain"  # paths, each with a newline; `null`: with a NUL; `json`: one object a line; `count`: how many
    min_strength: str = "weak"  # weaker hits are left out
    all_copies: bool = False  # copies and near-duplicates are hits of their own
    negatives: tuple[str, ...] = ()  # texts to push away
    filters: tuple[tuple[str, str], ...] = ()  # (key, value): more filters, as in the text
    folder: str = "/"  # the working directory of the caller, for `in:.`: absolute, as os.fsdecode gives it
    like: str | None = None  # the absolute path of a photo to search with, as os.fsdecode gives it
    number: int | None = None  # of a batch, from 0: each line of JSON carries it and the query


def read_request(params: object) -> SearchRequest:
    """The params of a request over the socket. UsageError naming what is wrong with them."""
    try:
        return msgspec.convert(params, SearchRequest)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter of a key with surrogates
        raise UsageError(f"not a valid query: {error}") from None


def check(request: SearchRequest) -> None:
    """Raise UsageError for an option that no query can have."""
    if request.min_strength not in STRENGTHS:
        raise UsageError(f"--min-strength {request.min_strength}: must be one of {', '.join(STRENGTHS)}")
    if request.like is not None and request.rank == "words":
        raise UsageError("--like searches with a photo, which --rank words cannot compare")
    if request.rank not in RANKS:
        raise UsageError(f"--rank {request.rank}: must be one of {', '.join(RANKS)}")
    if request.sort not in SORTS:
        raise UsageError(f"--sort {request.sort}: must be one of {', '.join(SORTS)}")
    if request.format not in FORMATS:
        raise UsageError(f"format {request.format}: must be one of {', '.join(FORMATS)}")
    if not 1 <= request.limit <= MOST_HITS:
        raise UsageError(f"-k {request.limit}: must be between 1 and {MOST_HITS}")
