"""A download whose last byte arrived before the program was ended: the next one uses it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import hub_server
import pytest

from imgret.errors import WeightsError
from imgret.weights.fetch import fetch

CONTENT = bytes(range(256)) * 100
NAME = "model.pt"


def partial(folder: Path, content: bytes) -> Path:
    """Leave what an interrupted download leaves. Return the path of the file itself."""
    (folder / f"{NAME}.part").write_bytes(content)
    (folder / f"{NAME}.part.etag").write_text(f'"{hashlib.md5(content).hexdigest()}"')
    return folder / NAME


@pytest.mark.parametrize("announced", [True, False])
def test_a_complete_partial_file_is_used(tmp_path: Path, *, announced: bool) -> None:
    target = partial(tmp_path, CONTENT)
    size = len(CONTENT) if announced else None
    with hub_server.serving(hub_server.Hub({NAME: CONTENT})) as hub:
        fetch(f"{hub.url}/v8.4.0/{NAME}", str(target), lambda *_: None, size=size)
        asked = [part for _, part in hub.requests]
    assert asked == ([] if announced else [f"bytes={len(CONTENT)}-", None])
    assert target.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [target]


def test_a_complete_partial_file_with_another_hash_is_removed(tmp_path: Path) -> None:
    target = partial(tmp_path, CONTENT[::-1])
    with hub_server.serving(hub_server.Hub({NAME: CONTENT})) as hub:
        url = f"{hub.url}/v8.4.0/{NAME}"

        def check(path: str) -> bool:
            return Path(path).read_bytes() == CONTENT

        with pytest.raises(WeightsError, match="announced size or hash"):
            fetch(url, str(target), lambda *_: None, size=len(CONTENT), check=check)
        fetch(url, str(target), lambda *_: None, size=len(CONTENT), check=check)
    assert target.read_bytes() == CONTENT
