"""What tab offers: from the table of commands, the library, and as each shell wants it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.cli import complete_shell
from imgret.cli.command_table import own_table
from imgret.cli.complete import complete
from imgret.cli.complete_shell import quoted, split_line
from imgret.cli.shell_script import SHELLS, script
from imgret.errors import UsageError
from imgret.search.known_values import MOST, known_values
from imgret.store.clauses import HAS
from imgret.store.factory import open_facets
from imgret.store.interface import Store
from testbed import command_reference

LIBRARY = {
    "kind": ["object", "place", "topic"],
    "object": ["dog", "traffic light"],
    "topic": ["food_&_dining", "sports"],
    "place": ["New York", "Rome"],
    "camera": ["Canon EOS 80D", "Canon IXUS"],
    "format": ["JPEG"],
}
TABLE = own_table()


def values(kind: str, beginning: str) -> list[str]:
    return [value for value in LIBRARY.get(kind, []) if value.lower().startswith(beginning.lower())]


def offered(*words: str) -> set[str]:
    return {word for word, _ in complete(TABLE, list(words), values).words}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["que"], {"query"}),
        (["models", "p"], {"pull"}),
        (["models", "pull", "oc"], set()),
        (["query", "--rank", ""], {"hybrid", "image", "vector", "words"}),
        (["query", "--rank=v"], {"--rank=vector"}),
        (["query", "--min-strength", "s"], {"strong"}),
        (["query", "--file-format", "j"], {"JPEG", "JXL"}),
        (["query", "--topic", "s"], {"sports"}),
        (["query", "--pri"], {"--print0"}),
        (["query", "tra"], {"traffic_light"}),
        (["query", "red", "topic:"], {"topic:food_&_dining", "topic:sports"}),
        (["query", "place:n"], {"place:New_York"}),
        (["query", "-place:r"], {"-place:Rome"}),
        (["query", "two dogs topic:s"], {"two dogs topic:sports"}),
        (["query", "camera:"], {"camera:canon", "camera:eos", "camera:80d", "camera:ixus"}),
        (["query", "format:"], {"format:jpeg"}),
        (["query", "has:g"], {"has:gps"}),
        (["query", "--", "has:g"], {"has:gps"}),
        (["query", "top"], {"topic:"}),
        (["shell", ""], {"bash", "fish", "zsh"}),
        (["places", "N"], {"New York"}),
        (["status", ""], set()),
    ],
)
def test_what_is_offered(words: list[str], expected: set[str]) -> None:
    assert offered(*words) == expected


def test_files_and_folders_are_left_to_the_shell() -> None:
    assert complete(TABLE, ["show", ""], values).names == "files"
    assert complete(TABLE, ["query", "--like", "a"], values).names == "files"
    assert complete(TABLE, ["add", "a"], values).names == "folders"


def test_a_folder_in_a_query(tmp_path: Path) -> None:
    (tmp_path / "trip").mkdir()
    (tmp_path / "trap.txt").touch()
    (tmp_path / ".tr").mkdir()
    (tmp_path / "trick").symlink_to("trick")  # a link that leads nowhere
    found = complete(TABLE, ["query", f"in:{tmp_path}/tr"], values)
    assert [word for word, _ in found.words] == [f"in:{tmp_path}/trip/"]
    assert found.is_open


def test_all_that_a_photo_can_have_is_offered() -> None:
    found = complete(TABLE, ["query", "has:"], values)
    assert {word for word, _ in found.words} == {f"has:{what}" for what in HAS}


def test_every_command_and_option_is_offered() -> None:
    def check(before: list[str], command: dict[str, Any]) -> None:
        names = {name for option in command["options"] for name in option["names"] if name.startswith("--")}
        assert offered(*before, "--") == names
        for name, below in command["commands"].items():
            assert name in offered(*before, "")
            check([*before, name], below)

    check([], TABLE)


@given(
    st.lists(
        st.text(
            st.characters(exclude_characters="\0\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85", max_codepoint=0x2FF),
            min_size=1,
        ),
        min_size=1,
    )
)
def test_a_line_of_bash_is_split_into_its_words(words: list[str]) -> None:
    found, quote = split_line("imgret " + " ".join(map(shlex.quote, words)))
    assert (found[1:], quote) == (words, "")
    found, quote = split_line("x; imgret " + " ".join(quoted(word, "") for word in words))
    assert (found[1:], quote) == (words, "")


@pytest.mark.parametrize(
    ("line", "words", "quote"),
    [
        ("imgret query ", ["imgret", "query", ""], ""),
        ("imgret query 'two do", ["imgret", "query", "two do"], "'"),
        ('imgret query "a\\"b', ["imgret", "query", 'a"b'], '"'),
        ("ls | imgret que", ["imgret", "que"], ""),
    ],
)
def test_the_word_at_the_cursor_may_be_unfinished(line: str, words: list[str], quote: str) -> None:
    assert split_line(line) == (words, quote)


@pytest.fixture
def library(store: Store, add: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("IMGRET_INDEX", store.path)
    add("a.jpg", objects={"dog": 1, "door": 2}, camera="Canon")
    add("b.jpg", objects={"Traffic light": 1})
    return store


def test_values_of_an_index_that_is_only_read(library: Store) -> None:
    with open_facets(library.path) as facets:
        assert (
            known_values(facets, "object", "do")
            == ["dog", "door"]
            == known_values(library.facets, "object", "DO")
        )
        assert known_values(facets, "object", "traffic_") == known_values(facets, "object", "traffic ")
        assert known_values(facets, "camera") == ["Canon"]
        assert known_values(facets, "no such kind") == []
    assert MOST * 2000 < 1 << 20


def test_bash_gets_what_follows_the_last_break(
    library: Store, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for line, printed in (
        ("imgret query do", b"words\ndog\tobject\ndoor\tobject\n"),
        ("imgret query object:do", b"words\ndog\t\ndoor\t\n"),
        ("imgret query 'object:dog", b"words\nobject:dog\t\n"),
        ("imgret query to", b"words\n"),
        ("imgret query rat", b"open\nrating:\tstars\n"),
    ):
        assert complete_shell.main(["bash", line, "\t :=>"]) == 0
        sys.stdout.flush()
        assert capfdbinary.readouterr().out == printed, line


def test_without_an_index_completion_prints_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "none.db"))
    done = subprocess.run(
        [sys.executable, "-m", "imgret", "__complete", "fish", "imgret", "query", "topic:"],
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"words\n", b"")
    assert not (tmp_path / "none.db").exists()


def test_the_table_is_in_step_with_the_commands() -> None:
    with open(complete_shell.TABLES, encoding="utf-8") as file:
        assert file.read() == command_reference.text(), "run `make reference`"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["imgret-tui", "--print"], {"--print0"}),
        (["/usr/bin/imgret-tui", "--graphics", "k"], {"kitty"}),
        (["imgretd", "--fore"], {"--foreground"}),
        (["photos", "models", "ver"], {"verify"}),
    ],
)
def test_each_program_is_completed(
    words: list[str], expected: set[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    complete_shell.main(["fish", *words])
    sys.stdout.flush()
    first, *rest = capfdbinary.readouterr().out.decode().splitlines()
    assert (first, {line.partition("\t")[0] for line in rest}) == ("words", expected)


def test_completion_imports_nothing_heavy(library: Store) -> None:
    code = (
        "import sys, imgret.cli.complete_shell as c; c.main(['fish', 'imgret', 'query', 'do']);"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("words\ndog\tobject\ndoor\tobject\n")
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not {"typer", "numpy", "torch", "textual", "PIL", "asyncio", "sqlite_vec"} & loaded


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("key", ["ctrl-alt-p", "alt-x", "ctrl-o"])
def test_the_script_is_valid_in_its_shell(shell: str, key: str, tmp_path: Path) -> None:
    text = script(shell, key)
    assert "@KEY@" not in text
    path = tmp_path / "script"
    path.write_text(text)
    try:
        subprocess.run([shell, "-n", str(path)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip(f"{shell} is not installed")


@pytest.mark.parametrize(
    ("shell", "key"), [("tcsh", "alt-p"), ("bash", "p"), ("zsh", "ctrl-c"), ("fish", "f5")]
)
def test_a_shell_or_key_that_cannot_be_had_is_refused(shell: str, key: str) -> None:
    with pytest.raises(UsageError):
        script(shell, key)


def test_bash_completes_a_real_line(library: Store, tmp_path: Path) -> None:
    folder = os.path.dirname(sys.executable)
    lines = f"""
export PATH={shlex.quote(folder)}:$PATH
eval "$(imgret shell bash)"
COMP_LINE='imgret query object:do' COMP_POINT=22 COMP_WORDBREAKS=$' \\t\\n:='
_imgret_complete imgret do :
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dog", "door"]
