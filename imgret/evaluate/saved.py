"""Save a run with the rank of each query to a file. Two saved runs can be compared later, query by query."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec
from msgspec import Struct, field

from imgret.errors import UsageError
from imgret.evaluate.dataset import Problem, Query
from imgret.evaluate.metrics import Difference, PhotoRank, Ranks, differences, ranks

VERSION = 1


class Run(Struct, frozen=True):
    """One row: a ranking of one recipe's passages, with the rank of every query's photo."""

    recipe: str
    rank: str  # vector, words, hybrid or bm25
    models: dict[str, list[str]]  # stage -> the models of its results: "name revision settings"
    answers: list[PhotoRank]  # in the order of `Report.queries`
    seconds: float  # for running all queries

    @property
    def name(self) -> str:
        """The name for `compare`, such as `both/hybrid`."""
        return f"{self.recipe}/{self.rank}"


class Report(Struct, frozen=True):
    """The results of an evaluation."""

    dataset: str
    split: str  # empty: the whole data set
    photos: int  # number of photos that were searched: distinct contents, including unreadable files
    unreadable: int  # number of unreadable files among them
    queries: list[Query]
    problems: list[Problem]
    runs: list[Run]
    seconds: float  # for describing and embedding; close to 0 if all results existed already
    v: int = field(default=VERSION)

    def ranks(self, run: Run) -> Ranks:
        """Return the ranks of one of its runs, for `scores` and `differences`."""
        return ranks(run.answers, [query.photo for query in self.queries], self.photos)


def save(report: Report, path: str) -> None:
    """Write a report to a file with mode 0600. Raises UsageError if it cannot be written."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text + b"\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def load(path: str) -> Report:
    """Read a report. Raises UsageError if the file is not a report or has a later version."""
    try:
        with open(path, "rb") as file:
            report = msgspec.json.decode(file.read(), type=Report)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UsageError(
            f"{path} is not a saved evaluation: {error}", "Create one with `imgret eval ... --save FILE`."
        ) from None
    if report.v > VERSION or any(len(run.answers) != len(report.queries) for run in report.runs):
        raise UsageError(
            f"{path} is incomplete, or was saved by a later version of imgret",
            "Update imgret, or run the evaluation again.",
        )
    return report


def compare(
    first: Report, second: Report, names: Sequence[str] = ()
) -> dict[tuple[str, str], dict[str, Difference]]:
    """Return the differences between rows of two reports with the same queries and photos.

    `names` are one row of each report (`both/vector`, `both/hybrid`). Without them, rows with equal names are compared,
    or the only row of each. Raises UsageError when there is nothing to compare.
    """
    if first.queries != second.queries or first.photos != second.photos:
        raise UsageError(
            "these two evaluations do not have the same queries and photos",
            "Evaluate both with the same data set, split and limit.",
        )
    pairs = [(_run(first, names[0]), _run(second, names[1]))] if names else _pairs(first, second)
    if not pairs:
        raise UsageError(
            f"the evaluations have no row in common: {_names(first)}; {_names(second)}",
            "Choose one row of each with --rows A B.",
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
    raise UsageError(f"there is no row {name}", f"The rows are {_names(report)}.")


def _names(report: Report) -> str:
    return ", ".join(run.name for run in report.runs) or "no rows"
