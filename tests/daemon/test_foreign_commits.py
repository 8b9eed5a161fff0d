"""How often the describing thread looks for work after commits of other hosts."""

from __future__ import annotations

from imgretd.foreign_commits import LONGEST_PAUSE, PAUSE, ForeignCommits


def test_nobody_has_committed():
    commits = ForeignCommits()
    commits.looked(100.0, found=False)
    assert commits.wait == float("inf")


def test_the_first_commit_is_looked_at_at_once_and_only_once():
    commits = ForeignCommits()
    commits.add()
    assert commits.wait == 0
    commits.see()
    assert commits.wait == float("inf")


def test_the_next_look_waits_longer_the_longer_the_last_one_took():
    commits = ForeignCommits()
    commits.looked(0.2, found=False)
    commits.add()
    assert 0 < commits.wait <= PAUSE * 0.2
    commits.looked(100.0, found=False)
    assert PAUSE * 0.2 < commits.wait <= LONGEST_PAUSE
    commits.looked(0.0, found=False)  # in a short queue
    assert commits.wait == 0


def test_a_look_that_found_work_is_followed_by_the_next_one_at_once():
    commits = ForeignCommits()
    commits.looked(100.0, found=False)
    commits.add()
    commits.looked(100.0, found=True)
    assert commits.wait == 0
