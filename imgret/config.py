"""Settings: one TOML file, read once. Unknown keys and wrong values are refused with their line.

Every key is optional. The places follow the XDG base directory specification:

- `$XDG_CONFIG_HOME/imgret/config.toml` (or `$IMGRET_CONFIG`): what the user wrote;
- `$XDG_DATA_HOME/imgret/index.db` (or `$IMGRET_INDEX`): the index;
- `$XDG_STATE_HOME/imgret/`: what we may lose and make again (records of pulls, other programs' settings);
- `$XDG_RUNTIME_DIR/imgretd.sock` (or `$IMGRET_SOCKET`): the daemon's socket.
"""

from __future__ import annotations

import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from imgret.errors import ConfigError
from imgret.exclude import invalid
from imgret.photo import Stage

DEFAULT_CAPTION = "noamrot/FuseCap_Image_Captioning"
DEFAULT_DETECT = "yolov8m-oiv7.pt"
DEFAULT_TOPICS = "cardiffnlp/tweet-topic-21-multi"
DEFAULT_EMBED = "hkunlp/instructor-large"
NONE = "none"
WORDLLAMA = "wordllama"

_LARGEST_FILE = 4 << 20  # bytes of a configuration file
_LONGEST = 4096  # characters of one text; no path is longer
_DTYPES = ("auto", "float32", "bfloat16", "float16")
_DEVICE = re.compile(r"auto|[a-z]+(:[0-9]{1,3})?")
_REVISION = re.compile(r"(?!/)(?!.*(^|/)\.{0,2}(/|$))[\w.:/+@=-]+")
_RANGES: dict[str, tuple[float, float]] = {  # the least and the greatest value; NaN lies in no range
    "decode_workers": (0, 256),
    "decode_memory_mb": (256, 1 << 20),
    "decode_seconds": (0.1, 86_400),
    "max_megapixels": (1, 2000),
    "batch": (0, 4096),
    "caption.beams": (1, 16),
    "caption.max_tokens": (1, 500),
    "detect.confidence": (0, 1),
    "topics.threshold": (0, 1),
    "daemon.full_scan_hours": (0.001, math.inf),  # inf: never
    "daemon.network_scan_minutes": (0.01, math.inf),
    "daemon.unload_after_minutes": (0, math.inf),
}


class CaptionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[caption]`: the seed's recipe is 3 beams and at most 60 new tokens."""

    weights: str = DEFAULT_CAPTION
    revision: str | None = None
    beams: int = 3
    max_tokens: int = 60
    dtype: str = "auto"  # auto (bf16 on a GPU, float32 on a CPU), float32, bfloat16, float16


class DetectSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[detect]`: any ultralytics weights, `.pt` or `.onnx`."""

    weights: str = DEFAULT_DETECT
    revision: str | None = None
    confidence: float = 0.25  # ultralytics' own default, hence the seed's
    dtype: str = "auto"  # of `.pt` weights; an `.onnx` file has its own


class TopicsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[topics]`."""

    weights: str = DEFAULT_TOPICS
    revision: str | None = None
    threshold: float = 0.2


class EmbedSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[embed]`: an INSTRUCTOR model, or `wordllama`, the small offline one."""

    weights: str = DEFAULT_EMBED
    revision: str | None = None
    dtype: str = "auto"


class DaemonSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[daemon]`: how imgretd lives with others."""

    full_scan_hours: float = 6.0
    network_scan_minutes: float = 5.0
    unload_after_minutes: float = 10.0
    pause_on_battery: bool = True


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the configuration file may say."""

    folders: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()  # gitignore syntax
    hidden: bool = False  # look into folders and at files whose name begins with a dot
    device: str | tuple[str, ...] = "auto"
    decode_workers: int = 0  # 0: as many as there are processors, at most 16
    decode_memory_mb: int = 1536  # of address space, each worker
    decode_seconds: float = 30.0  # deadline for one file
    max_megapixels: int = 200
    batch: int = 0  # photos; 0: found by itself
    caption: CaptionSettings = field(default_factory=CaptionSettings)
    detect: DetectSettings = field(default_factory=DetectSettings)
    topics: TopicsSettings = field(default_factory=TopicsSettings)
    embed: EmbedSettings = field(default_factory=EmbedSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)

    def stages(self) -> frozenset[Stage]:
        """The stages that are wanted, whether or not their weights are here."""
        weights = {
            Stage.CAPTION: self.caption.weights,
            Stage.DETECT: self.detect.weights,
            Stage.TOPICS: self.topics.weights,
            Stage.EMBED: self.embed.weights,
        }
        return frozenset({Stage.DECODE} | {stage for stage, name in weights.items() if name != NONE})


class Places(Struct, frozen=True):
    """Where our files lie, as absolute paths."""

    config: str
    index: str
    state: str  # folder
    models: str  # folder: weights that do not come through the hub's own cache
    socket: str


