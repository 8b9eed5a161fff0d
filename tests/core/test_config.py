"""Settings: defaults without a file, every wrong key and value refused with its line, XDG places."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.config import DaemonSettings, Settings, load, parse, places
from imgret.errors import ConfigError, Exit
from imgret.exclude import Exclude
from imgret.pipeline.loading import locate
from imgret.stages import registry

TABLES = {"daemon": DaemonSettings} | {stage.name: stage.settings for stage in registry.own().stages}


def test_every_key_is_optional(tmp_path: Path) -> None:
    assert parse("") == Settings() == load(str(tmp_path / "none.toml"))


def test_the_designs_example_is_read() -> None:
    found = parse(
        'folders = ["~/Pictures"]\nexclude = ["*.tmp", "Trash/"]\ndevice  = "auto"\n'
        '[caption]\nweights = "none"\n[detect]\nweights = "yolov8m-oiv7.pt"\n'
        '[topics]\nweights = "cardiffnlp/tweet-topic-21-multi"\n[embed]\nweights = "wordllama" # offline\n'
    )
    assert found.folders == ("~/Pictures",)
    assert found.stages() == {"decode", "metadata", "place", "image", "detect", "ocr", "topics", "embed"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("folder = []", 1, ["unknown key 'folder'"]),
        ("\n\n[caption]\n\nbeam = 3", 5, ["unknown key 'caption.beam'"]),
        ("[captions]\nweights = 'none'", 1, ["unknown key 'captions'"]),
        ("device = 3", 1, ["device"]),
        ("[caption]\nbeams = 0", 2, ["caption.beams", "between 1 and 16"]),
        ("[caption]\nbeams = 'three'", 2, ["caption.beams", "int"]),
        ("caption.beams = 99", 1, ["caption.beams"]),
        ("[embed]\n# note\ndtype = 'fp8'", 3, ["embed.dtype", "bfloat16"]),
        ("[topics]\nthreshold = 2", 2, ["topics.threshold"]),
        ("[detect]\nweights = ''", 2, ["detect.weights"]),
        ("decode_memory_mb = 1", 1, ["decode_memory_mb"]),
        ("[daemon]\nfull_scan_hours = -1", 2, ["daemon.full_scan_hours"]),
        ("[daemon]\nunload_after_minutes = nan", 2, ["daemon.unload_after_minutes"]),
        ("decode_seconds = inf", 1, ["decode_seconds", "between 0.1 and 86,400"]),
        ("decode_seconds = nan", 1, ["decode_seconds"]),
        ("decode_seconds = 1e-9", 1, ["decode_seconds"]),
        ("decode_memory_mb = 9223372036854775807", 1, ["decode_memory_mb"]),
        ("\nhidden = false\nexclude = ['*.tmp', '[z-a]']", 3, ["exclude", "'[z-a]'", "gitignore pattern"]),
        ('exclude = ["a\\u0000b"]', 1, ["exclude", "NUL"]),
        ('folders = ["/a\\u0000b"]', 1, ["folders", "NUL"]),
        ("folders = ['']", 1, ["folders", "empty name"]),
        ('[topics]\nweights = "a\\u0000b"', 2, ["topics.weights", "NUL"]),
        (f"[topics]\nweights = '{'x' * 5000}'", 2, ["topics.weights", "4096"]),
        ("[embed]\nrevision = '../../etc'", 2, ["embed.revision", "a branch, a tag or a commit"]),
        ("[embed]\nrevision = '/etc'", 2, ["embed.revision"]),
        ("[embed]\nrevision = ''", 2, ["embed.revision"]),
        ("[embed]\nrevision = 'a//b'", 2, ["embed.revision"]),
        ('\n[embed]\n[place.names]\nhut = "4,5,6,7km"', 4, ["place.names", "'hut'", "is no point"]),
        ("\n\ndaemon = {full_scan_hours = -1}", 3, ["daemon.full_scan_hours", "between"]),
        ("\npicker = {keys = {f2 = 1}}", 2, ["picker.keys", "Expected `str`"]),
        ("device = []", 1, ["device"]),
        ("device = ''", 1, ["device"]),
        ("device = ['cpu', 'the big one']", 1, ["device"]),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "the.toml")
    assert str(caught.value).startswith(f"the.toml, line {line}: ")
    assert all(word in str(caught.value) for word in words)
    assert caught.value.exit_code is Exit.USAGE


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("[caption]\nweight = 'x'")
    assert "'weights'" in caught.value.hint


def test_broken_toml_and_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        parse("folders = [")
    path = tmp_path / "config.toml"
    path.write_bytes(b'device = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(str(path))
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(tmp_path))


@given(
    st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), max_size=3),
    st.booleans(),
    st.integers(1, 16),
    st.floats(0, 1),
    st.sampled_from(["none", "wordllama", "a/b", "/x y"]),
)
def test_any_toml_value_is_read_back(
    folders: list[str], hidden: bool, beams: int, threshold: float, embed: str
) -> None:
    import tomlkit

    text = tomlkit.dumps(
        {
            "folders": folders,
            "hidden": hidden,
            "caption": {"beams": beams},
            "topics": {"threshold": threshold},
            "embed": {"weights": embed},
        }
    )
    found = parse(text)
    assert found.folders == tuple(folders)
    assert (found.hidden, found.of("caption").beams) == (hidden, beams)
    assert (found.of("topics").threshold, found.of("embed").weights) == (threshold, embed)


@pytest.mark.parametrize("text", ["a=" + "[" * 100_000, "a = " + "9" * 5000, "[" * 300_000])
def test_absurd_toml_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"the\.toml"):
        parse(text, "the.toml")


@pytest.mark.parametrize("revision", ["main", "refs/pr/1", "v8.4.0", "sha256:" + "0" * 64, "release-1.0_b"])
def test_names_of_revisions(revision: str) -> None:
    assert parse(f"[embed]\nrevision = '{revision}'").of("embed").revision == revision


@pytest.mark.parametrize("device", ['"auto"', '"cuda:1"', '["cuda:0", "cuda:1"]', '["cpu", "cpu"]', '"mps"'])
def test_names_of_devices(device: str) -> None:
    assert parse(f"device = {device}").device


def test_only_a_regular_file_of_a_sensible_size_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (5 << 20))
    for path in (str(fifo), "/dev/zero", str(large)):
        with pytest.raises(ConfigError, match=path):
            load(path)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(loop))
    assert load(os.devnull) == Settings()


PLAIN_KEYS = [name for name in Settings.__struct_fields__ if name not in ("tables", *TABLES)]
KEYS = [(key,) for key in PLAIN_KEYS] + [
    (name, key) for name, table in TABLES.items() for key in table.__struct_fields__
]
plain = (
    st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["", "\0", "[z-a]", "..", "/", "~", "!", "\\", "none", "auto", "cuda:99", "*" * 99])
    | st.datetimes()
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=2)
)


@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=3))
@settings(max_examples=400)
def test_any_value_of_any_key_gives_settings_or_a_config_error(given: dict[tuple[str, ...], object]) -> None:
    import tomlkit

    document: dict[str, object] = {}
    for key, value in given.items():
        table = document
        for part in key[:-1]:
            table = table.setdefault(part, {})  # type: ignore[assignment]
        table[key[-1]] = value
    text = tomlkit.dumps(document)
    began = time.process_time()
    try:
        read = parse(text, "the.toml")
    except ConfigError as error:
        assert str(error).startswith("the.toml, line ")
        return
    finally:
        assert time.process_time() - began < 20  # three keys take milliseconds, and a second with all imports
    assert 0.1 <= read.decode_seconds <= 86_400
    Exclude(read.exclude, hidden=read.hidden)
    for stage in registry.own().stages:
        locate(stage, read, places())


@given(st.text(max_size=200))
def test_any_text_is_settings_or_a_config_error(text: str) -> None:
    try:
        assert isinstance(parse(text), Settings)
    except ConfigError as error:
        assert str(error)


@given(st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12))
def test_any_key_that_is_not_ours_is_refused(key: str) -> None:
    if key in {*PLAIN_KEYS, *TABLES}:
        return
    with pytest.raises(ConfigError, match=f"unknown key {key!r}"):
        parse(f"{key} = 1")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("index = 'postgresql://me@host/db'", "postgresql://me@host/db"),
        ("index = '/data//photos.db'", "/data/photos.db"),
        ("index = '~/photos.db'", "{home}/photos.db"),
        ("index = ''", "{home}/.local/share/imgret/index.db"),
        (
            "index = 'relative.db'",
            "{home}/.local/share/imgret/index.db",
        ),  # refused where the settings are read
        ("index = 7", "{home}/.local/share/imgret/index.db"),
        ("[embed]\nindex = '/no.db'", "{home}/.local/share/imgret/index.db"),
        ("index = '/x.db", "{home}/.local/share/imgret/index.db"),
    ],
)
def test_the_index_of_the_configuration(
    text: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imgret.cli import quick_places

    config = tmp_path / ".config/imgret/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    for name in ("IMGRET_INDEX", "IMGRET_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places().index == quick_places.index_path() == place.format(home=tmp_path)
    monkeypatch.setenv("IMGRET_INDEX", "/first.db")
    assert places().index == quick_places.index_path() == "/first.db"


@pytest.mark.parametrize("index", ["relative.db", "./x", "mysql://host/db", "a\0b"])
def test_an_index_that_is_no_place_is_refused(index: str) -> None:
    with pytest.raises(ConfigError, match="line 2: index"):
        parse(f'\nindex = "{index}"'.replace("\0", "\\u0000"), "x.toml")


def test_places_follow_xdg_and_ignore_relative_paths() -> None:
    home = {"HOME": "/h"}
    assert places(home).config == "/h/.config/imgret/config.toml"
    assert places(home).index == "/h/.local/share/imgret/index.db"
    assert places(home).socket == "/h/.local/state/imgret/imgretd.sock"
    assert places({**home, "XDG_DATA_HOME": "rel"}).index == "/h/.local/share/imgret/index.db"
    assert places({**home, "XDG_DATA_HOME": "/d"}).index == "/d/imgret/index.db"
    assert places({**home, "XDG_RUNTIME_DIR": "/run/user/7"}).socket == "/run/user/7/imgretd.sock"
    assert places({**home, "IMGRET_INDEX": "/x.db"}).index == "/x.db"


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "x"}, {"HOME": "x", "XDG_DATA_HOME": "y"}])
def test_places_are_absolute_whatever_the_home(environ: dict[str, str]) -> None:
    found = places(environ)
    assert all(os.path.isabs(path) for path in msgspec.structs.astuple(found))


def test_the_quick_path_finds_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    from imgret.cli import quick_places

    assert (quick_places.socket_path(), quick_places.index_path()) == (places().socket, places().index)
    for home in ("", "relative"):
        monkeypatch.setenv("HOME", home)
        monkeypatch.setenv("XDG_DATA_HOME", "")
        assert (quick_places.socket_path(), quick_places.index_path()) == (places().socket, places().index)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    monkeypatch.setenv("IMGRET_INDEX", "here.db")
    monkeypatch.setenv("IMGRET_SOCKET", "../s")
    assert (quick_places.socket_path(), quick_places.index_path()) == (places().socket, places().index)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("captions = 0", "caption.captions must be between 1 and 10"),
        ("captions = 1000", "caption.captions must be between 1 and 10"),
        ('prompts = [" "]', "caption.prompts contains an empty text"),
        ('also = [""]', "caption.also contains an empty text"),
        ('prompts = ["' + 'x" , "' * 10 + '"]', "caption.prompts has 11 entries; at most 10 are allowed"),
        ('prompts = "a"', "array"),
    ],
)
def test_captions_and_prompts_are_checked(line: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"the\.toml, line 2") as refused:
        parse("[caption]\n" + line, "the.toml")
    assert problem in str(refused.value)
