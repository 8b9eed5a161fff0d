"""The stages that there are: those of imgret, and those that other packages bring.

A package brings a stage by an entry point of the group `imgret.stages`: its name is the stage's, its value
`module:STAGE`. Reading entry points takes tens of milliseconds, so `find` looks among imgret's own stages first,
and a search that meets no other stage never reads them. A stage that cannot be used costs itself alone (and
the stages that need its results); `problems` has a sentence for each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from imgret.errors import ImgretError
from imgret.limits import as_sentence
from imgret.stages.interface import DECODE, PIXELS, SOURCES, Stage, StageSettings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "imgret.stages"
OWN = ("caption", "detect", "topics", "embed")  # modules of this package
# What no stage may be called: keys and tables of the configuration, and columns that are always there.
RESERVED = SOURCES | {
    *("folders", "exclude", "hidden", "device", "decode_workers", "decode_memory_mb", "decode_seconds"),
    *("max_megapixels", "batch", "tables", "daemon", "labels", "content", "words", "rank", "rowid", DECODE),
}
# Keys of the query language that are no kinds of tags.
KEYS = frozenset({"after", "before", "on", "in", "name", "camera", "has", "is", "format"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


class Registry:
    """Stages in an order in which each one comes after those whose results it needs."""

    def __init__(self, stages: Iterable[Stage], problems: Mapping[str, str] | None = None) -> None:
        """The earlier of two stages of one name stays, and so does the order of what does not depend on each other."""
        self.problems = dict(problems or {})  # stage -> why it cannot be used
        usable: dict[str, Stage] = {}
        for stage in stages:
            fault = _fault(stage, usable)
            if fault is None:
                usable[stage.name] = stage
            else:
                self.problems.setdefault(str(getattr(stage, "name", stage)), fault)
        self.stages: tuple[Stage, ...] = tuple(self._ordered(usable))
        self._by_name = {stage.name: stage for stage in self.stages}

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Stage:
        return self._by_name[name]

    def get(self, name: str) -> Stage | None:
        """The stage of this name; None: there is none that can be used."""
        return self._by_name.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in their order."""
        return tuple(self._by_name)

    def followers(self, name: str) -> tuple[str, ...]:
        """The stages that read the results of this one (or `note`, `names`): computed again when those change."""
        return tuple(stage.name for stage in self.stages if name in stage.inputs)

    def all_followers(self, names: Iterable[str]) -> frozenset[str]:
        """The followers of these, and theirs, and so on."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            new = set(self.followers(waiting.pop())) - found
            found |= new
            waiting += new
        return frozenset(found)

    def pixels_first(self) -> tuple[Stage, ...]:
        """The order in which to run them: those that look at pixels as early as their inputs allow."""
        return tuple(_sorted(self._by_name, key=lambda stage: PIXELS not in stage.inputs))

    def _ordered(self, usable: dict[str, Stage]) -> list[Stage]:
        """Sort them, and drop those whose inputs cannot come."""
        while True:
            order = _sorted(usable)
            left = [stage for stage in usable.values() if stage not in order]
            if not left:
                return order
            missing = {
                stage.name: [name for name in stage.stages if name not in usable and name != DECODE]
                for stage in left
            }
            # Those without their inputs go first: without them, the others may be in no circle.
            dropped = [name for name, inputs in missing.items() if inputs] or _circle(left)
            for name in dropped:
                if missing[name]:
                    reason = f"it needs the results of {', '.join(missing[name])}, and there is no such stage"
                else:
                    reason = f"it waits for its own results: {' -> '.join([*dropped, dropped[0]])}"
                self.problems.setdefault(name, reason)
                del usable[name]


@cache
def own() -> Registry:
    """The stages of imgret itself. Reads no entry points."""
    return Registry([import_module(f"imgret.stages.{name}").STAGE for name in OWN])


@cache
def installed() -> Registry:
    """All stages that this Python has. What is installed later is not seen by this process."""
    from importlib.metadata import entry_points

    stages: list[Stage] = []
    problems: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            stages.append(_loaded(point))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a module raises when it is imported, SystemExit too
            problems[point.name] = f"{_origin(point)} cannot be used: {as_sentence(error)}"
    return Registry([*own().stages, *stages], problems)


def find(name: str) -> Stage | None:
    """The stage of this name, if it can be used. Entry points are read only for what is not imgret's own."""
    return own().get(name) or installed().get(name)


def _loaded(point: EntryPoint) -> Stage:
    stage = point.load()
    if not isinstance(stage, Stage):
        raise ImgretError(f"{point.value} is no instance of imgret.stages.Stage")
    if getattr(stage, "name", None) != point.name:
        raise ImgretError(f"the stage of {point.value} is called {getattr(stage, 'name', None)!r}")
    return stage


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _fault(stage: Stage, others: Mapping[str, Stage]) -> str | None:
    """What is wrong with what a stage says of itself, as far as it can be seen beside these others."""
    try:
        name, inputs, tier, settings = stage.name, stage.inputs, stage.tier, stage.settings
        columns = [column.name for column in stage.columns]
        called = [name, *columns, *stage.kinds, *stage.views, stage.noun]
        fields = settings().__struct_fields__
        beside = stage.requires or ()
        msgspec.json.Decoder(stage.payload)
    except Exception as error:
        return f"it lacks something that a stage must have: {as_sentence(error)}"
    bad = [each for each in called[:-1] if not isinstance(each, str) or not _NAME.fullmatch(each)]
    if bad:
        return f"{bad[0]!r} is no name: small letters, digits and _ are allowed"
    if name in others:
        return f"there is another stage called {name}"
    if name in RESERVED or not RESERVED.isdisjoint(columns):
        return f"{name if name in RESERVED else next(iter(RESERVED.intersection(columns)))} is a name that imgret uses itself"
    if not KEYS.isdisjoint(stage.kinds):
        return (
            f"{next(iter(KEYS.intersection(stage.kinds)))}: is a filter of imgret itself, so no kind of tags"
        )
    taken = {column.name for other in others.values() for column in other.columns}
    if not taken.isdisjoint(columns):
        return f"another stage has a column {next(iter(taken.intersection(columns)))}"
    if not issubclass(settings, StageSettings):
        return "its settings are no StageSettings"
    if not set(stage.ranges) <= set(fields):
        return f"{next(iter(set(stage.ranges) - set(fields)))} has a range and is no setting"
    if not inputs or not set(beside) <= set(stage.stages):
        return "it names no inputs" if not inputs else "it requires a stage that is not among its inputs"
    if tier not in range(4):
        return "its tier is none of 0, 1, 2, 3"
    return None


def _sorted(stages: Mapping[str, Stage], key: Callable[[Stage], object] = lambda _: 0) -> list[Stage]:
    """Those whose inputs can come, each after its inputs; among those that can be next, the least by `key`."""
    order: list[Stage] = []
    done: set[str] = {DECODE}
    waiting = list(stages.values())
    while ready := [stage for stage in waiting if done.issuperset(stage.stages)]:
        chosen = min(ready, key=key)  # type: ignore[arg-type]
        order.append(chosen)
        done.add(chosen.name)
        waiting.remove(chosen)
    return order


def _circle(stages: Collection[Stage]) -> list[str]:
    """The names of stages that wait for each other, in their order; every stage waits for another of these."""
    waits = {stage.name: stage.stages for stage in stages}
    path: list[str] = []
    name = next(iter(waits))
    while name not in path:
        path.append(name)
        name = next(each for each in waits[name] if each in waits)
    return path[path.index(name) :]
