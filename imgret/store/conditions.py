"""Conditions in SQL that all engines use."""

from __future__ import annotations

from imgret.store.records import IMPORTED

# A content, the column `{}`, has a photo that is not deleted.
HAS_PHOTO = "EXISTS (SELECT 1 FROM photo WHERE photo.content = {} AND gone_at IS NULL)"

# The user wrote a note about a content, the column `{0}`, or imported tags for it.
OWNED = (
    "(EXISTS (SELECT 1 FROM note WHERE note.content = {0})"
    f" OR EXISTS (SELECT 1 FROM tag WHERE tag.content = {{0}} AND stage = '{IMPORTED}'))"
)

# Of a row of `photo`: it could not be read or described. Without OR and NOT IN: PostgreSQL would search the lists from the
# beginning for each photo where they are longer than its work memory.
FAILED = (
    "id IN (SELECT failed.id FROM work JOIN photo AS failed ON failed.content = work.content WHERE error IS NOT NULL"
    " UNION ALL SELECT photo FROM unreadable)"
)
NOT_FAILED = (
    "NOT EXISTS (SELECT 1 FROM work WHERE work.content = photo.content AND error IS NOT NULL)"
    " AND NOT EXISTS (SELECT 1 FROM unreadable WHERE unreadable.photo = photo.id)"
)

# The seconds during which a photo may have been taken; the shortest month and year are near enough.
DURATION = (
    "CASE date_precision WHEN 'day' THEN 86400 WHEN 'month' THEN 2419200 WHEN 'year' THEN 31536000 ELSE 1 END"
)
LONGEST = 31_536_000  # of these durations
