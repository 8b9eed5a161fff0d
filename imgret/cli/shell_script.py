"""The script that `imgret shell` prints: completion, and a key that inserts photos chosen in `imgret-tui`.

A shell reads it whenever it starts, so little is imported.
"""

from __future__ import annotations

import os
import re

from imgret.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
KEY = "ctrl-alt-p"
FOLDER = os.path.join(os.path.dirname(__file__), "shell")
_KEY = re.compile(r"(?P<ctrl>ctrl-)?(?P<alt>alt-)?(?P<letter>[a-z])|(?P<alt_first>alt-)ctrl-(?P<last>[a-z])")


def script(shell: str, key: str = KEY) -> str:
    """Return the script for a shell. Raises UsageError for an unknown shell or a key that it cannot bind."""
    if shell not in SHELLS:
        raise UsageError(f"there is no shell {shell} here", f"One of {', '.join(SHELLS)}.")
    sequence = _sequence(shell, key)
    parts = []
    for name in ("complete", "key"):
        with open(os.path.join(FOLDER, f"{name}.{shell}"), encoding="utf-8") as file:
            parts.append(file.read())
    return "\n".join(parts).replace("@KEY@", sequence)


def _sequence(shell: str, key: str) -> str:
    """Return a key as the shell's `bind` writes it: ctrl-alt-p is `\\e\\C-p` in bash, `^[^P` in zsh, `\\e\\cp` in fish."""
    match = _KEY.fullmatch(key.lower())
    letter = match and (match["letter"] or match["last"])
    ctrl = match and (match["ctrl"] or match["last"])
    alt = match and (match["alt"] or match["alt_first"])
    if not match or not letter or not (ctrl or alt) or (ctrl and not alt and letter in "ijmcd"):
        raise UsageError(f"--key {key}: no key that a shell can bind", "Write ctrl-alt-p, alt-p or ctrl-o.")
    if shell == "zsh":
        return ("^[" if alt else "") + (f"^{letter.upper()}" if ctrl else letter)
    control = "\\C-" if shell == "bash" else "\\c"
    return ("\\e" if alt else "") + (control if ctrl else "") + letter
