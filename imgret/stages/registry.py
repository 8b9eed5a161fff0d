"""All stages: those of imgret, and those of other packages.

A package provides a stage by an entry point of the group `imgret.stages`. Its name is that of the stage, its value
`module:STAGE`. Reading entry points takes tens of milliseconds, so `find` checks imgret's own stages first,
and a search that uses no other stage never reads them. If a stage cannot be used, only it and the stages that need
its results are left out; `problems` has a message for each.
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
from imgret.stages.interface import DECODE, PIXELS, POSITION, SOURCES, Stage, StageSettings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "imgret.stages"
OWN = ("metadata", "place", "image", "caption", "detect", "ocr", "topics", "embed")  # modules of this package
# Reserved names: keys and tables of the configuration, and fixed columns of the words index.
RESERVED = SOURCES | {
    *("folders", "exclude", "hidden", "device", "decode_workers", "decode_memory_mb", "decode_seconds"),
    *(
        "max_megapixels",
        "batch",
        "tables",
        "daemon",
        "picker",
        "index",
        "labels",
        "content",
        "words",
        "rank",
        "rowid",
        DECODE,
    ),
}
# Keys of the query language that are not kinds of tags.
KEYS = frozenset({"after", "before", "on", "in", "name", "camera", "has", "is", "format", "text", "near"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


class Registry:
    """Stages sorted such that each comes after those whose results it reads."""

    def __init__(self, stages: Iterable[Stage], problems: Mapping[str, str] | None = None) -> None:
        """Sort the stages. The order of independent stages is kept. Of two with the same name, the first is used."""
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
        """Return the stage with this name; None if there is none that can be used."""
        return self._by_name.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the stages, in order."""
        return tuple(self._by_name)

    def followers(self, name: str) -> tuple[str, ...]:
        """Return the stages that read this one (or `note`, `names`). They are rerun when its result changes."""
        return tuple(stage.name for stage in self.stages if name in stage.inputs)

    def all_followers(self, names: Iterable[str]) -> frozenset[str]:
        """Return the direct and indirect followers of these stages."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            new = set(self.followers(waiting.pop())) - found
            found |= new
            waiting += new
        return frozenset(found)

    def needed(self, due: Collection[str]) -> frozenset[str]:
        """Return the stages whose models a run needs: those that are due, and those that may follow from them.

        Decoding a photo and reading its sidecars can give it another position.
        """
        moving = {stage.name for stage in self.stages if stage.from_decoder} | {DECODE}
        causes = {*due} if moving.isdisjoint(due) else {*due, POSITION}
        return frozenset(due) | self.all_followers(causes)

    def in_order(self, names: Collection[str]) -> list[str]:
        """Return these stages, `decode` first, each after those that it reads."""
        return [name for name in (DECODE, *self._by_name) if name in names]

    def pixels_first(self) -> tuple[Stage, ...]:
        """Return the stages in the order to run them: those that read pixels as early as their inputs allow."""
        return tuple(_sorted(self._by_name, key=lambda stage: PIXELS not in stage.inputs))

    def _ordered(self, usable: dict[str, Stage]) -> list[Stage]:
        """Sort the stages, and drop those whose inputs are never computed."""
        while True:
            order = _sorted(usable)
            left = [stage for stage in usable.values() if stage not in order]
            if not left:
                return order
            missing = {
                stage.name: [name for name in stage.stages if name not in usable and name != DECODE]
                for stage in left
            }
            # Stages with missing inputs are dropped first, which may resolve the cycles of the others.
            dropped = [name for name, inputs in missing.items() if inputs] or _cycle(left)
            for name in dropped:
                if missing[name]:
                    reason = f"it needs the results of {', '.join(missing[name])}, and there is no such stage"
                else:
                    reason = f"it depends on its own results: {' -> '.join([*dropped, dropped[0]])}"
                self.problems.setdefault(name, reason)
                del usable[name]


@cache
def own() -> Registry:
    """Return the stages of imgret itself. Reads no entry points."""
    return Registry([import_module(f"imgret.stages.{name}").STAGE for name in OWN])


@cache
def installed() -> Registry:
    """Return all installed stages. A package that is installed later is not noticed by this process."""
    from importlib.metadata import entry_points

    stages: list[Stage] = []
    problems: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            stages.append(_loaded(point))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module can raise anything on import, even SystemExit
            problems[point.name] = f"{_origin(point)} cannot be used: {as_sentence(error)}"
    return Registry([*own().stages, *stages], problems)


def find(name: str) -> Stage | None:
    """Return the stage with this name, if it can be used. Reads entry points only if it is not one of imgret's own."""
    return own().get(name) or installed().get(name)


