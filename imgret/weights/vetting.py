"""Refuse weights that refer to program code, before any library loads them.

Weights are data. transformers and sentence-transformers also accept references to code: a Python file beside the
weights, a class of any installed package, a compiled kernel on the model hub. The libraries are called with
`trust_remote_code=False`. In addition, such a folder is refused here with a message that names the file, because the
libraries might resolve conflicting settings differently.

Loaders read JSON in the folder itself and in the folders of sentence-transformers modules. Two kinds of files need no
check: Python files are opened only if a JSON file names them, and transformers renders chat templates in Jinja's sandbox
for immutable values.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from imgret.errors import WeightsError

MOST_JSON = 64 << 20  # bytes of one file; the largest tokenizers in use have 35 MB

_HINT = "imgret runs no code from a folder of weights: choose other weights in the configuration."
# The modules of sentence-transformers were moved twice; their class names did not change.
_MODULE = re.compile(
    r"sentence_transformers\.(\w+\.)*(Transformer|Pooling|Dense|Normalize|LayerNorm|Dropout|StaticEmbedding)"
)
_MODULE_FOLDER = re.compile(r"\w[\w.-]*|\.?")
_ACTIVATION = re.compile(r"torch\.nn\.(modules\.\w+\.)?[A-Z]\w*")


def check(path: str) -> None:
    """Check the file or folder of weights at `path`. Raises WeightsError naming the file that refers to code."""
    if not os.path.isdir(path):
        return
    # custom_generate: a generation loop in Python. adapter_config.json: loads other weights than these.
    for name in ("custom_generate", "adapter_config.json"):
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
    """Yield the JSON files of the folder and its subfolders. Loaders do not read hidden folders."""
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.is_dir() and not entry.name.startswith("."):
            yield from sorted(inner.path for inner in os.scandir(entry.path) if _is_json(inner))
        elif _is_json(entry):
            yield entry.path


def _is_json(entry: os.DirEntry[str]) -> bool:
    # Ignore case: some file systems do not distinguish it.
    return entry.is_file() and entry.name.lower().endswith(".json")


def _read(file: str) -> object:
    # Use the same parser as the libraries: another one might interpret the same bytes differently.
    try:
        if os.path.getsize(file) > MOST_JSON:
            raise WeightsError(
                f"{file} is larger than the limit for a model's settings ({MOST_JSON >> 20} MB)", _HINT
            )
        with open(file, encoding="utf-8") as text:
            return json.load(text)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise WeightsError(
            f"{file} is not JSON: {error}", "Download these weights again, or remove that file."
        ) from None


def _pairs(content: object) -> Iterator[tuple[str, object]]:
    """Yield all (key, value) pairs of all objects in `content`, at any depth."""
    waiting = [content]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            yield from inner.items()
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)


def _problem(key: str, value: object) -> str | None:
    """Return why this entry is refused; None if it is accepted."""
    # Check values too: a vocabulary maps words to numbers, and any of these keys may be such a word.
    if key == "auto_map" and isinstance(value, str | list | dict) and value:
        return "refers to program code (auto_map)"
    if key == "trust_remote_code" and value is True:
        return "refers to program code (trust_remote_code)"
    if "_implementation" in key and "/" in json.dumps(value):
        return f"refers to a compiled kernel on the model hub ({key})"
    if key in ("activation_function", "activation_fn") and isinstance(value, str) and "." in value:
        return None if _ACTIVATION.fullmatch(value) else f"refers to program code ({key} {value[:100]!r})"
    return None


def _check_modules(file: str, content: object) -> None:
    """Check modules.json of sentence-transformers: each entry names a class and its folder."""
    for entry in content if isinstance(content, list) else [content]:
        module = entry if isinstance(entry, dict) else {}
        named, folder = module.get("type"), module.get("path", "")
        if not isinstance(named, str) or not _MODULE.fullmatch(named):
            raise WeightsError(
                f"{file} names a module that imgret does not support: {str(named)[:100]!r}", _HINT
            )
        if not isinstance(folder, str) or not _MODULE_FOLDER.fullmatch(folder):
            raise WeightsError(f"{file} refers to a path outside its folder: {str(folder)[:100]!r}", _HINT)
