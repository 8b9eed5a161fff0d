"""The condition in SQL of a rating that counts: the user's own one, else that of the file."""

from __future__ import annotations

from imgret.store.records import IMPORTED

RATING = "rating"  # the kind of tags
# The contents of these tags; a condition on the label may follow.
RATED = (
    f"SELECT content FROM tag WHERE kind = '{RATING}' AND (stage = '{IMPORTED}' OR content NOT IN"
    f" (SELECT content FROM tag WHERE kind = '{RATING}' AND stage = '{IMPORTED}'))"
)
