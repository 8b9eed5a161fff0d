"""What every store does in the same way: attempts and pauses."""

from __future__ import annotations

MAX_ATTEMPTS = 5
# No file has these: a photo with one differs from its file, so the next scan asks the hash.
YOUNG_INODE = -1  # it was so young that a later write may not show
OTHER_INODE = -2  # other bytes were met there
PAUSES = (60, 600, 3600, 6 * 3600, 24 * 3600)  # seconds until the next try, by the number of attempts
# Why a photo was set aside that no process survived.
DEADLY = f"the program ended {MAX_ATTEMPTS} times while it described this photo alone"
KEEP_TOMBSTONES = 30 * 86400  # seconds
