"""Settings: defaults without a file, every wrong key and value refused with its line, XDG places."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.config import Settings, load, parse, places
from imgret.errors import ConfigError, Exit
from imgret.photo import Stage


def test_every_key_is_optional(tmp_path: Path) -> None:
    assert parse("") == Settings() == load(str(tmp_path / "none.toml"))


def test_the_designs_example_is_read() -> None:
    settings = parse(
        'folders = ["~/Pictures"]\nexclude = ["*.tmp", "Trash/"]\ndevice  = "auto"\n'
        '[caption]\nweights = "none"\n[detect]\nweights = "yolov8m-oiv7.pt"\n'
        '[topics]\nweights = "cardiffnlp/tweet-topic-21-multi"\n[embed]\nweights = "wordllama" # offline\n'
    )
    assert settings.folders == ("~/Pictures",)
    assert settings.stages() == {Stage.DECODE, Stage.DETECT, Stage.TOPICS, Stage.EMBED}


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
    st.lists(st.text(st.characters(categories=["L", "N"]), max_size=8), max_size=3),
    st.booleans(),
    st.integers(1, 16),
    st.floats(0, 1),
    st.sampled_from(["none", "wordllama", "a/b", "/x y"]),
)
def test_what_toml_can_say_comes_back(
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
    settings = parse(text)
    assert settings.folders == tuple(folders)
    assert (settings.hidden, settings.caption.beams) == (hidden, beams)
    assert (settings.topics.threshold, settings.embed.weights) == (threshold, embed)


@given(st.text(max_size=200))
def test_any_text_is_settings_or_a_config_error(text: str) -> None:
    try:
        assert isinstance(parse(text), Settings)
    except ConfigError as error:
        assert str(error)


@given(st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12))
def test_any_key_that_is_not_ours_is_refused(key: str) -> None:
    if key in {field.name for field in msgspec.structs.fields(Settings)}:
        return
    with pytest.raises(ConfigError, match=f"unknown key {key!r}"):
        parse(f"{key} = 1")


def test_places_follow_xdg_and_ignore_relative_paths() -> None:
    home = {"HOME": "/h"}
    assert places(home).config == "/h/.config/imgret/config.toml"
    assert places(home).index == "/h/.local/share/imgret/index.db"
    assert places(home).socket == "/h/.local/state/imgret/imgretd.sock"
    assert places({**home, "XDG_DATA_HOME": "rel"}).index == "/h/.local/share/imgret/index.db"
    assert places({**home, "XDG_DATA_HOME": "/d"}).index == "/d/imgret/index.db"
    assert places({**home, "XDG_RUNTIME_DIR": "/run/user/7"}).socket == "/run/user/7/imgretd.sock"
    assert places({**home, "IMGRET_INDEX": "/x.db"}).index == "/x.db"


def test_the_quick_path_finds_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    from imgret.cli import quick

    assert (quick._socket(), quick._index()) == (places().socket, places().index)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    monkeypatch.setenv("IMGRET_INDEX", "here.db")
    assert (quick._socket(), quick._index()) == (places().socket, places().index)
