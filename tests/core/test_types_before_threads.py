"""Types that several threads decode are prepared when their module is imported.

If two threads prepare one at once, msgspec 0.22 reads types that are not there yet, and the process crashes.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

# Prints the functions that msgspec calls to read the annotations of a type.
PROGRAM = """
import sys, msgspec
{imports}
def called(frame, event, _):
    if frame.f_code.co_name == "get_class_annotations":
        print(frame.f_locals.get("obj"))
sys.setprofile(called)
{decode}
"""


@pytest.mark.parametrize(
    ("imports", "decode"),
    [
        (
            "from imgret.decode import decoder_handle",
            "msgspec.msgpack.decode(b'\\x80', type=decoder_handle.WorkerReply)",
        ),
        (
            "from imgret.store import codes_file",
            """msgspec.json.decode(b'{"about": 1, "arrays": []}', type=codes_file._Header)""",
        ),
        ("from imgret_tui import hit_decoder", """hit_decoder.decode_hits(b'{"path": "/a.jpg"}')"""),
    ],
)
def test_nothing_is_left_to_prepare(imports: str, decode: str) -> None:
    program = PROGRAM.format(imports=imports, decode=decode)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
