"""What a command may not import, seen from a process of its own."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import imgretd
import pytest

import imgret

HEAVY = {"torch", "transformers", "ultralytics", "sentence_transformers", "textual"}
# These implement a model, and are imported when it is loaded.
MODELS = {
    f"imgret.models.{name}"
    for name in (
        "blip", "blip_beams", "blip_decoder", "blip_replay", "blip_sampling", "blip_search", "generated_captions",
        "image_text", "image_text_pixels", "image_text_weights", "instructor", "nucleus", "roberta_topics",
        "sentence_embedder", "torch_linear", "yolo", "yolo_network",
        "yolo_pickle"
    )
}  # fmt: skip


def modules() -> list[str]:
    """Every module of the library and the daemon, except those that run as programs."""
    found = [
        module.name
        for package in (imgret, imgretd)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    return [name for name in found if not name.endswith("__main__")]


def loaded_by(code: str) -> set[str]:
    """The top-level names of the modules that `code` loads in a fresh interpreter."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.must_run
def test_no_module_but_a_model_imports_anything_heavy() -> None:
    assert set(modules()) >= MODELS
    names = [name for name in modules() if name not in MODELS]
    assert len(names) > 100
    assert not HEAVY & loaded_by("\n".join(f"import {name}" for name in names))


@pytest.mark.must_run
def test_the_query_over_the_socket_imports_next_to_nothing() -> None:
    found = loaded_by("import imgret.__main__, imgret.cli.quick_query, imgret.client.socket_client")
    assert not {"typer", "numpy", "msgspec", "apsw", "psycopg", "rich", "PIL", "asyncio", *HEAVY} & found


@pytest.mark.must_run
def test_a_query_by_words_in_process_loads_no_image_library() -> None:
    found = loaded_by(
        "import imgret.search.service, imgret.search.rank, imgret.search.parse, imgret.search.warm_index"
    )
    assert not {"PIL", "hashlib", "asyncio", "typer", *HEAVY} & found
