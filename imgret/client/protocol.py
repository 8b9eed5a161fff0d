"""Protocol v1 of the daemon's socket: newline-delimited JSON, written and read here and nowhere else.

Pure, and imported by `imgret query` before anything else: json is all it needs.

A client sends one line a request, and may send the next without waiting. Answers come in order::

    {"v":1,"id":7,"method":"query","params":{"text":"two dogs"}}
    {"v":1,"id":7,"result":{...}}                     the answer
    {"v":1,"id":7,"result":{...},"bytes":5120}        the answer, and 5120 bytes follow its newline
    {"v":1,"id":7,"error":{"code":"usage","message":"...","hint":"...","exit":2}}
    {"v":1,"event":"progress","data":{...}}           between answers, to who subscribed

The bytes after an answer are a command's finished output: they are copied, not parsed. A line, newline
included, is at most `LINE_LIMIT` long. All text is escaped to ASCII, so that a path that is not UTF-8 passes
as Python's surrogate escapes.
"""

from __future__ import annotations

import json
import math

from imgret.errors import Exit, ImgretError

TYPE_CHECKING = False  # typing's own costs 3 ms to import
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
LINE_LIMIT = 1 << 20  # bytes
ID_LIMIT = 200  # characters of an id that is a string: each answer repeats it
TEXT_LIMIT = 2000  # characters of a message or a hint, which may quote what was sent

# Error codes. The first five say that the request itself is wrong.
NOT_JSON = "not_json"
TOO_LONG = "too_long"
WRONG_VERSION = "wrong_version"
UNKNOWN_METHOD = "unknown_method"
BAD_PARAMS = "bad_params"
TIMED_OUT = "timed_out"  # half a line came, and then nothing
STOPPING = "stopping"  # the daemon is leaving: ask again, or without it
BUSY = "busy"  # more clients are being answered than are let in: ask again, or without it
OTHER_INDEX = "other_index"  # the daemon serves another one than was asked for
FAILED = "failed"  # the request is fine, the work failed; `exit` and `message` say how


class Refused(ImgretError):
    """The other side's request or answer is not to be had; `code` is one of this module's."""

    def __init__(
        self, code: str, message: str, hint: str = "", exit_code: int = Exit.DAEMON, request: Any = None
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.exit_code = _exit(exit_code)
        self.request = request  # the id, where it could be read


class Request:
    """One question: an `id` of the client's choice, a method and its parameters."""

    __slots__ = ("id", "method", "params")

    def __init__(self, id: Any, method: str, params: dict[str, Any]) -> None:  # noqa: A002
        self.id = id
        self.method = method
        self.params = params


class Answer:
    """What came back: the result, and how many bytes of finished output follow."""

    __slots__ = ("body", "id", "result")

    def __init__(self, id: Any, result: Any, body: int) -> None:  # noqa: A002
        self.id = id
        self.result = result
        self.body = body


def request_line(id: Any, method: str, params: dict[str, Any]) -> bytes:  # noqa: A002
    """A request as its line."""
    return _line({"v": VERSION, "id": id, "method": method, "params": params})


def result_line(id: Any, result: Any, body: int = 0) -> bytes:  # noqa: A002
    """An answer as its line; `body` is how many bytes will follow."""
    message = {"v": VERSION, "id": id, "result": result}
    return _line({**message, "bytes": body} if body else message)


def error_line(error: Refused) -> bytes:
    """A refusal as its line; a very long message is cut, so that every client can read the line."""
    said = {
        "code": error.code,
        "message": _cut(str(error)),
        "hint": _cut(error.hint),
        "exit": int(error.exit_code),
    }
    return _line({"v": VERSION, "id": error.request, "error": said})


def event_line(name: str, data: dict[str, Any]) -> bytes:
    """An event as its line."""
    return _line({"v": VERSION, "event": name, "data": data})


def read_request(line: bytes) -> Request:
    """The request on a line. Raises Refused, with the id where there is one to answer to."""
    message = _object(line)
    identity = message.get("id")
    if not _is_id(identity):
        raise Refused(
            BAD_PARAMS, f"the id must be a number, null or a string of at most {ID_LIMIT} characters"
        )
    if message.get("v") != VERSION:
        raise Refused(
            WRONG_VERSION,
            f"this daemon speaks version {VERSION} of the protocol",
            "Use the imgret and imgretd of one release.",
            request=identity,
        )
    method, params = message.get("method"), message.get("params", {})
    if not isinstance(method, str):
        raise Refused(BAD_PARAMS, "the request names no method", request=identity)
    if not isinstance(params, dict):
        raise Refused(BAD_PARAMS, "params must be an object", request=identity)
    return Request(identity, method, params)


def read_answer(line: bytes) -> Answer:
    """The answer on a line. Raises Refused when it is a refusal, or nothing of this protocol."""
    message = _object(line)
    if message.get("v") != VERSION:
        raise Refused(WRONG_VERSION, "the daemon speaks another version of the protocol")
    error, body = message.get("error"), message.get("bytes", 0)
    if isinstance(error, dict):
        raise Refused(
            str(error.get("code", FAILED)),
            str(error.get("message", "")),
            str(error.get("hint", "")),
            error.get("exit", Exit.DAEMON),
            message.get("id"),
        )
    if "result" not in message or type(body) is not int or body < 0:
        raise Refused(NOT_JSON, "the daemon's answer makes no sense")
    return Answer(message.get("id"), message["result"], body)


def read_query(result: Any) -> tuple[list[str], Exit]:
    """The result of `query`: sentences for stderr, and how the command ends. Raises Refused."""
    if isinstance(result, dict) and isinstance(result.get("notes"), list):
        return [str(note) for note in result["notes"]], _exit(result.get("exit"))
    raise Refused(NOT_JSON, "the daemon's answer makes no sense")


def read_event(line: bytes) -> tuple[str, dict[str, Any]] | None:
    """The name and data of an event; None for any other line."""
    message = _object(line)
    name, data = message.get("event"), message.get("data")
    return (name, data) if isinstance(name, str) and isinstance(data, dict) else None


def refusal(error: ImgretError, request: Any = None) -> Refused:
    """Any error of ours, as it is told over the socket."""
    return Refused(FAILED, str(error), error.hint, error.exit_code, request)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LINE_LIMIT:
        raise Refused(TOO_LONG, f"a line is at most {LINE_LIMIT} bytes")
    try:
        message = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(NOT_JSON, "the line is not JSON") from None
    if not isinstance(message, dict):
        raise Refused(NOT_JSON, "the line is not a JSON object")
    return message


def _no_constant(name: str) -> None:
    """NaN and Infinity are no JSON, though Python reads them: no answer could repeat them."""
    raise ValueError(name)


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= ID_LIMIT
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "..."


def _exit(code: Any) -> Exit:
    """An exit code from the other side, which may be of a release that knows more of them."""
    try:
        return Exit(code)
    except ValueError:
        return Exit.DAEMON
