"""The numbers of tokens in the words index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from imgret.store.postgres.pg_connection import Connection

LONGEST = 500  # bytes; a longer token is stored as its beginning and its hash
KNOWN = 200_000  # tokens whose ids are kept in memory


class TokenIds:
    """The rows of `token`, but for the counts of documents."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {}  # token -> id
        self._new: set[str] = set()  # tokens that the transaction `_new_in` added
        self._new_in: int | None = None

    def of(self, tokens: Iterable[str], *, add: bool = False) -> dict[str, int]:
        """The ids of these tokens by `key`; with `add`, unknown ones get one, else they are left out."""
        keys = {key(token) for token in tokens}
        if unknown := keys - self._known.keys():
            if len(self._known) > KNOWN:
                self._known = {token: self._known[token] for token in keys & self._known.keys()}
            rows = self._connection.rows("SELECT text, id FROM token WHERE text = ANY (%s)", (list(unknown),))
            self._known.update(rows)
            if add and (new := sorted(unknown - self._known.keys())):
                self._add(new)
        return {token: self._known[token] for token in keys & self._known.keys()}

    def forget(self) -> None:
        """Forget what the transaction added, which is undone."""
        for token in self._new:
            self._known.pop(token, None)
        self._new.clear()

    def _add(self, new: Sequence[str]) -> None:
        """Add tokens; another transaction may have added some meanwhile."""
        with self._connection.writing() as db:
            self._connection.in_order()
            rows = db.query(
                "INSERT INTO token (text) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING RETURNING text, id",
                (new,),
            ).fetchall()
            if self._new_in != self._connection.transaction:  # the one before was committed
                self._new, self._new_in = set(), self._connection.transaction
            self._new.update(text for text, _ in rows)
            self._known.update(rows)
            if theirs := [token for token in new if token not in self._known]:
                self._known.update(
                    db.query("SELECT text, id FROM token WHERE text = ANY (%s)", (theirs,)).fetchall()
                )


def key(token: str) -> str:
    """A token as it is stored: an index entry has a largest size."""
    data = token.encode()
    if len(data) <= LONGEST:
        return token
    return f"{data[:100].decode('utf-8', 'ignore')} {blake2b(data, digest_size=16).hexdigest()}"
