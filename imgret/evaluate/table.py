"""Format reports as Markdown and as JSON, with the published results of the baseline recipe.

The published results are from the README of *image-retrieval* by Aldenhovel. It does not state on which photos and
queries they were measured, and R@k decreases as a gallery grows, so they are not strictly comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imgret.evaluate.dataset import summarize
from imgret.evaluate.metrics import MEASURES, MEDIAN, PER_1000, Difference, Score, scores
from imgret.evaluate.recipe import Recipe
from imgret.evaluate.saved import Report, Run

BASELINE = "image-retrieval"
BASELINE_RANK = "vector"  # the baseline recipe ranks by the dot product of unit vectors
PUBLISHED: Mapping[str, Mapping[Recipe, tuple[float, float, float, float]]] = {
    # R@1, R@5, R@20, mean rank per 1,000
    "flickr8k": {
        Recipe.DETECT: (0.149, 0.336, 0.524, 66.95),
        Recipe.CAPTION: (0.397, 0.673, 0.873, 12.53),
        Recipe.BOTH: (0.432, 0.696, 0.892, 10.76),
    },
    "flickr30k": {
        Recipe.DETECT: (0.154, 0.316, 0.507, 85.34),
        Recipe.CAPTION: (0.428, 0.702, 0.863, 16.27),
        Recipe.BOTH: (0.476, 0.740, 0.890, 11.54),
    },
    "coco": {
        Recipe.DETECT: (0.127, 0.254, 0.458, 120.35),
        Recipe.CAPTION: (0.341, 0.594, 0.804, 15.03),
        Recipe.BOTH: (0.379, 0.637, 0.837, 12.88),
    },
}
_PUBLISHED_MEASURES = ("R@1", "R@5", "R@20", PER_1000)


def published(dataset: str, recipe: str) -> dict[str, float] | None:
    """Return the published results of the baseline for a recipe on a data set; None if there are none."""
    figures = PUBLISHED.get(dataset, {}).get(Recipe(recipe))
    return dict(zip(_PUBLISHED_MEASURES, figures, strict=True)) if figures else None


def markdown(report: Report) -> str:
    """Return the report as Markdown: the table, the models, and the problems in the data set."""
    rows = []
    for run in report.runs:
        found = scores(report.ranks(run))
        rows.append([run.recipe, run.rank, *(_scored(m, found[m]) for m in MEASURES), f"{run.seconds:.1f}"])
        if run.rank == BASELINE_RANK and (baseline := published(report.dataset, run.recipe)):
            shown = (_figure(m, baseline[m]) if m in baseline else "–" for m in MEASURES)
            rows.append([run.recipe, f"{BASELINE}, published", *shown, "–"])
    split = f", split {report.split}" if report.split else ""
    parts = [
        f"# {report.dataset}{split}: {len(report.queries)} queries, {report.photos} photos",
        _table(["recipe", "rank", *MEASURES, "seconds"], rows),
        "Brackets: 95 % bootstrap interval over photos. Photos with equal scores get their mean rank. A photo"
        " that was not returned scores 0 in R@k, MRR and nDCG; its rank is the mean of the remaining ranks.",
        _made_with(report.runs),
    ]
    if report.dataset in PUBLISHED:
        parts.append(
            f"{BASELINE} does not state the photos and queries of its published results;"
            " R@k decreases as a gallery grows."
        )
    if report.unreadable:
        parts.append(f"{report.unreadable} photos could not be read and count as not found.")
    if report.problems:
        parts.append("Problems in the data set:\n\n" + _listed(summarize(report.problems)))
    return "\n\n".join(parts) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for programs. The ranks of single queries are in the file of `--save`."""
    return {
        "v": report.v,
        "dataset": report.dataset,
        "split": report.split,
        "queries": len(report.queries),
        "photos": report.photos,
        "unreadable": report.unreadable,
        "seconds": round(report.seconds, 3),
        "rows": [
            {
                "recipe": run.recipe,
                "rank": run.rank,
                "measures": scores(report.ranks(run)),
                "published": published(report.dataset, run.recipe) if run.rank == BASELINE_RANK else None,
                "models": run.models,
                "seconds": round(run.seconds, 3),
            }
            for run in report.runs
        ],
        "problems": report.problems,
    }


def compared(differences: Mapping[tuple[str, str], Mapping[str, Difference]]) -> str:
    """Return the comparison of two reports as Markdown, one table per pair of rows."""
    parts = []
    for (first, second), found in differences.items():
        rows = [
            [
                measure,
                _figure(measure, one.first),
                _figure(measure, one.second),
                f"{_signed(measure, one.value)} [{_signed(measure, one.low)}, {_signed(measure, one.high)}]",
                f"{one.p:.4f}",
                {True: "yes", False: "no, worse", None: "not significant"}[one.better(measure)],
            ]
            for measure, one in found.items()
        ]
        head = ["measure", f"A: {first}", f"B: {second}", "B - A [95 %]", "p", "is B better?"]
        parts.append(_table(head, rows))
    parts.append("Paired bootstrap: the same photos are resampled for both rows. p is two-sided.")
    return "\n\n".join(parts) + "\n"


def compared_json(differences: Mapping[tuple[str, str], Mapping[str, Difference]]) -> dict[str, Any]:
    """Return the comparison for programs."""
    rows = [{"a": a, "b": b, "measures": found} for (a, b), found in differences.items()]
    return {"v": 1, "rows": rows}


def _made_with(runs: Sequence[Run]) -> str:
    """List the models and revisions of each stage, each once."""
    made: dict[str, dict[str, None]] = {}
    for run in runs:
        for stage, names in run.models.items():
            made.setdefault(stage, {}).update(dict.fromkeys(names))
    return "Models:\n\n" + _listed([f"{stage}: {'; '.join(names)}" for stage, names in made.items()])


def _scored(measure: str, score: Score) -> str:
    return f"{_figure(measure, score.value)} [{_figure(measure, score.low)}, {_figure(measure, score.high)}]"


def _figure(measure: str, value: float) -> str:
    if measure.startswith("R@"):
        return f"{100 * value:.1f}"
    return f"{value:.1f}" if measure == MEDIAN else f"{value:.2f}" if measure == PER_1000 else f"{value:.3f}"


def _signed(measure: str, value: float) -> str:
    shown = _figure(measure, value)
    return shown if shown.startswith("-") else f"+{shown}"


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(line if line.startswith("  ") else f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns. `|` in a cell is escaped."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
