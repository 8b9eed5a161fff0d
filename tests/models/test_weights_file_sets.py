"""Which files of a repository are downloaded, for models that consist of other files than usual."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest

from imgret.config import Places
from imgret.weights import record, sources
from imgret.weights.pull import pull

TENSORS = bytes(range(256)) * 100
CHAT = {
    "config.json": b"{}",
    "generation_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "preprocessor_config.json": b"{}",
    "processor_config.json": b"{}",
    "video_preprocessor_config.json": b"{}",
    "tokenizer.json": b"{}",
    "merges.txt": b"a b\n",
    "model.safetensors.index.json": b"{}",
    "model-00001-of-00002.safetensors": TENSORS,
    "model-00002-of-00002.safetensors": TENSORS + b"2",
}
STATIC = {
    "modules.json": b"[]",
    "config_sentence_transformers.json": b"{}",
    "0_StaticEmbedding/model.safetensors": TENSORS,
    "0_StaticEmbedding/tokenizer.json": b"{}",
}
OTHERS = {"onnx/model.onnx": b"x", "processing_chat.py": b"import os", "README.md": b"# read me"}


@pytest.fixture
def hub() -> Iterator[hub_server.Hub]:
    with hub_server.serving(hub_server.Hub({})) as serving:
        yield serving


@pytest.mark.parametrize(("stage", "files"), [("caption", CHAT), ("embed", STATIC)])
def test_all_files_that_the_loader_needs_are_downloaded(
    hub: hub_server.Hub, here: Places, tmp_path: Path, stage: str, files: dict[str, bytes]
) -> None:
    """A chat model in several parts with its template; a static embedder in the folder of its module."""
    hub.files = files | OTHERS
    environ = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}

    def located() -> sources.Weights:
        return sources.locate(stage, "someone/model", None, here, environ)

    assert not located().present
    assert set(pull(located(), here, environ=environ).files) == files.keys()
    assert located().present
    os.unlink(os.path.join(here.state, record.PULLED))  # as if another program had downloaded it
    assert located().present
