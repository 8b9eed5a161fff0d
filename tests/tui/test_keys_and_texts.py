"""Names of keys, changes of the key map, and the texts of a hit."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from imgret.config import PickerSettings
from imgret.errors import ConfigError, QueryError, UsageError
from imgret.photo import Hit
from imgret_tui import desktop
from imgret_tui.desktop import filled_in
from imgret_tui.hit_texts import (
    cut_end,
    cut_middle,
    cut_name,
    drawable,
    facts_text,
    folder_text,
    shared_folder,
    title,
    title_lines,
    wrapped,
)
from imgret_tui.key_names import key_name
from imgret_tui.keymap import Keymap
from imgret_tui.user_keymap import user_keymap
from imgret_tui.widgets.query_input import is_half_typed


def hit(path: bytes = b"/p/a.jpg", **fields: object) -> Hit:
    known = {
        "rank": 1, "content": 1, "score": 0.0, "cosine": None, "strength": "weak", "shown": {}, "note": None,
        "taken_at": None, "width": None, "height": None, "online": True, "why": (),
    }  # fmt: skip
    return Hit(path=path, **{**known, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ctrl-j", "ctrl+j"),
        ("Ctrl+J", "ctrl+j"),
        ("alt-x", "alt+x"),
        ("ctrl-alt-x", "alt+ctrl+x"),
        ("btab", "shift+tab"),
        ("pgdn", "pagedown"),
        ("ctrl-/", "ctrl+underscore"),
        ("alt-/", "alt+slash"),
        ("f12", "f12"),
    ],
)
def test_keys_are_named_as_in_fzf(text: str, name: str) -> None:
    assert key_name(text) == name


@pytest.mark.parametrize("text", ["x", "shift+x", "ctrl-", "hyper-x", "", "f99"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        key_name(text)


def test_a_key_is_bound_to_another_action_to_none_or_to_a_command() -> None:
    keymap = Keymap(
        {"ctrl-j": "accept", "tab": "ignore", "alt-x": "execute-silent(gimp {})"}, {"alt-y": "cat {+}"}
    )
    actions = keymap.actions_by_key
    assert actions["ctrl+j"] == "choose"
    assert actions["tab"] == "ignore"
    assert actions["alt+x"] == "app.execute_silently('gimp {}')"
    assert actions["alt+y"] == "app.execute('cat {+}')"
    assert actions["down"] == "move_row(1)"


@pytest.mark.parametrize("action", ["execute(gimp {}", "execute-silent(gimp"])
def test_a_command_without_its_closing_parenthesis_is_reported(action: str) -> None:
    with pytest.raises(UsageError, match=r"alt\+x: the command has no \) at its end"):
        Keymap({"alt+x": action})


def test_a_wrong_key_of_the_file_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[picker.keys]\n"alt+x" = "opne"\n')
    with pytest.raises(ConfigError, match="line 2: alt\\+x: there is no action 'opne'") as caught:
        user_keymap(PickerSettings(keys={"alt+x": "opne"}), [], str(path))
    assert caught.value.hint == "Did you mean 'open'?"


@pytest.mark.parametrize("bind", ["", ":", "alt-x", "alt-x:", ":open", " : ", "alt-x:open,", "alt-x:,"])
def test_a_bind_that_is_no_key_and_action_is_refused(bind: str) -> None:
    with pytest.raises(UsageError, match="is not KEY:ACTION"):
        user_keymap(PickerSettings(), [bind], "")


@pytest.mark.parametrize("bind", ["alt-x:execute()", "alt-x:execute-silent( )"])
def test_a_bind_without_a_command_is_refused(bind: str) -> None:
    with pytest.raises(UsageError, match="has no command"):
        user_keymap(PickerSettings(), [bind], "")


def test_commands_of_a_bind_may_have_commas_and_brackets() -> None:
    actions = user_keymap(
        PickerSettings(), ["alt-x:execute(f (a), b:c),alt-y:open,alt-z:execute-silent(g, h)"], ""
    ).actions_by_key
    assert actions["alt+x"] == "app.execute('f (a), b:c')"
    assert actions["alt+y"] == "app.open"
    assert actions["alt+z"] == "app.execute_silently('g, h')"


NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name)


@settings(max_examples=40, deadline=None)  # each example starts a shell
@given(st.lists(NAMES, min_size=1, max_size=4))
@example([b"a b", b"-rf", b'it\'s\n"$(true)" `x` {} {+}', b"\xff\\ "])
def test_commands_get_any_file_name_unchanged(names: list[bytes]) -> None:
    paths = [b"/p/" + name for name in names]
    command = filled_in("printf '%s\\0' {} {+}", paths[0], paths)
    found = subprocess.run(["/bin/sh", "-c", command], stdout=subprocess.PIPE, check=True).stdout
    assert found.split(b"\0")[:-1] == [paths[0], *paths]


def test_bind_has_the_form_of_fzf() -> None:
    actions = user_keymap(PickerSettings(), ["alt-x:open,alt-y:execute(a, b {})"], "").actions_by_key
    assert actions["alt+x"] == "app.open"
    assert actions["alt+y"] == "app.execute('a, b {}')"
    with pytest.raises(UsageError):
        user_keymap(PickerSettings(), ["open"], "")


@pytest.mark.parametrize(
    ("query", "position", "half"),
    [
        ("dog>=", 0, True),
        ("cat dog>=", 4, True),
        ("dog>= cat", 0, False),
        ("dog>= ", 0, False),
        ('in:"a b', 0, True),
    ],
)
def test_an_error_of_the_last_word_waits(query: str, position: int, half: bool) -> None:
    assert is_half_typed(query, QueryError("wrong", "", position)) is half


def test_the_title_is_the_best_sentence() -> None:
    text = [{"text": "MIND THE GAP"}]
    assert title(hit(shown={"caption": "a dog", "text": text}, note="ours")) == "a dog"
    assert title(hit(shown={"caption": None, "text": text}, note="our\ndog")) == "our dog"
    assert title(hit(shown={"text": text})) == "“MIND THE GAP”"
    assert title(hit(b"/p/a\x1b.jpg")) == "a\ufffd.jpg"


def test_folders_are_relative_to_their_root_or_home() -> None:
    assert folder_text(b"/r/photos/a/b", [b"/r/photos"], b"/home/me") == "a/b"
    assert folder_text(b"/r/photos", [b"/r/photos"], b"/home/me") == "photos"
    assert folder_text(b"/r/photos/a", [b"/r/photos", b"/x"], b"/home/me") == "photos/a"
    assert folder_text(b"/home/me/a", [], b"/home/me") == "~/a"
    assert folder_text(b"/other", [], b"/home/me") == "/other"
    assert shared_folder([hit(b"/a/1"), hit(b"/a/2")]) == b"/a"
    assert shared_folder([hit(b"/a/1"), hit(b"/b/2")]) is None


@given(st.text(max_size=40), st.integers(0, 30))
def test_a_cut_text_fits(text: str, width: int) -> None:
    for cut in (cut_end, cut_middle, cut_name):
        assert cell_len(cut(text, width)) <= max(width, 0)
        assert cut(text, cell_len(text)) == text


@given(st.text(max_size=80), st.integers(4, 30), st.integers(1, 3))
def test_wrapped_lines_fit(text: str, width: int, lines: int) -> None:
    found = wrapped(text, width, lines)
    assert len(found) <= lines
    assert all(cell_len(line) <= width for line in found)


@given(st.text("abc ", min_size=1, max_size=80), st.integers(12, 40), st.integers(1, 2))
def test_the_extension_of_a_title_is_not_cut(stem: str, width: int, lines: int) -> None:
    found = title_lines(hit(f"/p/x{stem}x.jpeg".encode()), width, lines)
    assert found[-1].endswith(".jpeg")
    assert len(found) <= lines
    assert all(cell_len(line) <= width for line in found)


@given(st.text("abcdefghij", min_size=1, max_size=40), st.text("abc/", max_size=40), st.integers(34, 90))
def test_dates_and_extensions_are_never_cut(stem: str, folder: str, width: int) -> None:
    photo = hit(f"/p/{stem}.jpg".encode(), shown={"caption": "a dog"}, other_paths=(b"/q",))
    line = facts_text(photo, "2019-07-14", folder, width)
    assert cell_len(line) <= width
    assert line.startswith("2019-07-14 · ")
    assert ".jpg" in line
    assert line.endswith("1 copy")


@pytest.mark.parametrize("run", [desktop.run_silently, desktop.run_in_terminal])
def test_a_command_with_too_many_paths_is_refused(run: Callable[[bytes], None]) -> None:
    with pytest.raises(UsageError, match="the paths are too long for one command"):
        run(filled_in("true {+}", b"/a", [b"/photos/%d.jpg" % n for n in range(20_000)]))


def test_a_command_of_the_file_that_is_empty_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[picker.commands]\n"alt+x" = " "\n')
    with pytest.raises(ConfigError, match=r"line 2: alt\+x: .* has no command"):
        user_keymap(PickerSettings(commands={"alt+x": " "}), [], str(path))


@given(
    st.lists(st.sampled_from(["👨\u200d👩\u200d👧", "🏖\ufe0f", "❤\ufe0f", "👨", "a", " ", "é", "旅", "कि"]))
)
def test_emoji_take_as_many_cells_as_their_characters(parts: list[str]) -> None:
    drawn = drawable("".join(parts))
    assert cell_len(drawn) == sum(cell_len(drawable(part)) for part in parts)
    assert not {"\u200d", "\ufe0f"} & {*drawn}
    assert drawable("क्\u200dष") == "क्\u200dष"  # letters of other scripts are joined by it, too
