"""gitignore patterns: rewritten expressions give pathspec's own results, also with a changed pathspec."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from imgret import gitignore
from imgret.errors import ConfigError
from imgret.exclude import DEFAULTS
from imgret.gitignore import PatternList, compile_pattern, prefilter, without_backtracking

LINES = ["*a*b*.jpg", "!keep*.jpg", "old/", "/top/*.png", "a/**/z", "[!x]?[a-c]*", "x\\ y", "# no pattern"]
PATHS = [
    "cab.jpg", "keep-ab.jpg", "x/cab.jpg", "old/", "old", "q/old/", "top/1.png", "q/top/1.png", "a/b/c/z",
    "a/z/", "x y", "xxa", "yxa", "y/xa", "new\nline/old/", "new\nline/cab.jpg",
]  # fmt: skip

pieces = st.sampled_from(
    ["*", "?", "/", "**/", "a", "b", ".", "-", " ", "[ab]", "[!a]", "[^b]", "[a-b]", "[]/]", "\\*"]
)
patterns = st.tuples(st.sampled_from(["", "!", "/"]), st.lists(pieces, min_size=1, max_size=10)).map(
    lambda parts: parts[0] + "".join(parts[1])
)
names = st.text("ab-. *]", min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))
paths = st.tuples(st.lists(names, min_size=1, max_size=3), st.sampled_from(["", "/"])).map(
    lambda parts: "/".join(parts[0]) + parts[1]
)


def own_results(lines: list[str], paths: list[str]) -> list[int | None]:
    """What pathspec's public interface matches; newlines are replaced, since pathspec does not match them."""
    spec = GitIgnoreSpec.from_lines(lines, backend="simple")
    checked = [spec.check_file(path.replace("\n", "_")) for path in paths]
    return [result.index if result.include else None for result in checked]


def results(lines: list[str], paths: list[str]) -> list[int | None]:
    spec = PatternList(lines)
    return [spec.excluding_line(path) for path in paths]


@pytest.fixture
def no_cache() -> Iterator[None]:
    def clear() -> None:
        compile_pattern.cache_clear()
        gitignore.can_rewrite.cache_clear()

    clear()
    yield
    clear()


@given(st.lists(patterns, min_size=1, max_size=3), paths)
def test_results_are_those_of_pathspec(lines: list[str], path: str) -> None:
    try:
        expected = own_results(lines, [path])
    except ValueError:
        with pytest.raises(ConfigError):
            PatternList(lines)
        return
    assert results(lines, [path]) == expected


@given(st.lists(patterns, min_size=1, max_size=3), paths)
def test_the_prefilter_drops_no_path_that_a_pattern_excludes(lines: list[str], path: str) -> None:
    try:
        may_match = prefilter(lines)
    except ConfigError:
        return
    if may_match is None or may_match(path) is None:
        assert results(lines, [path]) == [None]


def test_expressions_of_this_pathspec_are_rewritten() -> None:
    """Fails when pathspec writes its expressions in another form: `gitignore._TOKENS` must follow it."""
    assert gitignore.can_rewrite()
    for line in [*DEFAULTS, *LINES]:
        regex = GitIgnoreSpecPattern(line).regex
        assert regex is None or gitignore._split(regex.pattern) is not None, line
    regex = GitIgnoreSpecPattern("*a*b").regex
    assert regex is not None
    assert without_backtracking(regex.pattern) == r"^(?:.+/)?(?>[^/]*?a)[^/]*b(?:(?P<ps_d>/)|$)"
    may_match = prefilter(["*.tmp", "old/"])
    assert may_match is not None
    assert may_match("a.jpg") is None


def test_expressions_in_an_unknown_form_are_used_as_they_are(
    monkeypatch: pytest.MonkeyPatch, no_cache: None
) -> None:
    original = GitIgnoreSpecPattern.pattern_to_regex

    def changed(pattern: str) -> tuple[str | None, bool | None]:
        regex, include = original(pattern)
        return regex and f"(?:{regex})(?:)", include

    expected = own_results(LINES, PATHS)
    monkeypatch.setattr(GitIgnoreSpecPattern, "pattern_to_regex", staticmethod(changed))
    assert results(LINES, PATHS) == expected
    may_match = prefilter(LINES)
    assert may_match is not None
    assert all(may_match(path) for path in PATHS)


def test_a_pathspec_that_takes_no_rewritten_patterns_is_used_without(
    monkeypatch: pytest.MonkeyPatch, no_cache: None
) -> None:
    original = GitIgnoreSpecPattern.__init__

    def changed(self: GitIgnoreSpecPattern, pattern: object, include: bool | None = None) -> None:
        if isinstance(pattern, re.Pattern):
            raise TypeError("not a string")
        original(self, pattern, include)

    expected = own_results(LINES, PATHS)
    monkeypatch.setattr(GitIgnoreSpecPattern, "__init__", changed)
    assert not gitignore.can_rewrite()
    assert results(LINES, PATHS) == expected
    may_match = prefilter(LINES)
    assert may_match is not None
    assert all(may_match(path) for path in PATHS)


def test_a_comment_excludes_nothing_and_needs_no_test() -> None:
    assert prefilter(["# a comment", "", "!a.jpg"]) is None


def test_many_stars_take_no_time() -> None:
    lines = ["*a" * 30 + "b.jpg", "*?" * 30 + "b", "*[ab]" * 30 + "c", "*" * 200 + "y"]
    began = time.process_time()
    assert results(lines, ["a" * 240 + ".jpg"]) == [None]
    assert time.process_time() - began < 5
