"""Find the pairs of photos in a library that show the same picture, without comparing all pairs.

Each *table* divides the photos into cells: a photo is in the cell of that photo, of a sample, whose signature is
nearest. Only photos of one cell are compared. Two copies are in one cell of a table with a probability that grows with
their similarity, so a dozen tables with different samples find nearly all. In half of the tables, each photo is first
turned to a standard orientation, which finds turned copies. A small library has one cell in each table, and one table
for each orientation: all pairs are compared.

The sample follows the density: of many nearly equal photos, many are in the sample, and the cells stay small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.decode.perceptual import FLAT
from imgret.search import looks
from imgret.store.records import Looks

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Compatible = Callable[[Rows, Rows], NDArray[np.bool_]]

ALL_PAIRS = 8_192  # photos up to which all pairs are compared
TABLES = 6  # of each kind
CELL = 1_024  # photos in a cell, on average
ENOUGH = 16  # pairs of a photo with better ones, after which it is compared with no more
BLOCK, CHUNK = 512, 4_096  # rows and columns that are compared at a time
FIRST_CHUNK = 256  # columns at first: of equal photos, each has ENOUGH pairs then


class Pairs(NamedTuple):
    """Pairs of rows: `better` < `worse`."""

    better: Rows
    worse: Rows
    similarity: Scores


class _Table(NamedTuple):
    rows: NDArray[np.int64] | int  # the orientation of each photo as the worse one of a pair
    columns: NDArray[np.int64] | int  # ... as the better one
    cells: list[Rows]  # ascending


def near_pairs(found: Looks, least: float, compatible: Compatible, *, all_up_to: int = ALL_PAIRS) -> Pairs:
    """The pairs that show the same picture, of photos whose order is their quality, the best first.

    `least` is the lowest cosine of two signatures; `compatible` returns which of some pairs (better, worse) can be copies.
    A photo in ENOUGH pairs with better ones may lack further such pairs. Up to `all_up_to` photos, all are compared.
    """
    energy = looks.energies(found.signatures)
    usable = np.flatnonzero(energy >= FLAT)
    counts = np.zeros(len(found.contents), np.int64)
    parts: list[Pairs] = []
    for table in _tables(found.signatures, usable, all_up_to):
        for cell in table.cells:
            parts += _pairs_of_cell(found, energy, table, cell, counts, least, compatible)
        parts = [_unique(parts, len(counts))]
        counts = np.bincount(parts[0].worse, minlength=len(counts))
    return _unique(parts, len(counts))


def _tables(signatures: looks.Signatures, usable: Rows, all_up_to: int) -> Iterator[_Table]:
    if len(usable) <= all_up_to:
        for side in range(8):
            yield _Table(side, 0, [usable])
        return
    cells = max(2, len(usable) // CELL)
    for number in range(TABLES):
        rng = np.random.default_rng(number)  # the same pairs are found each time
        sample = signatures[np.sort(rng.choice(usable, cells, replace=False))]
        yield _Table(0, 0, _divided(signatures, usable, 0, sample))
        weights = rng.normal(size=64).astype(np.float32)
        standard = _standard_orientations(signatures, weights)
        sample = signatures[np.sort(rng.choice(usable, cells, replace=False))]
        sample = looks.turned(sample, _standard_orientations(sample, weights))
        yield _Table(standard, standard, _divided(signatures, usable, standard, sample))


def _standard_orientations(signatures: looks.Signatures, weights: Scores) -> Rows:
    """The orientation in which each photo has the greatest product with `weights`: nearly always the same for copies."""
    products = np.stack([signatures @ looks.turned_weights(weights, side) for side in range(8)])
    return np.asarray(products.argmax(axis=0), np.int64)


def _divided(
    signatures: looks.Signatures, usable: Rows, orientation: Rows | int, sample: looks.Signatures
) -> list[Rows]:
    """The cells of at least two photos."""
    centres = looks.unit(sample).T
    nearest = np.empty(len(usable), np.int64)
    for start in range(0, len(usable), CHUNK):
        rows = usable[start : start + CHUNK]
        turned = looks.turned(signatures[rows], _of(orientation, rows)).astype(np.float32)
        nearest[start : start + CHUNK] = (turned @ centres).argmax(axis=1)
    order = np.argsort(nearest, kind="stable")
    ends = np.flatnonzero(np.diff(nearest[order])) + 1
    return [cell for cell in np.split(usable[order], ends) if len(cell) > 1]


def _pairs_of_cell(
    found: Looks,
    energy: looks.Energies,
    table: _Table,
    cell: Rows,
    counts: Rows,
    least: float,
    compatible: Compatible,
) -> Iterator[Pairs]:
    """The pairs in a cell. Stops at ENOUGH for each photo; `counts` are the pairs that each has already."""
    sides = _of(table.rows, cell), _of(table.columns, cell)
    rows, columns = (looks.unit(looks.turned(found.signatures[cell], side)) for side in sides)
    row_bits, column_bits = (looks.turned_details(found.details[cell], side) for side in sides)
    detailed, cell_energy, colours = found.has_detail[cell], energy[cell], found.colours[cell]
    for start in range(0, len(cell), BLOCK):
        end = min(start + BLOCK, len(cell))
        first, width = 0, FIRST_CHUNK
        while first < end:
            here = start + np.flatnonzero(counts[cell[start:end]] < ENOUGH)
            if not len(here):
                break
            last = min(first + width, end)
            cosines = rows[here] @ columns[first:last].T
            # On two axes, `nonzero` would take as long as the product.
            worse, better = np.divmod(np.flatnonzero(cosines >= least), last - first)
            similar = cosines[worse, better]
            worse, better = here[worse], better + first
            keep = better < worse
            keep[keep] = compatible(cell[better[keep]], cell[worse[keep]])
            worse, better, similar = worse[keep], better[keep], similar[keep]
            keep = looks.confirmed(
                similar,
                np.minimum(cell_energy[better], cell_energy[worse]),
                looks.differing_bits(row_bits[worse], column_bits[better]),
                detailed[better] & detailed[worse],
            )
            keep[keep] = looks.same_hue(colours[worse[keep]], colours[better[keep]])
            keep &= looks.same_contrast(cell_energy[worse], cell_energy[better])
            keep[keep] = _nth(worse[keep]) < ENOUGH  # bounds the memory
            worse, better = cell[worse[keep]], cell[better[keep]]
            np.add.at(counts, worse, 1)
            if len(worse):
                yield Pairs(better, worse, similar[keep])
            first, width = last, min(4 * width, CHUNK)


def _of(orientation: Rows | int, rows: Rows) -> Rows | int:
    return orientation if isinstance(orientation, int) else orientation[rows]


def _nth(ordered: Rows) -> Rows:
    """How many equal values precede each one, in an array whose equal values are adjacent."""
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(starts, append=len(ordered))
    return np.arange(len(ordered)) - np.repeat(starts, lengths)


def _unique(parts: list[Pairs], photos: int) -> Pairs:
    """All pairs, each once, by the worse photo and then by the better one."""
    if not parts:
        none = np.zeros(0, np.int64)
        return Pairs(none, none, np.zeros(0, np.float32))
    better, worse, similarity = (np.concatenate(column) for column in zip(*parts, strict=True))
    _, first = np.unique(worse * photos + better, return_index=True)
    return Pairs(better[first], worse[first], similarity[first])
