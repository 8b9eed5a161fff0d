"""A decoder process that an exploited decoder controls: what it sends is checked before it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from imgret.confined_process import ConfinedProcess
from imgret.decode import decoder_handle
from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError

LYING = """
import sys
from msgspec.structs import replace
from imgret.decode import decoder_process, pixels
honest = pixels.read
pixels.read = lambda request, limits: replace(honest(request, limits), {change})
decoder_process.main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("change", "with_pixels"),
    [
        ("signature=b'short'", True),
        ("signature=bytes(1 << 20)", True),
        ("width=2", True),
        ("pixels=b'', width=0, height=0, signature=b''", True),
        ("pixels=bytes(3), width=1, height=1", False),
        ("signature=bytes(90)", False),
    ],
)
def test_a_reply_of_another_form_costs_the_file(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, with_pixels: bool
) -> None:
    (tmp_path / "lying_decoder.py").write_text(LYING.format(change=change))
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *sys.path]))

    def started(_: str, arguments: Sequence[str]) -> ConfinedProcess:
        return ConfinedProcess("lying_decoder", arguments)

    photo = tmp_path / "a.png"
    Image.new("RGB", (30, 20), "red").save(photo)
    with DecodePool(1) as honest:
        decoded = honest.submit(bytes(photo), with_pixels=with_pixels).result()
    assert decoded.pixels.shape == ((20, 30, 3) if with_pixels else (0, 0, 3))
    monkeypatch.setattr(decoder_handle, "ConfinedProcess", started)
    with DecodePool(1) as pool, pytest.raises(PhotoError, match="the decoder crashed on this file"):
        pool.submit(bytes(photo), with_pixels=with_pixels).result()
