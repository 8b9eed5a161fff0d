"""Runs the search backend on threads of its own, so that no key waits for a disk, a socket or a model.

One thread searches by words and runs short jobs. Another one searches by meaning, which may load a model. A third one
starts when there is a job of minutes. Each has a backend of its own and keeps only the newest query: an older one that
still waits is dropped. What the user saves is never dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual.message import Message

from imgret.errors import ImgretError
from imgret_tui.note_saving import NoteJob, NoteNotSaved
from imgret_tui.picker_messages import JobFailed, QueryFailed, ResultsReady, ThreadCrashed
from imgret_tui.query_tracker import Query
from imgret_tui.search_backend import SearchBackend

WORDS_FIRST_SECONDS = 0.1  # that a local search by meaning leaves the processor to the search by words
# that the end of the program waits for what the user saved: another process may write now
SAVING_SECONDS = 30.0
Job = Callable[[SearchBackend], Message | None]
Post = Callable[[Message], object]


class BackendThreads:
    """The threads. `search`, `run` and `save` return at once; results and errors are posted as messages."""

    def __init__(self, open_backend: Callable[[], SearchBackend], post: Post) -> None:
        """`post` is called on the threads."""
        self._open_backend = open_backend
        self._post = post
        self._slow: _BackendThread | None = None
        self._words = _BackendThread("words", open_backend, post, self._search_words)
        self._meaning = _BackendThread("meaning", open_backend, post, self._search_meaning)

    def search(self, query: Query) -> None:
        """Search; drop an earlier query that still waits."""
        if query.has_words_stage:
            self._words.search(query)
        self._meaning.search(query)

    def run(self, kind: str, job: Job) -> None:
        """Run a short job with the backend and post the message it returns. Replaces a waiting job of its kind."""
        self._words.run_job(kind, job)

    def save(self, job: Job) -> None:
        """Run a job that saves what the user wrote. It runs before all others, and also if the program ends now."""
        self._words.save(job)

    def forget(self, error: ImgretError) -> None:
        """Do not return an error at the end: the user has seen it."""
        self._words.forget(error)

    def run_slowly(self, kind: str, job: Job) -> None:
        """Run a job that takes minutes, on a thread of its own, so that searches continue."""
        if self._slow is None:
            self._slow = _BackendThread("slow", self._open_backend, self._post, self._search_words)
        self._slow.run_job(kind, job)

    def close(self, seconds: float = 1.0) -> list[ImgretError]:
        """Save what is still to be saved, and stop. Return the errors of what could not be saved, but for forgotten ones.

        Waits at most `seconds` for a thread that saves nothing: one that loads a model ends with the process.
        """
        threads = [thread for thread in (self._words, self._meaning, self._slow) if thread is not None]
        for thread in threads:
            thread.close()
        for thread in threads:
            thread.join(SAVING_SECONDS if thread.is_saving else seconds)
        return [*self._words.unsaved, *self._words.errors_of_waiting()]

    @staticmethod
    def _search_words(backend: SearchBackend, query: Query) -> Message:
        try:
            return ResultsReady(query.number, backend.search_words(query.text, query.limit), final=False)
        finally:
            query.words_finished.set()

    @staticmethod
    def _search_meaning(backend: SearchBackend, query: Query) -> Message:
        if query.has_words_stage and backend.is_local:
            query.words_finished.wait(WORDS_FIRST_SECONDS)
        if query.similar_to is not None:
            results = backend.search_similar(query.similar_to, query.limit)
        else:
            results = backend.search(query.text, query.limit)
        return ResultsReady(query.number, results, final=True)


class _BackendThread(threading.Thread):
    """One thread with a backend, a slot for the newest query and queues of jobs."""

    def __init__(
        self,
        name: str,
        open_backend: Callable[[], SearchBackend],
        post: Post,
        search: Callable[[SearchBackend, Query], Message],
    ) -> None:
        super().__init__(name=f"backend-{name}", daemon=True)
        self._open_backend = open_backend
        self._post = post
        self._search = search
        self._changed = threading.Condition()
        self._query: Query | None = None
        self._jobs: dict[str, Job] = {}
        self._saves: list[Job] = []  # the first one until it has ended
        # of saves, until they are forgotten: a message that is posted while the app ends may have no reader
        self.unsaved: list[ImgretError] = []
        self._closing = False
        self.start()

    def search(self, query: Query) -> None:
        with self._changed:
            self._query = query
            self._changed.notify()

    def run_job(self, kind: str, job: Job) -> None:
        with self._changed:
            self._jobs[kind] = job
            self._changed.notify()

    def save(self, job: Job) -> None:
        with self._changed:
            self._saves.append(job)
            self._changed.notify()

    @property
    def is_saving(self) -> bool:
        with self._changed:
            return bool(self._saves)

    def forget(self, error: ImgretError) -> None:
        with self._changed:
            if error in self.unsaved:
                self.unsaved.remove(error)

    def errors_of_waiting(self) -> list[ImgretError]:
        """One error for each job that was to save something and has not ended."""
        busy = ImgretError("the index was busy: not all notes and tags were saved")
        with self._changed:
            return [job.failed(busy) if isinstance(job, NoteJob) else busy for job in self._saves]

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()

    def run(self) -> None:
        backend: SearchBackend | None = None
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing or self._saves or self._query or self._jobs)
                    query: Query | None = None
                    job: Job | None = None
                    saves = bool(self._saves)
                    if saves:
                        job = self._saves[0]
                    elif self._closing:
                        return
                    elif self._query is not None:
                        query, self._query = self._query, None
                    else:
                        job = self._jobs.pop(next(iter(self._jobs)))
                try:
                    backend = backend or self._open_backend()
                    if query is not None:
                        self._post(self._search(backend, query))
                    elif job is not None:
                        message = job(backend)
                        if message is not None:
                            self._post(message)
                except ImgretError as error:
                    if isinstance(job, NoteJob) and not isinstance(error, NoteNotSaved):
                        error = job.failed(error)  # the backend could not be opened
                    if saves:
                        with self._changed:
                            self.unsaved.append(error)
                    if saves and self._closing:
                        continue  # nobody reads a message any more
                    self._post(QueryFailed(query.number, error) if query else JobFailed(error))
                except Exception as error:
                    # This ends the thread. Unreported, the search would seem to continue for ever.
                    self._post(ThreadCrashed(error))
                    return
                finally:
                    if saves:
                        with self._changed:
                            del self._saves[0]
        finally:
            if backend is not None:
                backend.close()