def places(environ: Mapping[str, str] = os.environ) -> Places:
    """The places, by the XDG rules: a relative path in an XDG variable is ignored, as the rules say."""

    def base(variable: str, fallback: str) -> str:
        given = environ.get(variable, "")
        return given if os.path.isabs(given) else os.path.join(home, fallback)

    home = environ.get("HOME", "")
    if not os.path.isabs(home):
        home = _home_of_user()
    data = os.path.join(base("XDG_DATA_HOME", ".local/share"), "imgret")
    state = os.path.join(base("XDG_STATE_HOME", ".local/state"), "imgret")
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    socket = os.path.join(runtime if os.path.isabs(runtime) else state, "imgretd.sock")
    config = os.path.join(base("XDG_CONFIG_HOME", ".config"), "imgret", "config.toml")
    return Places(
        config=os.path.abspath(environ.get("IMGRET_CONFIG") or config),
        index=os.path.abspath(environ.get("IMGRET_INDEX") or os.path.join(data, "index.db")),
        state=state,
        models=os.path.join(data, "models"),
        socket=environ.get("IMGRET_SOCKET") or socket,
    )


def _home_of_user() -> str:
    """The home folder that the user database has, for processes without a usable $HOME."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def parse(text: str, name: str = "config.toml") -> Settings:
    """TOML text -> Settings. Raises ConfigError naming `name`, the line and the key."""
    try:
        raw = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number with more digits than Python reads
        raise ConfigError(f"{name} is not TOML: {error}", "Correct that line.") from None
    except RecursionError:
        raise ConfigError(f"{name} is not a configuration: its values are nested too deeply") from None
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise _refusal(raw, text, name, error) from None
    except OverflowError:
        raise ConfigError(f"{name} holds a number that is too large") from None
    return _checked(settings, text, name)


def load(path: str) -> Settings:
    """The settings in the file at `path`; the defaults where there is no such file. Raises ConfigError."""
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
    """The bytes of the file. A FIFO would block for ever, and /dev/zero has no end."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) and os.path.realpath(path) != os.devnull:
            raise ConfigError(f"{path} is not a file", "Name a TOML file with IMGRET_CONFIG.")
        raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise ConfigError(f"{path} is larger than {_LARGEST_FILE >> 20} MB and is no configuration")
    return raw


def _checked(settings: Settings, text: str, name: str) -> Settings:
    """Check what types cannot express: ranges, choices and characters."""
    for key, value in _values(settings):
        reason = _wrong(key, value)
        if reason is not None:
            raise ConfigError(f"{name}, line {_line(text, key.split('.'))}: {key} {reason}")
    return settings


def _values(struct: Struct, above: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every setting, tables included."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, Struct):
            yield from _values(value, f"{above}{name}.")
        else:
            yield above + name, value


def _wrong(key: str, value: Any) -> str | None:
    """What is wrong with the value of a setting; None if nothing is."""
    for text in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
        if len(text) > _LONGEST:
            return f"holds a text of {len(text)} characters; at most {_LONGEST} are allowed"
        if "\0" in text:
            return "holds a NUL character"
    if key in _RANGES:
        least, most = _RANGES[key]
        return None if least <= value <= most else f"must lie between {least:,} and {most:,}"
    if key == "folders" and not all(folder.strip() for folder in value):
        return "holds an empty name"
    if key == "exclude":
        return next((reason for pattern in value if (reason := invalid(pattern))), None)
    if key == "device":
        return _wrong_device(value)
    if key.endswith(".dtype") and value not in _DTYPES:
        return "must be one of " + ", ".join(_DTYPES)
    if key.endswith(".weights") and not value.strip():
        return 'must be a hub name, a path or "none"'
    if key.endswith(".revision") and value is not None and not _REVISION.fullmatch(value):
        return "must be a branch, a tag or a commit"
    return None


def _wrong_device(value: str | tuple[str, ...]) -> str | None:
    devices = (value,) if isinstance(value, str) else value
    if devices and all(_DEVICE.fullmatch(device) for device in devices):
        return None
    return 'must be "auto", "cpu", "cuda", "cuda:1" and the like, or a list of such names'


def _refusal(raw: dict[str, Any], text: str, name: str, error: msgspec.ValidationError) -> ConfigError:
    """Say which key is wrong and on which line; for an unknown key, which one may be meant."""
    import difflib

    unknown = _unknown(raw, Settings, [])
    if unknown:
        keys, known = unknown
        near = difflib.get_close_matches(keys[-1], known, 1)
        hint = f"Did you mean {near[0]!r}?" if near else "Known keys: " + ", ".join(sorted(known))
        return ConfigError(f"{name}, line {_line(text, keys)}: unknown key {'.'.join(keys)!r}", hint)
    message = str(error)
    keys = []
    if " - at `$." in message:
        message, _, where = message.partition(" - at `$.")
        keys = where.rstrip("`").split("[")[0].split(".")
    return ConfigError(f"{name}, line {_line(text, keys)}: {'.'.join(keys) or 'file'}: {message}")


def _unknown(raw: dict[str, Any], kind: type[Struct], above: list[str]) -> tuple[list[str], list[str]] | None:
    fields = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in fields:
            return [*above, key], list(fields)
        inner = fields[key]
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, Struct):
            found = _unknown(value, inner, [*above, key])
            if found:
                return found
    return None


def _line(text: str, keys: list[str]) -> int:
    """The line of a key, from 1; of its table when the key cannot be found, else 1."""
    table, key, best = keys[:-1], keys[-1] if keys else "", 1
    here: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            here = [part.strip().strip("\"'") for part in stripped.strip("[]").split("]")[0].split(".")]
            if here == keys:
                return number
            if here == table:
                best = number
        elif "=" in stripped and not stripped.startswith("#"):
            name = [part.strip().strip("\"'") for part in stripped.split("=", 1)[0].split(".")]
            if here + name == keys or (here == table and name == [key]):
                return number
    return best
