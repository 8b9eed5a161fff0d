"""The history of queries: private, limited, each query once, and never an error."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret_tui.query_history import MAX_QUERIES, QueryHistory


def test_the_newest_query_comes_first_and_nothing_before_the_oldest(tmp_path: Path) -> None:
    history = QueryHistory(str(tmp_path / "state" / "questions"))
    for query in ("one", "two", "  one  "):
        history.add(query)
    again = QueryHistory(str(tmp_path / "state" / "questions"))
    assert [again.previous(), again.previous(), again.previous()] == ["one", "two", None]
    assert again.is_browsing
    again.stop_browsing()
    assert again.previous() == "one"


def test_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "questions"
    QueryHistory(str(path)).add("two dogs")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["questions"]


def test_two_pickers_keep_the_queries_of_each_other(tmp_path: Path) -> None:
    path = str(tmp_path / "questions")
    one, other = QueryHistory(path), QueryHistory(path)
    one.add("first")
    other.add("second")
    assert QueryHistory(path).previous() == "second"
    third = QueryHistory(path)
    assert [third.previous(), third.previous()] == ["second", "first"]


def test_a_file_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = QueryHistory(str(tmp_path / "file" / "questions"))
    history.add("two dogs")
    assert history.previous() == "two dogs"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.text(), max_size=30))
def test_any_query_is_stored_as_one_line(tmp_path: Path, queries: list[str]) -> None:
    path = tmp_path / "questions"
    path.unlink(missing_ok=True)
    history = QueryHistory(str(path))
    for query in queries:
        history.add(query)
    assert len(path.read_text().splitlines() if path.exists() else []) <= MAX_QUERIES
    kept = " ".join(queries[-1].split()) if queries else ""
    if kept:
        assert history.previous() == kept