def _loaded(point: EntryPoint) -> Stage:
    stage = point.load()
    if not isinstance(stage, Stage):
        raise ImgretError(f"{point.value} is not an instance of imgret.stages.Stage")
    if getattr(stage, "name", None) != point.name:
        raise ImgretError(f"the stage of {point.value} is called {getattr(stage, 'name', None)!r}")
    return stage


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _fault(stage: Stage, others: Mapping[str, Stage]) -> str | None:
    """Return what is wrong with the definition of a stage, also in combination with `others`; None if it is valid."""
    try:
        name, inputs, tier, settings = stage.name, stage.inputs, stage.tier, stage.settings
        columns = [column.name for column in stage.columns]
        called = [name, *columns, *stage.kinds, *stage.views, stage.noun]
        fields = settings().__struct_fields__
        required = stage.requires or ()
        msgspec.json.Decoder(stage.payload)
    except Exception as error:
        return f"its definition is incomplete or wrong: {as_sentence(error)}"
    bad = [each for each in called[:-1] if not isinstance(each, str) or not _NAME.fullmatch(each)]
    if bad:
        return f"{bad[0]!r} is not a valid name: only small letters, digits and _ are allowed"
    if name in others:
        return f"there is another stage called {name}"
    if name in RESERVED or not RESERVED.isdisjoint(columns):
        return (
            f"{name if name in RESERVED else next(iter(RESERVED.intersection(columns)))} is a reserved name"
        )
    if not KEYS.isdisjoint(stage.kinds):
        return f"{next(iter(KEYS.intersection(stage.kinds)))}: is a filter of the query language, so it cannot be a kind of tags"
    taken = {column.name for other in others.values() for column in other.columns}
    if not taken.isdisjoint(columns):
        return f"another stage has a column {next(iter(taken.intersection(columns)))}"
    if not issubclass(settings, StageSettings):
        return "its settings are not a subclass of StageSettings"
    if not set(stage.ranges) <= set(fields):
        return f"{next(iter(set(stage.ranges) - set(fields)))} has a range, but is not a setting"
    if not inputs or not set(required) <= set(stage.stages):
        return "it has no inputs" if not inputs else "it requires a stage that is not among its inputs"
    if tier not in range(4):
        return "its tier is not 0, 1, 2 or 3"
    return None


def _sorted(stages: Mapping[str, Stage], key: Callable[[Stage], object] = lambda _: 0) -> list[Stage]:
    """Return the stages whose inputs are computed, each after its inputs; among candidates, the smallest `key` first."""
    order: list[Stage] = []
    done: set[str] = {DECODE}
    waiting = list(stages.values())
    while ready := [stage for stage in waiting if done.issuperset(stage.stages)]:
        chosen = min(ready, key=key)  # type: ignore[arg-type]
        order.append(chosen)
        done.add(chosen.name)
        waiting.remove(chosen)
    return order


def _cycle(stages: Collection[Stage]) -> list[str]:
    """Return the names of a cycle of dependent stages, in order. Each given stage depends on another given one."""
    waits = {stage.name: stage.stages for stage in stages}
    path: list[str] = []
    name = next(iter(waits))
    while name not in path:
        path.append(name)
        name = next(each for each in waits[name] if each in waits)
    return path[path.index(name) :]
