"""What the hub's own library does: its layout of files, which is ours too, and why it does not download them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest

from imgret.config import Places
from imgret.weights import sources
from imgret.weights.pull import pull

TENSORS = bytes(range(256)) * 100


@pytest.fixture
def hub() -> Iterator[hub_server.Hub]:
    files = {"config.json": b'{"model_type": "blip"}', "model.safetensors": TENSORS}
    with hub_server.serving(hub_server.Hub(files)) as serving:
        yield serving


def download(hub: hub_server.Hub, home: Path) -> bool:
    """Let the library download the tensors. Return whether it reported success. It reads its settings at its import."""
    code = (
        "from huggingface_hub import hf_hub_download; hf_hub_download('someone/model', 'model.safetensors')"
    )
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    run = subprocess.run([sys.executable, "-c", code], env=os.environ | settings, capture_output=True)
    return run.returncode == 0


def test_the_library_forgets_what_it_has_of_an_interrupted_file(hub: hub_server.Hub, tmp_path: Path) -> None:
    """When this fails, `imgret.weights.fetch` may be given up for it."""
    large = TENSORS * 1000  # the library writes in steps of 10 MB
    hub.files["model.safetensors"] = large
    hub.cut["model.safetensors"] = [21 << 20]
    hub.once.add("model.safetensors")
    assert not download(hub, tmp_path)
    assert [part for _, part in hub.requests] == [None, f"bytes={20 << 20}-"]  # within a run it does resume
    hub.files["model.safetensors"] = large
    hub.requests.clear()
    assert download(hub, tmp_path)
    assert [part for _, part in hub.requests] == [None]


def test_the_library_takes_other_bytes_than_were_announced(hub: hub_server.Hub, tmp_path: Path) -> None:
    """When this fails, `imgret.weights.pull` need not compare hashes itself."""
    hub.altered.add("model.safetensors")
    assert download(hub, tmp_path)
    (kept,) = tmp_path.rglob("snapshots/*/model.safetensors")
    assert kept.read_bytes() == TENSORS[::-1]


def test_pulled_files_are_in_the_librarys_own_layout(
    hub: hub_server.Hub, here: Places, tmp_path: Path
) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    environ = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
    pull(sources.locate("caption", "someone/model", None, here, environ), here, environ=environ)
    found = sources.locate("caption", "someone/model", None, here, environ)
    cache = tmp_path / "hub" / "hub"
    for revision in ("main", hub_server.COMMIT):
        path = try_to_load_from_cache("someone/model", "model.safetensors", cache, revision)
        assert path == os.path.join(found.path or "", "model.safetensors")
    seen = scan_cache_dir(cache)
    assert not seen.warnings
    ((repository, (revision,)),) = ((each, each.revisions) for each in seen.repos)
    assert (repository.repo_id, repository.repo_type) == ("someone/model", "model")
    assert (revision.commit_hash, revision.refs) == (hub_server.COMMIT, {"main"})
    assert {file.file_name for file in revision.files} == {"config.json", "model.safetensors"}


def test_what_the_library_downloaded_is_found(hub: hub_server.Hub, here: Places, tmp_path: Path) -> None:
    assert download(hub, tmp_path / "hub")
    found = sources.locate("caption", "someone/model", None, here, {"HF_HOME": str(tmp_path / "hub")})
    assert found.present
    assert found.revision == hub_server.COMMIT


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"XDG_CACHE_HOME": "/tmp/xdg"},
        {"HF_HOME": "~/weights", "XDG_CACHE_HOME": "/tmp/xdg"},
        {"HF_HOME": "$HOME/weights"},
        {"HUGGINGFACE_HUB_CACHE": "/tmp/old", "HF_HOME": "/tmp/home"},
        {"HF_HUB_CACHE": "~/cache", "HUGGINGFACE_HUB_CACHE": "/tmp/old", "HF_HOME": "/tmp/home"},
    ],
)
def test_the_cache_is_where_the_library_looks_for_it(
    named: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": str(tmp_path)} | named).items():
        monkeypatch.setenv(name, value)
    code = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sources.hub_cache() == run.stdout.strip()
