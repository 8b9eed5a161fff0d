"""The rows of the queue that a transaction adds and removes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from imgret.store.policy import BACKLOG
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_connection import Connection

# The date of the content with the id `{0}`. A time in the future comes from a wrong clock, and counts as now.
DATE = (
    "greatest(0, least(extract(epoch FROM clock_timestamp())::bigint, coalesce("
    "(SELECT date FROM content AS dated WHERE dated.id = {0}), (SELECT"
    " max(mtime_ns) / 1000000000 FROM photo WHERE photo.content = {0} AND gone_at IS NULL), 0)))"
)


class PendingWork:
    """Collects changes of the queue; the last one of a content and stage counts.

    Dates are changed at the end of the transaction: only claims read them, and most of the work is done by then.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._done: dict[int, dict[str, None]] = {}  # content -> stages
        self._queued: dict[int, dict[str, int]] = {}  # content -> stage -> request; after what is done
        self._dated: dict[int, None] = {}
        connection.at_commit(self.write_dates, self._dated.clear)

    def queue(self, content: int, stages: Iterable[str], request: int) -> None:
        """Queue stages of a content. What waits already keeps its attempts, but may move ahead."""
        with self._connection.writing():
            for stage in stages:
                queued = self._queued.setdefault(content, {})
                if queued.get(stage, BACKLOG) == BACKLOG:
                    queued[stage] = request
                    self._connection.pending.contents.add(content)

    def done(self, content: int, stages: Iterable[str]) -> None:
        """Remove stages of a content from the queue."""
        with self._connection.writing():
            for stage in stages:
                self._queued.get(content, {}).pop(stage, None)
                self._done.setdefault(content, {})[stage] = None
                self._connection.pending.contents.add(content)

    def changed(self, content: int, waiting: Collection[str]) -> tuple[set[str], set[str]]:
        """What becomes of the stages of a content that wait in the queue -> those that stay, and those that come."""
        stay = set(waiting) - self._done.get(content, {}).keys()
        return stay, set(self._queued.get(content, {})) - stay

    def update_date(self, content: int) -> None:
        """Order the work of a content by the date of the photo, which has just become known."""
        with self._connection.writing():
            self._dated[content] = None

    def write_dates(self) -> None:
        """Change the dates, before they are read."""
        if self._dated:
            contents = list(self._dated)
            self._dated.clear()
            with self._connection.writing() as db:
                self._connection.in_order()
                db.query(
                    f"UPDATE work SET date = {DATE.format('work.content')} WHERE content = ANY (%s::bigint[])",
                    (contents,),
                )

    def write_pending(self, db: Database) -> None:
        """See `pg_pending.Writer`."""
        done = [(content, stage) for content, stages in self._done.items() for stage in stages]
        queued = [(content, *each) for content, stages in self._queued.items() for each in stages.items()]
        self._done, self._queued = {}, {}
        if done or queued:
            self._connection.in_order()  # what waits is counted for all contents together
        if done:
            db.query(
                "DELETE FROM work USING unnest(%s::bigint[], %s::text[]) AS done (content, stage)"
                " WHERE work.content = done.content AND work.stage = done.stage",
                ([content for content, _ in done], [stage for _, stage in done]),
            )
        if queued:
            db.query(
                f"INSERT INTO work (content, stage, request, date) SELECT content.id, stage, request, {DATE.format('content.id')}"
                " FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS new (content, stage, request)"
                " JOIN content ON content.id = new.content"
                " ON CONFLICT (content, stage) DO UPDATE SET request = excluded.request"
                f" WHERE work.request = {BACKLOG} AND excluded.request > {BACKLOG}",
                (
                    [content for content, _, _ in queued],
                    [stage for _, stage, _ in queued],
                    [request for _, _, request in queued],
                ),
            )

    def forget_pending(self) -> None:
        """See `pg_pending.Writer`."""
        self._done.clear()
        self._queued.clear()
