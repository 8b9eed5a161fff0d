"""Divides the stages into passes over the library, and estimates how long they take.

Cheap stages run first for all photos, so that a library can be searched long before it is finished. Each pass decodes its
photos once. A pass is therefore split only if what follows takes much longer than decoding again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from imgret.stages import registry
from imgret.stages.interface import DECODE

# The first of two passes ends at least this many times sooner than one pass over both would; splitting then costs at
# most a fifth of the time.
SPLIT_FACTOR = 4.0
_WEIGHT = 0.2  # of the latest measurement in the running mean


class Costs:
    """Running means of the seconds that a stage takes for a photo. Any thread may call."""

    def __init__(self, decoders: int = 1, devices: int = 1) -> None:
        """`decoders` processes decode, and `devices` run the models, at the same time."""
        self._parallel = {DECODE: decoders}
        self._devices = devices
        self._seconds: dict[str, float] = {}
        self._first: set[str] = set()  # stages with one measurement, which includes the start of the model

    def add(self, stage: str, seconds: float, photos: int) -> None:
        """Add a measurement: `stage` took `seconds` for so many photos."""
        found = seconds / photos / self._parallel.get(stage, self._devices)
        before = self._seconds.get(stage)
        if before is None or stage in self._first:
            (self._first.add if before is None else self._first.discard)(stage)
            self._seconds[stage] = found
        else:
            self._seconds[stage] = before + _WEIGHT * (found - before)

    def of(self, stage: str) -> float | None:
        """Return the seconds per photo; None if it has not been measured."""
        return self._seconds.get(stage)

    def total(self, stages: Collection[str]) -> float | None:
        """Return the seconds per photo of decoding and of these stages; None if one has not been measured.

        What the decoder reads besides the pixels costs next to nothing.
        """
        free = {stage.name for stage in registry.installed().stages if stage.from_decoder}
        found = [self.of(stage) for stage in {DECODE, *stages} - free]
        return None if None in found else sum(each for each in found if each is not None)


def tiers(stages: Collection[str]) -> list[frozenset[str]]:
    """Group stages by their cost tier, cheap ones first. A stage is never in an earlier group than those that it reads.

    Tiers 0 and 1 are one group: both consist of little more than decoding.
    """
    found: dict[str, int] = {DECODE: 1}
    for stage in registry.installed().stages:  # each after the stages that it reads
        inputs = [found[name] for name in stage.stages if name in found and name in stages]
        found[stage.name] = max([1, stage.tier, *inputs])
    groups: dict[int, set[str]] = {}
    for name in stages:
        groups.setdefault(found.get(name, 3), set()).add(name)
    return [frozenset(groups[tier]) for tier in sorted(groups)]


def passes(stages: Collection[str], waiting: Collection[str], costs: Costs) -> list[frozenset[str]]:
    """Divide stages into passes; only those in `waiting` have anything to do. While a cost is unknown, tiers are not joined."""
    made: list[frozenset[str]] = []
    groups = tiers(stages)
    for at, group in enumerate(groups):
        if made:
            before = costs.total(made[-1].intersection(waiting))
            left = frozenset().union(*groups[at:]).intersection(waiting)
            after = costs.total(left - {DECODE})
            decoding = costs.of(DECODE)
            idle = not made[-1].intersection(waiting) or not group.intersection(waiting)
            cheap = (
                before is not None
                and after is not None
                and decoding is not None
                and after - decoding < SPLIT_FACTOR * before
            )
            if idle or cheap:
                made[-1] |= group
                continue
        made.append(group)
    return made


def photos_within(seconds: float, stages: Collection[str], costs: Costs) -> int:
    """Return how many photos these stages describe in so many seconds; 0 if a cost is unknown."""
    each = costs.total(stages)
    return int(seconds / each) if each else 0


def seconds_left(
    waiting: Mapping[str, int], in_order: Sequence[frozenset[str]], costs: Costs
) -> dict[str, float | None]:
    """Return the seconds until each waiting stage is finished, if the passes run one after the other; None: unknown."""
    found: dict[str, float | None] = {}
    total: float | None = 0.0
    for stages in in_order:
        todo = [stage for stage in stages if waiting.get(stage)]
        if not todo:
            continue
        decoding = costs.of(DECODE)
        parts = [(costs.of(stage), waiting[stage]) for stage in todo if stage != DECODE]
        parts.append((decoding, max(waiting[stage] for stage in todo)))
        for cost, count in parts:
            total = None if total is None or cost is None else total + cost * count
        found.update(dict.fromkeys(todo, total))
    return found
