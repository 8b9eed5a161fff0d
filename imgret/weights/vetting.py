"""Refuses weights that name program code, before any library opens them.

Weights are data. transformers and sentence-transformers also accept references to code: a Python file beside the
weights, a class of any installed package, a compiled kernel on the model hub. They are told not to trust any of
it (`trust_remote_code=False`), and here such a folder is refused by a message that names the file, so that what
happens does not depend on how a library resolves a conflict.

What loaders read is JSON in the folder itself and in the folders of sentence-transformers modules. Two other kinds
need no check: Python files that no JSON names are never opened, and chat templates are never rendered.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from imgret.errors import WeightsError

MOST_JSON = 64 << 20  # bytes of one file; the largest tokenizers in use have 35 MB

_HINT = "imgret runs no code from a folder of weights: name other weights in the configuration."
# sentence-transformers has moved its modules twice; the class names stayed.
_MODULE = re.compile(
    r"sentence_transformers\.(\w+\.)*(Transformer|Pooling|Dense|Normalize|LayerNorm|Dropout)"
)
_MODULE_FOLDER = re.compile(r"\w[\w.-]*|")
_ACTIVATION = re.compile(r"torch\.nn\.(modules\.\w+\.)?[A-Z]\w*")


def check(path: str) -> None:
    """Accept the file or folder of weights at `path`, or raise WeightsError naming the file that asks for code."""
    if not os.path.isdir(path):
        return
    for name in (
        "custom_generate",
        "adapter_config.json",
    ):  # a generation loop of its own; other weights than these
        if os.path.lexists(os.path.join(path, name)):
            raise WeightsError(f"{os.path.join(path, name)} changes how the model is run", _HINT)
    try:
        files = list(_json_files(path))
    except OSError as error:
        raise WeightsError(f"{error.filename or path} cannot be read: {error.strerror}") from None
    for file in files:
        content = _read(file)
        for key, value in _pairs(content):
            if problem := _problem(key, value):
                raise WeightsError(f"{file} {problem}", _HINT)
        if os.path.relpath(file, path).lower() == "modules.json":
            _check_modules(file, content)


def _json_files(path: str) -> Iterator[str]:
    """The JSON files of the folder and of the folders in it, where loaders look; they pass hidden folders by."""
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.is_dir() and not entry.name.startswith("."):
            yield from sorted(inner.path for inner in os.scandir(entry.path) if _is_json(inner))
        elif _is_json(entry):
            yield entry.path


def _is_json(entry: os.DirEntry[str]) -> bool:
    # In any case of its letters: some file systems do not tell them apart.
    return entry.is_file() and entry.name.lower().endswith(".json")


def _read(file: str) -> object:
    # The parser that the libraries use: another one might read the same bytes differently.
    try:
        if os.path.getsize(file) > MOST_JSON:
            raise WeightsError(f"{file} is larger than any settings of a model ({MOST_JSON >> 20} MB)", _HINT)
        with open(file, encoding="utf-8") as text:
            return json.load(text)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise WeightsError(
            f"{file} is not JSON: {error}", "Get these weights again, or remove that file."
        ) from None


def _pairs(content: object) -> Iterator[tuple[str, object]]:
    """Every key of every object inside, at any depth, with its value."""
    waiting = [content]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            yield from inner.items()
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)


def _problem(key: str, value: object) -> str | None:
    """Why this entry of a file is refused."""
    # A vocabulary maps words to numbers, and any key may be a word there.
    if key == "auto_map" and isinstance(value, str | list | dict) and value:
        return "asks for program code (auto_map)"
    if key == "trust_remote_code" and value is True:
        return "asks for program code (trust_remote_code)"
    if "_implementation" in key and "/" in json.dumps(value):
        return f"asks for a compiled kernel from the model hub ({key})"
    if key in ("activation_function", "activation_fn") and isinstance(value, str) and "." in value:
        return None if _ACTIVATION.fullmatch(value) else f"asks for program code ({key} {value[:100]!r})"
    return None


def _check_modules(file: str, content: object) -> None:
    """modules.json of sentence-transformers: each entry names a class to build, and its folder."""
    for entry in content if isinstance(content, list) else [content]:
        module = entry if isinstance(entry, dict) else {}
        named, folder = module.get("type"), module.get("path", "")
        if not isinstance(named, str) or not _MODULE.fullmatch(named):
            raise WeightsError(
                f"{file} asks for a module that imgret does not know: {str(named)[:100]!r}", _HINT
            )
        if not isinstance(folder, str) or not _MODULE_FOLDER.fullmatch(folder):
            raise WeightsError(f"{file} leads out of its folder: {str(folder)[:100]!r}", _HINT)
