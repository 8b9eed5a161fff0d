r"""gitignore patterns by pathspec, matched in time proportional to the length of a path.

pathspec turns each pattern into a regular expression that Python backtracks in: a pattern with many stars can
take minutes for one file name. The form of these expressions is not part of pathspec's interface, so every
expression is parsed before it is rewritten, and an unknown form is used unchanged. If a version of pathspec
does not work with rewritten patterns, `can_rewrite` returns False and pathspec's own patterns are used. The
results are the same; only the speed differs.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from imgret.errors import ConfigError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

_STAR = "[^/]*"
_TOKENS = re.compile(
    r"(?P<character>"  # matches exactly one character of a name
    r"\\[^a-zA-Z0-9]"  # an escaped character
    r"|\[\^/\](?![*+?{])"  # a question mark
    r"|\[\^?\]?(?:\\.|[^\]\\])*\](?![*+?{])"  # a bracket expression
    r"|[^\\/.^$*+?{}()|\[\]])"  # a plain character
    r"|(?P<star>\[\^/\]\*)"
    r"|(?P<other>\^|/|\.|\[\^/\]\+|\(\?:\.\+/\)\?|\(\?:/\.\+\)\?"
    r"|\(\?P<\w+>/\)|\(\?:\(\?P<\w+>/\)\|\$\)"
    r"|\(\?>\[\^/\]\*\?|\))",  # written by `without_backtracking`
    re.DOTALL,
)
_GROUP_NAME = re.compile(r"\(\?P<\w+>")
_FLAGS = re.compile("", re.DOTALL).flags
_SAMPLE_LINES = ("*a*b.jpg", "!c.jpg", "x/", "#")
_SAMPLE_PATHS = ("aab.jpg", "f/aab.jpg", "c.jpg", "x", "x/", "y/x/", "b.jpg")


def check_pattern(line: str) -> None:
    """Raise ConfigError, naming the pattern, if `line` is not a valid gitignore pattern."""
    compile_pattern(line)


@lru_cache(maxsize=1 << 15)
def compile_pattern(line: str) -> GitIgnoreSpecPattern:
    """Compile one line of a gitignore file; a comment or an empty line becomes a pattern that matches nothing.

    Raises ConfigError, naming the pattern, if it is not valid.
    """
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `re` warns about "[[" on stderr
            pattern = GitIgnoreSpecPattern(line)
            return _rewritten(pattern) if can_rewrite() else pattern
    except (ValueError, re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"exclude contains {line!r}, which is not a gitignore pattern: {error}") from None


class PatternList:
    """The lines of one gitignore file, a later one overriding the earlier ones."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Compile the lines. Raises as `compile_pattern`."""
        from pathspec import GitIgnoreSpec

        self._spec = GitIgnoreSpec.from_lines(lines, compile_pattern, backend="simple")
        self._is_rewritten = can_rewrite()

    def excluding_line(self, path: str) -> int | None:
        """The number, from 0, of the line that excludes `path`, whose folders are not looked at; None for none.

        The path of a folder ends with a slash.
        """
        if not self._is_rewritten:
            # pathspec's own expressions do not match a newline. No path has a NUL.
            path = path.replace("\n", "\0")
        result = self._spec.check_file(path)
        return result.index if result.include else None


def prefilter(lines: Sequence[str]) -> Callable[[str], object] | None:
    """Return a quick test for many patterns: it returns None for a path only if no pattern excludes that path.

    Returns None if none of the lines excludes anything. Raises as `compile_pattern`.
    """
    excluding = [pattern for pattern in map(compile_pattern, lines) if pattern.include]
    if not excluding:
        return None
    expressions = [_known_expression(pattern) for pattern in excluding]
    if None in expressions or not can_rewrite():
        return lambda _: True
    return re.compile("|".join(f"(?:{expression})" for expression in expressions), re.DOTALL).search


@cache
def can_rewrite() -> bool:
    """Return whether this version of pathspec accepts rewritten patterns and matches the same paths with them."""
    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    def results(spec: GitIgnoreSpec) -> list[tuple[bool | None, int | None]]:
        checked = [spec.check_file(path) for path in _SAMPLE_PATHS]
        return [(result.include, result.index) for result in checked]

    def rewritten(line: str) -> GitIgnoreSpecPattern:
        return _rewritten(GitIgnoreSpecPattern(line))

    try:
        own = GitIgnoreSpec.from_lines(_SAMPLE_LINES, backend="simple")
        return results(own) == results(GitIgnoreSpec.from_lines(_SAMPLE_LINES, rewritten, backend="simple"))
    except (AssertionError, AttributeError, TypeError, ValueError):
        return False


def _rewritten(pattern: GitIgnoreSpecPattern) -> GitIgnoreSpecPattern:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    regex = pattern.regex
    if regex is None:  # a comment or an empty line
        return pattern
    # DOTALL: the name of a folder may contain a newline.
    compiled = re.compile(without_backtracking(regex.pattern), regex.flags | re.DOTALL)
    return GitIgnoreSpecPattern(compiled, pattern.include)


def _known_expression(pattern: GitIgnoreSpecPattern) -> str | None:
    """Return the expression of a rewritten pattern without group names, which must be unique in an expression.

    Returns None for an unknown form, which might change its meaning as one of several alternatives.
    """
    regex = pattern.regex
    if regex is None or regex.flags != _FLAGS or _split(regex.pattern) is None:
        return None
    return _GROUP_NAME.sub("(?:", regex.pattern)


def without_backtracking(regex: str) -> str:
    """Return an equivalent of pathspec's regular expression that takes time proportional to the length of a name.

    The part between two stars may be matched at its first occurrence: the rest can still match after it, because
    the second star covers the difference. This is true if that part matches a fixed number of characters, none of
    them a slash. Returns `regex` itself if it has an unknown form.
    """
    tokens = _split(regex)
    if tokens is None:
        return regex
    stars = [i for i, token in enumerate(tokens) if token == _STAR]
    opened = {
        star
        for star, following in pairwise(stars)
        if all(_is_one_character(token) for token in tokens[star + 1 : following])
    }
    closed = {following for star, following in pairwise(stars) if star in opened}
    return "".join(
        (")" if i in closed else "") + (f"(?>{_STAR}?" if i in opened else token)
        for i, token in enumerate(tokens)
    )


def _split(regex: str) -> list[str] | None:
    """Return the tokens of a regular expression; None if one of them is unknown."""
    tokens, end = [], 0
    for match in _TOKENS.finditer(regex):
        if match.start() != end:
            return None
        tokens.append(match[0])
        end = match.end()
    return tokens if end == len(regex) else None


def _is_one_character(token: str) -> bool:
    """Return whether a token matches exactly one character, and never a slash."""
    match = _TOKENS.fullmatch(token)
    return match is not None and match["character"] is not None and re.fullmatch(token, "/") is None
