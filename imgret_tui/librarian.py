"""Threads that ask the library, so that no key ever waits for a disk, a socket or a model.

Two of them: *words* answers at once and does everything short, *meaning* embeds. Each holds only the
latest question: one that is overtaken while it waits is never asked. A library belongs to the thread
that opened it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual.message import Message

from imgret.errors import ImgretError
from imgret_tui.library import Library
from imgret_tui.messages import Answered, Broke, Refused, Troubled

MOST = 10_000  # hits that are marked at once
LIMIT = 50  # hits of a first answer: each costs half a millisecond to describe, and more can be asked for
WORDS_FIRST = 0.1  # seconds that meaning leaves the processor to words, where both are sought in this process
Job = Callable[[Library], Message | None]
Post = Callable[[Message], object]


class Question:
    """What the user wants: words, or photos like one at a path. Numbers grow, so that stale ones are known."""

    __slots__ = ("answered_by_words", "like", "limit", "more", "number", "text")

    def __init__(
        self, number: int, text: str, like: bytes | None = None, limit: int = LIMIT, *, more: bool = False
    ) -> None:
        self.number = number
        self.text = text
        self.like = like
        self.limit = limit
        self.more = more  # of hits that are on the screen: words alone would put others there
        self.answered_by_words = threading.Event()

    @property
    def has_words(self) -> bool:
        """Whether words alone may answer first."""
        return self.like is None and not self.more


class Librarian:
    """The two threads. `ask` and `do` return at once; what comes of them is posted as messages."""

    def __init__(self, opened: Callable[[], Library], post: Post) -> None:
        self._words = _Desk("words", opened, post, self._answer_words)
        self._meaning = _Desk("meaning", opened, post, self._answer_meaning)

    def ask(self, question: Question) -> None:
        """Answer this question, and forget any earlier one that is still waiting."""
        if question.has_words:
            self._words.ask(question)
        self._meaning.ask(question)

    def do(self, kind: str, job: Job) -> None:
        """Run a short job with the library and post the message it gives; the last waiting of a kind."""
        self._words.do(kind, job)

    def close(self, seconds: float = 1.0) -> None:
        """Stop. A model that is just being loaded is not waited for: its thread is a daemon."""
        for desk in (self._words, self._meaning):
            desk.close()
        for desk in (self._words, self._meaning):
            desk.join(seconds)

    @staticmethod
    def _answer_words(library: Library, question: Question) -> Message:
        try:
            return Answered(question.number, library.words(question.text, question.limit), final=False)
        finally:
            question.answered_by_words.set()

    @staticmethod
    def _answer_meaning(library: Library, question: Question) -> Message:
        if question.has_words and library.searches_here:
            question.answered_by_words.wait(WORDS_FIRST)
        if question.like is not None:
            found = library.like(question.like, question.limit)
        else:
            found = library.search(question.text, question.limit)
        return Answered(question.number, found, final=True)


class _Desk(threading.Thread):
    """One thread with a library of its own, a slot for the latest question and a queue of jobs."""

    def __init__(
        self,
        name: str,
        opened: Callable[[], Library],
        post: Post,
        answer: Callable[[Library, Question], Message],
    ) -> None:
        super().__init__(name=f"library-{name}", daemon=True)
        self._opened = opened
        self._post = post
        self._answer = answer
        self._changed = threading.Condition()
        self._question: Question | None = None
        self._jobs: dict[str, Job] = {}
        self._closing = False
        self.start()

    def ask(self, question: Question) -> None:
        with self._changed:
            self._question = question
            self._changed.notify()

    def do(self, kind: str, job: Job) -> None:
        with self._changed:
            self._jobs[kind] = job
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()

    def run(self) -> None:
        library: Library | None = None
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing or self._question or self._jobs)
                    if self._closing:
                        return
                    question, self._question = self._question, None
                    job = self._jobs.pop(next(iter(self._jobs))) if self._jobs and not question else None
                try:
                    library = library or self._opened()
                    if question is not None:
                        self._post(self._answer(library, question))
                    elif job is not None:
                        message = job(library)
                        if message is not None:
                            self._post(message)
                except ImgretError as error:
                    self._post(Refused(question.number, error) if question else Troubled(error))
                except Exception as error:
                    # The end of this thread: unseen, it would leave a search that never ends.
                    self._post(Broke(error))
                    return
        finally:
            if library is not None:
                library.close()
