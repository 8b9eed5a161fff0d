"""A run and its per-query ranks as a file, so that two runs can be compared later, question by question."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec
from msgspec import Struct, field

from imgret.errors import UsageError
from imgret.evaluate.dataset import Problem, Query
from imgret.evaluate.metrics import Answer, Difference, Ranks, differences, ranks

VERSION = 1


class Run(Struct, frozen=True):
    """One row: a ranking of one recipe's passages, and where it put every question's photo."""

    recipe: str
    rank: str  # vector, words, hybrid or bm25
    models: dict[str, list[str]]  # stage -> who made its results: "name revision settings"
    answers: list[Answer]  # in the order of `Report.queries`
    seconds: float  # of asking

    @property
    def name(self) -> str:
        """`both/hybrid`: what `compare` knows it by."""
        return f"{self.recipe}/{self.rank}"


class Report(Struct, frozen=True):
    """A whole evaluation."""

    dataset: str
    split: str  # empty: everything
    photos: int  # among which was searched: different contents, unreadable files included
    unreadable: int  # of those
    queries: list[Query]
    problems: list[Problem]
    runs: list[Run]
    seconds: float  # of describing and embedding; next to nothing when all was known
    v: int = field(default=VERSION)

    def ranks(self, run: Run) -> Ranks:
        """The answers of one of its runs, ready to be measured."""
        return ranks(run.answers, [query.photo for query in self.queries], self.photos)


def save(report: Report, path: str) -> None:
    """Write a report, 0600. Raises UsageError where it cannot be written."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text + b"\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def load(path: str) -> Report:
    """Read a report. Raises UsageError for a file that is none, or of a later version."""
    try:
        with open(path, "rb") as file:
            report = msgspec.json.decode(file.read(), type=Report)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UsageError(
            f"{path} is no saved evaluation: {error}", "`imgret eval ... --save FILE` makes one."
        ) from None
    if report.v > VERSION or any(len(run.answers) != len(report.queries) for run in report.runs):
        raise UsageError(f"{path} is not whole, or of a later version")
    return report


def compare(
    first: Report, second: Report, names: Sequence[str] = ()
) -> dict[tuple[str, str], dict[str, Difference]]:
    """The differences between rows of two reports that asked the same questions of the same photos.

    `names` are one row of each (`both/vector`, `both/hybrid`); without them the rows of equal names are
    compared, or the only ones there are. Raises UsageError when there is nothing to compare.
    """
    if first.queries != second.queries or first.photos != second.photos:
        raise UsageError(
            "these two did not ask the same questions of the same photos",
            "Evaluate both with the same data set, split and limit.",
        )
    pairs = [(_run(first, names[0]), _run(second, names[1]))] if names else _pairs(first, second)
    if not pairs:
        raise UsageError(
            f"no row of {_names(first)} has its like in {_names(second)}", "Name one of each with --rows A B."
        )
    return {(a.name, b.name): differences(first.ranks(a), second.ranks(b)) for a, b in pairs}


def _pairs(first: Report, second: Report) -> list[tuple[Run, Run]]:
    if len(first.runs) == len(second.runs) == 1:
        return [(first.runs[0], second.runs[0])]
    theirs = {run.name: run for run in second.runs}
    return [(run, theirs[run.name]) for run in first.runs if run.name in theirs]


def _run(report: Report, name: str) -> Run:
    for run in report.runs:
        if run.name == name:
            return run
    raise UsageError(f"there is no row {name}", f"There are {_names(report)}.")


def _names(report: Report) -> str:
    return ", ".join(run.name for run in report.runs) or "no rows"
