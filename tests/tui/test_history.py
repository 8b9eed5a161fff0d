"""Questions asked before: private, bounded, each once, and never a reason to fail."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret_tui.history import MOST, History


def test_the_latest_comes_first_and_the_beginning_is_an_end(tmp_path: Path) -> None:
    history = History(str(tmp_path / "state" / "questions"))
    for question in ("one", "two", "  one  "):
        history.add(question)
    again = History(str(tmp_path / "state" / "questions"))
    assert [again.earlier(), again.earlier(), again.earlier()] == ["one", "two", None]
    assert again.is_shown
    again.leave()
    assert again.earlier() == "one"


def test_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "questions"
    History(str(path)).add("two dogs")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["questions"]


def test_two_windows_keep_what_the_other_wrote(tmp_path: Path) -> None:
    path = str(tmp_path / "questions")
    one, other = History(path), History(path)
    one.add("first")
    other.add("second")
    assert History(path).earlier() == "second"
    third = History(path)
    assert [third.earlier(), third.earlier()] == ["second", "first"]


def test_a_place_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(str(tmp_path / "file" / "questions"))
    history.add("two dogs")
    assert history.earlier() == "two dogs"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.text(), max_size=30))
def test_whatever_is_asked_comes_back_as_a_line(tmp_path: Path, questions: list[str]) -> None:
    path = tmp_path / "questions"
    path.unlink(missing_ok=True)
    history = History(str(path))
    for question in questions:
        history.add(question)
    assert len(path.read_text().splitlines() if path.exists() else []) <= MOST
    kept = " ".join(questions[-1].split()) if questions else ""
    if kept:
        assert history.earlier() == kept
