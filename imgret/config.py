"""Settings from one TOML file. Unknown keys and wrong values are reported with their line.

Every key is optional. Each stage defines its own table (`imgret.stages`); `imgret.places` has the path of the file.
"""

from __future__ import annotations

import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from imgret import config_errors
from imgret.configured_index import usable
from imgret.errors import ConfigError
from imgret.exclude import invalid
from imgret.places import Places, places
from imgret.stages import registry
from imgret.stages.interface import DECODE, StageSettings
from imgret.weights import NONE

__all__ = ["DaemonSettings", "PickerSettings", "Places", "Settings", "load", "parse", "places"]

_T = TypeVar("_T", bound=Struct)

_LARGEST_FILE = 4 << 20  # bytes of a configuration file
_LONGEST = 4096  # characters of one text; no path is longer
_MOST_TEXTS = 10  # prompts, or further models, of one stage
_DTYPES = ("auto", "float32", "bfloat16", "float16")
_DEVICE = re.compile(r"auto|[a-z]+(:[0-9]{1,3})?")
_REVISION = re.compile(r"(?!/)(?!.*(^|/)\.{0,2}(/|$))[\w.:/+@=-]+")
_WRONG_INDEX = "must be an absolute path, or an address such as postgresql://USER@HOST/DATABASE"
_RANGES: dict[str, tuple[float, float]] = {  # minimum and maximum; NaN is outside every range
    "decode_workers": (0, 256),
    "decode_memory_mb": (256, 1 << 20),
    "decode_seconds": (0.1, 86_400),
    "max_megapixels": (1, 2000),
    "batch": (0, 4096),
    "daemon.full_scan_hours": (0.001, math.inf),  # inf: never
    "daemon.network_scan_minutes": (0.01, math.inf),
    "daemon.unload_after_minutes": (0, math.inf),
}


class DaemonSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[daemon]`: timers of imgretd, and when it pauses."""

    full_scan_hours: float = (
        6.0  # between scans of all folders, which find what no event reported; inf: never
    )
    network_scan_minutes: float = 5.0  # the same for network shares, which report no events
    unload_after_minutes: float = 10.0  # without work, until the large models are unloaded
    pause_on_battery: bool = True  # whether describing waits for mains power


class PickerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[picker]`: keys of imgret-tui, which checks them."""

    keys: Mapping[str, str] = {}  # key -> the name of an action
    commands: Mapping[str, str] = {}  # key -> a shell command with {} and {+} for paths


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of the configuration file."""

    index: str = ""  # the address of a database, or a path; "": `index.db` in the folder of data
    folders: tuple[str, ...] = ()  # that the daemon watches; `imgret add` adds one
    exclude: tuple[str, ...] = ()  # files and folders that are left out, in gitignore syntax
    hidden: bool = False  # whether to index files and folders whose name begins with a dot
    device: str | tuple[str, ...] = "auto"  # for the models: auto, cpu, cuda, cuda:0, or a list of these
    decode_workers: int = 0  # processes that decode photos; 0: the number of processors, at most 16
    decode_memory_mb: int = 1536  # of address space of each such process
    decode_seconds: float = 30.0  # time limit for one file
    max_megapixels: int = 200  # of a photo; larger ones are not decoded
    batch: int = 0  # photos that a model gets together; 0: by the memory of the device
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    picker: PickerSettings = field(default_factory=PickerSettings)
    tables: Mapping[str, StageSettings] = {}  # stage -> its table, for stages that have one in the file

    def of(self, stage: str) -> Any:
        """Return the table of a stage: an instance of the settings class of that stage."""
        table = self.tables.get(stage)
        if table is None:
            known = registry.find(stage)
            table = known.settings() if known is not None else StageSettings(weights=NONE)
        return table

    def wants(self, stage: str) -> bool:
        """Return whether a stage is enabled, regardless of whether its weights are present."""
        return stage == DECODE or self.of(stage).weights != NONE

    def stages(self) -> frozenset[str]:
        """Return the enabled stages, regardless of whether their weights are present."""
        return frozenset({DECODE, *filter(self.wants, registry.installed().names)})

    def switched_off(self) -> frozenset[str]:
        """Return the stages that the file disables. Does not read entry points."""
        return frozenset(name for name, table in self.tables.items() if table.weights == NONE)

    def with_tables(self, **tables: StageSettings) -> Settings:
        """Return a copy of the settings with these tables of stages replaced."""
        return replace(self, tables={**self.tables, **tables})


_KEYS = tuple(name for name in Settings.__struct_fields__ if name != "tables")


