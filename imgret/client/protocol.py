"""Encode and decode protocol v1 of the daemon's socket: newline-delimited JSON.

Pure functions. `imgret query` imports this module first, so it depends only on json.

A client sends each request as one line, and may send the next without waiting. Responses arrive in order::

    {"v":1,"id":7,"method":"query","params":{"text":"two dogs"}}
    {"v":1,"id":7,"result":{...}}                     the response
    {"v":1,"id":7,"result":{...},"bytes":5120}        the response; 5120 bytes follow its newline
    {"v":1,"id":7,"error":{"code":"usage","message":"...","hint":"...","exit":2}}
    {"v":1,"event":"progress","data":{...}}           between responses, to subscribers

The bytes after a response are a command's finished output: they are copied, not parsed. A line is at most
`LINE_LIMIT` bytes long, including its newline. All text is escaped to ASCII; bytes of a path that are not UTF-8 are
sent as Python's surrogate escapes.
"""

from __future__ import annotations

import json
import math

from imgret.errors import Exit, ImgretError

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
LINE_LIMIT = 1 << 20  # bytes
ID_LIMIT = 200  # characters of an id that is a string; each response repeats the id
TEXT_LIMIT = 2000  # characters of a message or a hint, which may quote the request

# Error codes. The first five mean that the request itself is invalid.
NOT_JSON = "not_json"
TOO_LONG = "too_long"
WRONG_VERSION = "wrong_version"
UNKNOWN_METHOD = "unknown_method"
BAD_PARAMS = "bad_params"
TIMED_OUT = "timed_out"  # the line was not completed in time
STOPPING = "stopping"  # the daemon is stopping: retry, or do the work without it
BUSY = "busy"  # too many clients are connected: retry, or do the work without the daemon
OTHER_INDEX = "other_index"  # the daemon serves another index than the requested one
FAILED = "failed"  # the request is valid but the work failed; see `exit` and `message`


class Refused(ImgretError):
    """A request failed, or a message is invalid. `code` is one of the error codes of this module."""

    def __init__(
        self, code: str, message: str, hint: str = "", exit_code: int = Exit.DAEMON, request: Any = None
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.exit_code = _exit(exit_code)
        self.request = request  # the id of the request, or None if it could not be read


class Request:
    """A request: an `id` chosen by the client, a method and its parameters."""

    __slots__ = ("id", "method", "params")

    def __init__(self, id: Any, method: str, params: dict[str, Any]) -> None:  # noqa: A002
        self.id = id
        self.method = method
        self.params = params


class Response:
    """A response: the result, and the number of bytes of finished output that follow (`body`)."""

    __slots__ = ("body", "id", "result")

    def __init__(self, id: Any, result: Any, body: int) -> None:  # noqa: A002
        self.id = id
        self.result = result
        self.body = body


def request_line(id: Any, method: str, params: dict[str, Any]) -> bytes:  # noqa: A002
    """Return the line of a request."""
    return _line({"v": VERSION, "id": id, "method": method, "params": params})


def result_line(id: Any, result: Any, body: int = 0) -> bytes:  # noqa: A002
    """Return the line of a successful response; `body` is the number of bytes that will follow it."""
    message = {"v": VERSION, "id": id, "result": result}
    return _line({**message, "bytes": body} if body else message)


def error_line(error: Refused) -> bytes:
    """Return the line of an error. Very long messages are shortened to keep the line within its limit."""
    details = {
        "code": error.code,
        "message": _cut(str(error)),
        "hint": _cut(error.hint),
        "exit": int(error.exit_code),
    }
    return _line({"v": VERSION, "id": error.request, "error": details})


def event_line(name: str, data: dict[str, Any]) -> bytes:
    """Return the line of an event."""
    return _line({"v": VERSION, "event": name, "data": data})


def read_request(line: bytes) -> Request:
    """Parse a request. Raises Refused, with the id of the request if it could be read."""
    message = _object(line)
    identity = message.get("id")
    if not _is_id(identity):
        raise Refused(
            BAD_PARAMS, f"the id must be a number, null or a string of at most {ID_LIMIT} characters"
        )
    if message.get("v") != VERSION:
        raise Refused(
            WRONG_VERSION,
            f"this daemon uses version {VERSION} of the protocol",
            "Install imgret and imgretd from the same release.",
            request=identity,
        )
    method, params = message.get("method"), message.get("params", {})
    if not isinstance(method, str):
        raise Refused(BAD_PARAMS, "the request has no method", request=identity)
    if not isinstance(params, dict):
        raise Refused(BAD_PARAMS, "params must be an object", request=identity)
    return Request(identity, method, params)


def read_response(line: bytes) -> Response:
    """Parse a response. Raises Refused when it is an error or not valid in this protocol."""
    message = _object(line)
    if message.get("v") != VERSION:
        raise Refused(WRONG_VERSION, "the daemon uses another version of the protocol")
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
        raise Refused(NOT_JSON, "the daemon's response is invalid")
    return Response(message.get("id"), message["result"], body)


def read_query(result: Any) -> tuple[list[str], Exit]:
    """Return the notes for stderr and the exit code from the result of `query`. Raises Refused if it is invalid."""
    if isinstance(result, dict) and isinstance(result.get("notes"), list):
        return [str(note) for note in result["notes"]], _exit(result.get("exit"))
    raise Refused(NOT_JSON, "the daemon's response is invalid")


def read_event(line: bytes) -> tuple[str, dict[str, Any]] | None:
    """Return the name and data of an event; None for any other line."""
    message = _object(line)
    name, data = message.get("event"), message.get("data")
    return (name, data) if isinstance(name, str) and isinstance(data, dict) else None


def refusal(error: ImgretError, request: Any = None) -> Refused:
    """Return `error` as it is sent over the socket; `request` is the id of the request."""
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
    """Reject NaN and Infinity: they are not JSON, although Python accepts them."""
    raise ValueError(name)


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= ID_LIMIT
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "..."


def _exit(code: Any) -> Exit:
    """Return the exit code that the daemon sent; DAEMON if this release does not have it."""
    try:
        return Exit(code)
    except ValueError:
        return Exit.DAEMON
