"""`models pull` with a real server on loopback: downloads, records, resumed and refused files."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hub_server
import numpy as np
import pytest

from imgret.config import Places, Settings
from imgret.demo import draw
from imgret.errors import HubUnreachable, WeightsError
from imgret.pipeline.loading import identities, load_models
from imgret.stages.caption import CaptionSettings
from imgret.stages.detect import DetectSettings
from imgret.weights import record, sources
from imgret.weights.pull import pull

TENSORS = bytes(range(256)) * 100
REPOSITORY = {
    "config.json": b'{"model_type": "blip"}',
    "model.safetensors": TENSORS,
    "pytorch_model.bin": b"an older format of the same" * 300,
    "tf_model.h5": b"another program's",
    "vocab.txt": b"a\nb\n",
    "README.md": b"# read me",
    "onnx/model.json": b"{}",
    "../outside.json": b"{}",
    "2_Dense/config.json": b"{}",
    "2_Dense/pytorch_model.bin": b"dense" * 10,
}
WANTED = {"config.json", "model.safetensors", "vocab.txt", "2_Dense/config.json", "2_Dense/pytorch_model.bin"}
SETTINGS = Settings().with_tables(
    caption=CaptionSettings(weights="someone/model"), detect=DetectSettings(weights="yolov8m-oiv7.pt")
)


@pytest.fixture
def hub() -> Iterator[hub_server.Hub]:
    with hub_server.serving(hub_server.Hub(dict(REPOSITORY) | {"yolov8m-oiv7.pt": TENSORS})) as serving:
        yield serving


@pytest.fixture
def environ(hub: hub_server.Hub, tmp_path: Path) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub"), "IMGRET_RELEASES": hub.url}


def locate(
    stage: str, here: Places, environ: dict[str, str], settings: Settings = SETTINGS
) -> sources.Weights:
    table = settings.of(stage)
    return sources.locate(stage, table.weights, table.revision, here, environ)


def fetched(hub: hub_server.Hub) -> list[str]:
    return [path.rsplit("/resolve/")[1].split("/", 1)[1] for path, _ in hub.requests if "/resolve/" in path]


def test_a_pull_downloads_and_records_the_files_that_a_loader_needs(
    hub: hub_server.Hub, here: Places, environ: dict[str, str]
) -> None:
    got = pull(locate("caption", here, environ), here, environ=environ)
    assert set(got.files) == WANTED
    assert set(fetched(hub)) == WANTED
    assert got.revision == hub_server.COMMIT
    assert got.files["model.safetensors"].sha256 == hashlib.sha256(TENSORS).hexdigest()

    found = locate("caption", here, environ)
    assert found.present
    assert found.revision == hub_server.COMMIT
    path = sources.checked(found, here, full=True)
    assert Path(path, "model.safetensors").read_bytes() == TENSORS
    assert os.stat(os.path.join(here.state, record.PULLED)).st_mode & 0o777 == 0o600
    assert found.revision == hub_server.COMMIT


def test_the_hubs_own_library_finds_the_pulled_files(
    here: Places, environ: dict[str, str], tmp_path: Path
) -> None:
    from huggingface_hub import snapshot_download

    pull(locate("caption", here, environ), here, environ=environ)
    folder = snapshot_download("someone/model", cache_dir=tmp_path / "hub" / "hub", local_files_only=True)
    assert folder == locate("caption", here, environ).path


def test_a_second_pull_downloads_nothing(hub: hub_server.Hub, here: Places, environ: dict[str, str]) -> None:
    first = pull(locate("caption", here, environ), here, environ=environ)
    hub.requests.clear()
    assert pull(locate("caption", here, environ), here, environ=environ) == first
    assert fetched(hub) == []


def test_without_safetensors_the_bin_file_is_downloaded(
    hub: hub_server.Hub, here: Places, environ: dict[str, str]
) -> None:
    del hub.files["model.safetensors"]
    got = pull(locate("caption", here, environ), here, environ=environ)
    assert "pytorch_model.bin" in got.files


def test_a_broken_connection_is_resumed(hub: hub_server.Hub, here: Places, environ: dict[str, str]) -> None:
    hub.cut["model.safetensors"] = [9000, 7000]
    steps: list[tuple[str, int, int]] = []
    pull(locate("caption", here, environ), here, lambda *step: steps.append(step), environ)
    ranges = [part for path, part in hub.requests if path.endswith("model.safetensors")]
    assert ranges == [None, "bytes=9000-", "bytes=16000-"]
    assert steps[-1] == ("model.safetensors", len(TENSORS), len(TENSORS))
    assert Path(locate("caption", here, environ).path or "", "model.safetensors").read_bytes() == TENSORS


@pytest.mark.parametrize("stage", ["caption", "detect"])
def test_an_interrupted_pull_is_resumed_by_the_next(
    hub: hub_server.Hub, here: Places, environ: dict[str, str], stage: str
) -> None:
    name = "model.safetensors" if stage == "caption" else "yolov8m-oiv7.pt"
    hub.cut[name] = [9000, 0]
    with pytest.raises(HubUnreachable, match=rf"stopped after 9000 of {len(TENSORS)} bytes") as stopped:
        pull(locate(stage, here, environ), here, environ=environ)
    assert "it resumes" in stopped.value.hint
    assert not locate(stage, here, environ).present

    hub.cut.clear()
    hub.requests.clear()
    got = pull(locate(stage, here, environ), here, environ=environ)
    assert [part for path, part in hub.requests if path.endswith(name)] == ["bytes=9000-"]
    assert got.files[name].sha256 == hashlib.sha256(TENSORS).hexdigest()
    assert locate(stage, here, environ).present


def test_a_release_that_changed_meanwhile_is_downloaded_from_the_start(
    hub: hub_server.Hub, here: Places, environ: dict[str, str]
) -> None:
    hub.cut["yolov8m-oiv7.pt"] = [9000, 0]
    with pytest.raises(HubUnreachable):
        pull(locate("detect", here, environ), here, environ=environ)
    hub.files["yolov8m-oiv7.pt"] = TENSORS[::-1]
    pull(locate("detect", here, environ), here, environ=environ)
    assert Path(sources.checked(locate("detect", here, environ), here)).read_bytes() == TENSORS[::-1]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_content_other_than_announced_is_refused_and_removed(
    hub: hub_server.Hub, here: Places, environ: dict[str, str], name: str
) -> None:
    hub.altered.add(name)
    with pytest.raises(WeightsError, match=rf"{name} does not have the announced size or hash"):
        pull(locate("caption", here, environ), here, environ=environ)
    assert not locate("caption", here, environ).present
    hub.altered.clear()
    pull(locate("caption", here, environ), here, environ=environ)
    sources.checked(locate("caption", here, environ), here, full=True)


@pytest.mark.parametrize("stage", ["caption", "detect"])
def test_never_more_than_the_announced_size_is_written(
    hub: hub_server.Hub,
    here: Places,
    environ: dict[str, str],
    stage: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(
        "imgret.weights.fetch._MOST_UNANNOUNCED", 1 << 20
    )  # for a release; a test cannot take 4 GB
    hub.endless |= {"model.safetensors", "yolov8m-oiv7.pt"}
    with pytest.raises(WeightsError, match=r"sends more than the announced \d+ bytes"):
        pull(locate(stage, here, environ), here, environ=environ)
    assert not locate(stage, here, environ).present
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 1 << 20


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ({"model.safetensors": {"size": 200 << 30}}, "more than any model has"),
        ({"model.safetensors": {"size": 99 << 30}}, "GB left|more than any model"),
        ({"model.safetensors": {"size": -1}}, "did not return a valid list of files"),
        ({"vocab.txt": {"size": 65 << 20}}, "too large for a text file"),
        ({"vocab.txt": {"rfilename": "v" * 300 + ".txt"}}, "name has 304 characters"),
        ({"vocab.txt": {"blobId": "../../../etc/cron.d/x"}}, "without a hash"),
    ],
)
def test_a_list_of_files_above_the_limits_is_refused_before_any_download(
    hub: hub_server.Hub, here: Places, environ: dict[str, str], listed: dict[str, Any], reason: str
) -> None:
    hub.listed = listed
    with pytest.raises(WeightsError, match=reason):
        pull(locate("caption", here, environ), here, environ=environ)
    assert fetched(hub) == []


def test_file_names_outside_the_folder_are_not_downloaded(
    hub: hub_server.Hub, here: Places, environ: dict[str, str], tmp_path: Path
) -> None:
    for number, name in enumerate(
        ("../a.json", "/tmp/a.json", "a/../../b.json", "..\\c.json", ".hidden.json", "1_P/../d.txt")
    ):
        hub.files[name] = b"{}" * number
    assert set(pull(locate("caption", here, environ), here, environ=environ).files) == WANTED


def test_a_list_of_too_many_files_or_without_an_end_is_refused(
    hub: hub_server.Hub, here: Places, environ: dict[str, str]
) -> None:
    hub.files |= {f"{number}.json": b"{}" for number in range(600)}
    with pytest.raises(WeightsError, match=r"lists 60\d files"):
        pull(locate("caption", here, environ), here, environ=environ)
    hub.padding = 17 << 20
    with pytest.raises(WeightsError, match="longer than 16 MB"):
        pull(locate("caption", here, environ), here, environ=environ)
    assert fetched(hub) == []


def test_a_redirect_to_another_scheme_is_not_followed(
    hub: hub_server.Hub, here: Places, environ: dict[str, str]
) -> None:
    for address in ("file:///etc/passwd", "ftp://127.0.0.1/a"):
        hub.redirects_to = address
        with pytest.raises(WeightsError):
            pull(locate("caption", here, environ), here, environ=environ)


def test_a_revision_with_a_path_is_refused(here: Places, environ: dict[str, str], tmp_path: Path) -> None:
    for revision in ("../../../../outside", "/etc/x", "a\nb"):
        settings = Settings().with_tables(caption=CaptionSettings(weights="someone/model", revision=revision))
        with pytest.raises(WeightsError, match="not a valid revision"):
            pull(locate("caption", here, environ, settings), here, environ=environ)


def test_a_missing_repository_is_reported(here: Places, environ: dict[str, str]) -> None:
    settings = Settings().with_tables(caption=CaptionSettings(weights="someone/else"))
    with pytest.raises(WeightsError, match=r"someone/else\S+ does not exist"):
        pull(locate("caption", here, environ, settings), here, environ=environ)


def test_a_repository_without_weights_is_reported(
    hub: hub_server.Hub, here: Places, environ: dict[str, str]
) -> None:
    hub.files = {"config.json": b"{}", "tf_model.h5": b"another program's"}
    with pytest.raises(WeightsError, match="contains no weights that imgret can load"):
        pull(locate("caption", here, environ), here, environ=environ)


def test_a_busy_hub_and_one_that_does_not_respond_are_reported(
    hub: hub_server.Hub, here: Places, environ: dict[str, str]
) -> None:
    hub.busy = True
    with pytest.raises(HubUnreachable, match="responded with status 503"):
        pull(locate("caption", here, environ), here, environ=environ)
    gone = environ | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    with pytest.raises(HubUnreachable, match=r"cannot be reached: .*refused"):
        pull(locate("caption", here, gone), here, environ=gone)


def test_offline_mode_sends_no_request(hub: hub_server.Hub, here: Places, environ: dict[str, str]) -> None:
    offline = environ | {"HF_HUB_OFFLINE": "1"}
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE is set"):
        pull(locate("caption", here, offline), here, environ=offline)
    assert hub.requests == []


def test_a_pinned_revision_has_its_own_record(
    hub: hub_server.Hub, here: Places, environ: dict[str, str]
) -> None:
    pinned = Settings().with_tables(caption=CaptionSettings(weights="someone/model", revision="v1"))
    hub.commit = "f" * 40
    pull(locate("caption", here, environ, pinned), here, environ=environ)
    assert locate("caption", here, environ, pinned).revision == "f" * 40
    assert not locate("caption", here, environ).present
    hub.commit = hub_server.COMMIT
    pull(locate("caption", here, environ), here, environ=environ)
    assert locate("caption", here, environ).revision == hub_server.COMMIT
    assert locate("caption", here, environ, pinned).revision == "f" * 40


def test_a_changed_missing_or_added_file_is_reported(here: Places, environ: dict[str, str]) -> None:
    pull(locate("caption", here, environ), here, environ=environ)
    found = locate("caption", here, environ)
    tensors = Path(found.path or "", "model.safetensors").resolve()

    tensors.write_bytes(TENSORS[:-1] + b"!")
    with pytest.raises(WeightsError, match=r"model\.safetensors is not the file that was downloaded"):
        sources.checked(found, here)
    tensors.write_bytes(TENSORS)
    sources.checked(found, here)

    added = Path(found.path or "", "adapter_config.json")
    added.write_text("{}")
    with pytest.raises(WeightsError, match=r"adapter_config\.json was not downloaded"):
        sources.checked(found, here)
    added.unlink()

    tensors.unlink()
    assert not locate("caption", here, environ).present


def test_a_change_with_equal_size_and_mtime_is_found_by_a_full_check(
    here: Places, environ: dict[str, str]
) -> None:
    pull(locate("caption", here, environ), here, environ=environ)
    found = locate("caption", here, environ)
    tensors = Path(found.path or "", "model.safetensors").resolve()
    was = os.stat(tensors)
    tensors.write_bytes(TENSORS[::-1])
    os.utime(tensors, ns=(was.st_atime_ns, was.st_mtime_ns))
    sources.checked(found, here)
    with pytest.raises(WeightsError, match=r"model\.safetensors is not the file that was downloaded"):
        sources.checked(found, here, full=True)


def test_weights_that_differ_from_the_record_skip_only_their_stage(
    here: Places, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", environ["HF_HOME"])
    pull(locate("caption", here, environ), here, environ=environ)
    Path(locate("caption", here, environ).path or "", "config.json").resolve().write_text("{ }")
    skipped: dict[str, str] = {}
    loaded = load_models(SETTINGS, here, ["caption", "embed"], on_skip=skipped.__setitem__)
    assert loaded.stages() == {"decode", "embed"}
    assert "config.json is not the file that was downloaded" in skipped["caption"]
    assert skipped == loaded.missing


def test_a_tiny_checkpoint_is_pulled_and_captions(
    here: Places, tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(tiny.of("caption").weights)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    settings = tiny.with_tables(caption=CaptionSettings(weights="someone/model"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    with hub_server.serving(hub_server.Hub(files)) as hub:
        environ = dict(os.environ) | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
        pull(locate("caption", here, environ, settings), here, environ=environ)
    loaded = load_models(settings, here, ["caption"])
    assert loaded["caption"].captioner
    assert loaded["caption"].captioner.identity == identities(settings, here)["caption"]
    assert loaded["caption"].captioner.identity.revision == hub_server.COMMIT
    drawing = draw.single(random.Random(1), colour="red", kind="circle", ground="white")
    assert loaded["caption"].captioner.captions([np.asarray(draw.render(drawing))]) == [[drawing.caption]]
    loaded.close()