def parse(text: str, name: str = "config.toml") -> Settings:
    """Parse TOML text. Raises ConfigError that names the file `name`, the line and the key."""
    try:
        raw = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number with more digits than Python reads
        raise ConfigError(f"{name} is not TOML: {error}", "Correct that line.") from None
    except RecursionError:
        raise ConfigError(f"{name} is not a configuration: its values are nested too deeply") from None
    stages = [name for name in raw if name not in _KEYS]
    settings = _converted({key: raw[key] for key in raw if key in _KEYS}, Settings, text, name)
    tables: dict[str, StageSettings] = {}
    for key in stages:
        stage = registry.find(key)
        if stage is not None:
            tables[key] = _converted(raw[key], stage.settings, text, name, [key])
        elif key not in registry.installed().problems:  # the table of a broken stage is ignored
            refusal = config_errors.unknown([key], [*_KEYS, *registry.installed().names], text, name)
            if isinstance(raw[key], dict):
                refusal.hint += f" If a package provided the stage {key}, it is not installed here."
            raise refusal
    return _checked(replace(settings, tables=tables), text, name)


def _converted(raw: Any, kind: type[_T], text: str, name: str, above: Sequence[str] = ()) -> _T:
    """Convert a table to a struct. Raises ConfigError that names the line and the key."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise config_errors.refused(raw, kind, text, name, error, list(above)) from None
    except OverflowError:
        raise ConfigError(f"{name} contains a number that is too large") from None


def load(path: str) -> Settings:
    """Return the settings in the file at `path`; the defaults if there is no such file. Raises ConfigError."""
    try:
        raw = _read(path)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start})", "Save it as UTF-8.") from None
    return parse(text, path)


def _read(path: str) -> bytes:
    """Read a regular file of limited size; a FIFO would block, and /dev/zero has no end."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) and os.path.realpath(path) != os.devnull:
            raise ConfigError(f"{path} is not a file", "Name a TOML file with IMGRET_CONFIG.")
        raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise ConfigError(f"{path} is larger than {_LARGEST_FILE >> 20} MB and is no configuration")
    return raw


def _checked(settings: Settings, text: str, name: str) -> Settings:
    """Check what types cannot express: ranges, choices and characters."""
    ranges = _RANGES | {
        f"{stage}.{key}": limits
        for stage in settings.tables
        if (known := registry.find(stage)) is not None
        for key, limits in known.ranges.items()
    }
    for key, value in _values(settings):
        reason = _wrong(key, value, ranges.get(key))
        if reason is not None:
            raise ConfigError(f"{name}, line {config_errors.line_of(text, key.split('.'))}: {key} {reason}")
    return settings


def _values(struct: Struct, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for every setting, including those in tables."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, Struct):
            yield from _values(value, f"{above}{name}.")
        elif name == "tables" and not above:
            for stage, table in value.items():
                yield from _values(table, f"{stage}.")
        else:
            yield above + name, value


def _wrong(key: str, value: Any, limits: tuple[float, float] | None) -> str | None:
    """Return what is wrong with the value of a setting; None if it is valid."""
    for text in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
        if len(text) > _LONGEST:
            return f"contains a text of {len(text)} characters; at most {_LONGEST} are allowed"
        if "\0" in text:
            return "contains a NUL character"
    if limits is not None and value is not None:
        least, most = limits
        return None if least <= value <= most else f"must be between {least:,} and {most:,}"
    if key == "folders" and not all(folder.strip() for folder in value):
        return "contains an empty name"
    if key == "index":
        return None if not value or usable(value) else _WRONG_INDEX
    if key == "exclude":
        return next((reason for pattern in value if (reason := invalid(pattern))), None)
    if key == "device":
        return _wrong_device(value)
    if key.endswith(".dtype") and value not in _DTYPES:
        return "must be one of " + ", ".join(_DTYPES)
    if key.endswith(".weights") and not value.strip():
        return 'must be a hub name, a path or "none"'
    if key.endswith((".prompts", ".also")):
        return _wrong_texts(value)
    if key.endswith(".revision") and value is not None and not _REVISION.fullmatch(value):
        return "must be a branch, a tag or a commit"
    return None


def _wrong_texts(value: Any) -> str | None:
    """Return what is wrong with a list of prompts or names; other packages may have any value there."""
    if not isinstance(value, tuple):
        return None
    if len(value) > _MOST_TEXTS:
        return f"has {len(value)} entries; at most {_MOST_TEXTS} are allowed"
    return None if all(isinstance(text, str) and text.strip() for text in value) else "contains an empty text"


def _wrong_device(value: str | tuple[str, ...]) -> str | None:
    devices = (value,) if isinstance(value, str) else value
    if devices and all(_DEVICE.fullmatch(device) for device in devices):
        return None
    return 'must be "auto", "cpu", "cuda", "cuda:1" and the like, or a list of such names'
