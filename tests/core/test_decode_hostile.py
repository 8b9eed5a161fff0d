"""Hostile files and crashing decoders: each fails one file, with a message that names it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from PIL import Image

from imgret.decode.decoder_handle import Decoded
from imgret.decode.pool import DecodePool
from imgret.errors import ImgretError, PhotoError


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(1, seconds=60) as pool:
        yield pool


@pytest.fixture(scope="module")
def slow_photo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a PNG of 100 megapixels, which takes a second or more to decode."""
    path = tmp_path_factory.mktemp("slow") / "slow.png"
    Image.new("1", (10_000, 10_000)).save(path)
    return os.fsencode(path)


def refusal(pool: DecodePool, path: Path | str) -> PhotoError:
    error = pool.submit(os.fsencode(path)).exception()
    assert isinstance(error, PhotoError)
    assert str(path) in str(error)
    return error


def photo(path: Path) -> Path:
    Image.linear_gradient("L").convert("RGB").save(path)
    return path


def test_files_that_are_not_photos_are_reported_with_their_type(pool: DecodePool, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a picture\n")
    (tmp_path / "BM.bmp").write_text("BMW, the car")
    (tmp_path / "film.heic").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket.jpg"))
    expected = {
        "text.jpg": "is a text file, not a photo",
        "BM.bmp": "is a text file, not a photo",
        "film.heic": "is a video (MP4 or QuickTime), not a photo",
        "fifo.jpg": "is a FIFO",
        "folder.jpg": "is a folder",
        "socket.jpg": "is a socket",
        "loop.jpg": "Too many levels of symbolic links",
        "gone.jpg": "no longer there",
    }
    errors = {name: refusal(pool, tmp_path / name) for name in expected}
    listening.close()
    for name, sentence in expected.items():
        assert sentence in str(errors[name])
        assert errors[name].transient == (name in ("loop.jpg", "gone.jpg"))
    assert "is a device" in str(refusal(pool, "/dev/zero"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "AVIF"])
def test_a_truncated_file_is_a_transient_failure(pool: DecodePool, tmp_path: Path, kind: str) -> None:
    whole = tmp_path / "whole"
    Image.effect_noise((300, 200), 60).convert("RGB").save(whole, kind)
    data = whole.read_bytes()
    for length in (len(data) // 2, 40, 0):
        path = tmp_path / f"{length}.jpg"
        path.write_bytes(data[:length])
        error = refusal(pool, path)
        assert error.transient, f"{kind} of {length} bytes: {error}"
        assert ("is empty" if length == 0 else "damaged or cut short") in str(error)


def test_a_damaged_png_is_not_decoded_as_black(pool: DecodePool, tmp_path: Path) -> None:
    Image.new("RGB", (256, 128), "blue").save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    at = data.index(b"IDAT") + 4
    (tmp_path / "damaged.png").write_bytes(data[:at] + b"\xff" * 8 + data[at + 8 :])
    assert "damaged or cut short" in str(refusal(pool, tmp_path / "damaged.png"))


def test_any_wrong_byte_gives_an_image_or_an_error(pool: DecodePool, tmp_path: Path) -> None:
    """Flip bytes in small files of each format: the result is an image or an error, never a crashed process."""
    before = None
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"):
        Image.effect_noise((20, 15), 60).convert("RGB").save(tmp_path / "a", kind)
        data = (tmp_path / "a").read_bytes()
        for at in range(0, len(data), max(1, len(data) // 25)):
            path = tmp_path / f"{kind}-{at}"
            path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
            error = pool.submit(os.fsencode(path)).exception()
            assert error is None or isinstance(error, PhotoError)
        assert before is None or pool.pids() == before
        before = pool.pids()


def test_a_decompression_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Image.new("1", (13_000, 13_000)).save(bomb)
    assert bomb.stat().st_size < 30_000
    with DecodePool(1, max_megapixels=100) as pool:
        began = time.monotonic()
        error = refusal(pool, bomb)
        assert time.monotonic() - began < 25  # less than the deadline plus the start of a process
        assert "too many pixels (13000 x 13000, the limit is 100 million)" in str(error)
        assert not error.transient
    with DecodePool(1, max_megapixels=20) as pool:
        assert "too many pixels (more than 40 million" in str(refusal(pool, bomb))


def test_a_bomb_within_the_pixel_limit_exceeds_the_memory_limit(slow_photo: bytes, tmp_path: Path) -> None:
    fine = photo(tmp_path / "fine.png")
    with DecodePool(1, memory_mb=256) as pool:  # 100 megapixels are 400 MB as RGB
        error = refusal(pool, os.fsdecode(slow_photo))
        assert "needs more than the 256 MB" in str(error)
        assert "decode_memory_mb" in error.hint
        assert pool.submit(os.fsencode(fine)).result().pixels.shape == (256, 256, 3)


def test_too_little_memory_to_start_is_reported_for_the_decoder_not_the_photo(tmp_path: Path) -> None:
    with DecodePool(1, memory_mb=16) as pool:
        error = pool.submit(os.fsencode(photo(tmp_path / "a.png"))).exception()
    assert isinstance(error, ImgretError)
    assert not isinstance(error, PhotoError)
    assert "does not start" in str(error)


def begun(pool: DecodePool, path: bytes) -> tuple[Future[Decoded], int]:
    """Return the future of a file that is being decoded, and the id of the process that has it open."""
    warm = pool.submit(b"/dev/null")
    assert isinstance(warm.exception(), PhotoError)
    future = pool.submit(path)
    (pid,) = pool.pids()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if any(os.readlink(f"/proc/{pid}/fd/{fd}") == os.fsdecode(path) for fd in open_files(pid)):
            return future, pid
    raise AssertionError("the decoder never opened the file")


def open_files(pid: int) -> list[str]:
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        found.append(fd)
    return found


@pytest.mark.parametrize(
    ("number", "transient"), [(signal.SIGSEGV, False), (signal.SIGABRT, False), (signal.SIGKILL, True)]
)
def test_a_crash_fails_only_the_file_being_decoded(
    slow_photo: bytes, tmp_path: Path, number: signal.Signals, transient: bool
) -> None:
    with DecodePool(1) as pool:
        future, pid = begun(pool, slow_photo)
        behind = pool.submit(os.fsencode(photo(tmp_path / "a.png")))
        os.kill(pid, number)
        error = future.exception()
        assert isinstance(error, PhotoError)
        assert "the decoder crashed on this file" in str(error)
        assert os.fsdecode(slow_photo) in str(error)
        assert error.transient == transient
        assert behind.result().pixels.shape == (256, 256, 3)
        assert pool.pids() != [pid]


def test_an_idle_decoder_that_died_is_replaced(tmp_path: Path) -> None:
    path = os.fsencode(photo(tmp_path / "a.png"))
    with DecodePool(1) as pool:
        pool.submit(path).result()
        os.kill(pool.pids()[0], signal.SIGSEGV)
        assert isinstance(pool.submit(path).exception(), PhotoError)
        assert pool.submit(path).result().pixels.shape == (256, 256, 3)


def test_a_hanging_file_fails_at_the_deadline_and_delays_no_other(slow_photo: bytes, tmp_path: Path) -> None:
    path = os.fsencode(photo(tmp_path / "a.png"))
    with DecodePool(2, seconds=3) as pool:
        future, pid = begun(pool, slow_photo)
        os.kill(pid, signal.SIGSTOP)
        assert pool.submit(path).result().pixels.shape == (256, 256, 3)
        assert not future.done()
        error = future.exception(timeout=30)
        assert isinstance(error, PhotoError)
        assert "not decoded within 3 seconds" in str(error)
        assert error.transient
        assert pid not in pool.pids()
        assert pool.submit(path).result().pixels.shape == (256, 256, 3)


def test_close_does_not_wait_and_leaves_no_process(slow_photo: bytes) -> None:
    pool = DecodePool(1, seconds=60)
    future, pid = begun(pool, slow_photo)
    waiting = pool.submit(slow_photo)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 10
    assert "stopped" in str(future.exception())
    assert waiting.cancelled() or isinstance(waiting.exception(), PhotoError)
    assert not Path(f"/proc/{pid}").exists()


def test_a_killed_parent_leaves_no_decoder_behind(slow_photo: bytes) -> None:
    program = (
        "import os, sys, time\n"
        "from imgret.decode.pool import DecodePool\n"
        "pool = DecodePool(1)\n"
        "pool.submit(b'/dev/null').exception()\n"
        "pool.submit(os.fsencode(sys.argv[1]))\n"
        "print(*pool.pids(), flush=True)\n"
        "time.sleep(60)\n"
    )
    arguments = [sys.executable, "-c", program, os.fsdecode(slow_photo)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, signal.SIGSTOP)  # a stopped process cannot notice that its pipe was closed
        parent.kill()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_limits_of_a_decoder_process(pool: DecodePool, tmp_path: Path) -> None:
    pool.submit(os.fsencode(photo(tmp_path / "a.png"))).result()
    limits = Path(f"/proc/{pool.pids()[0]}/limits").read_text()
    bounds = {line[:26].strip(): line[26:].split()[1] for line in limits.splitlines()[1:]}
    assert bounds["Max address space"] == str(1536 << 20)
    assert bounds["Max core file size"] == "0"
    assert bounds["Max file size"] == "0"


def test_a_photo_without_read_permission_is_reported(tmp_path: Path) -> None:
    """Run the pool in a process without capabilities, because root may read every file."""
    path = photo(tmp_path / "secret.png")
    path.chmod(0o000)
    program = (
        "import os, sys\n"
        "from imgret.decode.pool import DecodePool\n"
        "from imgret.decode.hashing import content_hash\n"
        "from imgret.errors import PhotoError\n"
        "with DecodePool(1) as pool:\n"
        "    print(pool.submit(sys.argv[1].encode()).exception())\n"
        "try:\n"
        "    content_hash(sys.argv[1].encode())\n"
        "except PhotoError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    if os.geteuid() == 0:  # without CAP_DAC_OVERRIDE, permissions apply to root too
        dropped = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}", *command]
    messages = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert messages == [f"{path} cannot be read: permission denied"] * 2


def test_file_names_of_any_bytes(pool: DecodePool, tmp_path: Path) -> None:
    for name in (b"new\nline.png", b"\xff\xfe.png", b"\x1b]52;c;x\x07.png", "Æß漢.png".encode()):
        path = os.path.join(os.fsencode(tmp_path), name)
        Image.new("RGB", (4, 3), "red").save(os.fsdecode(path))
        assert pool.submit(path).result().pixels.shape == (3, 4, 3)
