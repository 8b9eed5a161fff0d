"""The client with real sockets: no daemon, a stale file, a daemon that stops, one of another user, slow ones."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from imgret.client import protocol, socket_client
from imgret.client.protocol import Refused
from imgret.client.socket_client import Connection, NoDaemon
from imgret.errors import DaemonError


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "d.sock")


@pytest.fixture
def daemon(path):
    """A real listener that reads one line per connection and sends the next queued response."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    answers, requests = [], []

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as lines:
                requests.append(protocol.read_request(lines.readline()))
                with contextlib.suppress(BrokenPipeError):  # the client may close the connection early
                    for part in answers:
                        peer.sendall(part)

    thread = threading.Thread(target=serve)
    thread.start()
    yield answers, requests
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_missing_socket_raises_no_daemon(path):
    with pytest.raises(NoDaemon):
        socket_client.request(path, "status", {})


def test_a_stale_socket_file_raises_no_daemon(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    assert os.path.exists(path)
    with pytest.raises(NoDaemon):
        socket_client.request(path, "status", {})


def test_a_path_too_long_for_a_socket_raises_no_daemon(tmp_path):
    with pytest.raises(NoDaemon):
        socket_client.request(str(tmp_path / ("x" * 200)), "status", {})


def test_a_request_returns_its_result_and_output(path, daemon):
    answers, requests = daemon
    body = bytes(range(256)) * 4000
    answers += [protocol.result_line(1, {"hits": 2}, len(body)), body[:70_001], body[70_001:]]
    with Connection(path) as connection:
        assert connection.request_bytes("query", {"text": "two \udcff dogs"}) == ({"hits": 2}, body)
    assert (requests[0].method, requests[0].params) == ("query", {"text": "two \udcff dogs"})
    assert socket_client.request(path, "query", {}) == {"hits": 2}


def test_events_are_received_until_the_daemon_stops(path, daemon):
    answers, _ = daemon
    answers += [protocol.result_line(1, {}), protocol.event_line("progress", {"done": 1}) * 2]
    with Connection(path) as connection:
        assert list(connection.events()) == [("progress", {"done": 1})] * 2


@pytest.mark.parametrize("part", [b"", b'{"v":1,"id":1,"res', protocol.result_line(1, {}, 100) + b"x" * 99])
def test_a_daemon_that_stops_before_its_response_raises_no_daemon(path, daemon, part):
    daemon[0].append(part)
    with pytest.raises(NoDaemon):
        socket_client.request(path, "query", {})


def test_a_stopping_daemon_raises_no_daemon(path, daemon):
    daemon[0].append(protocol.error_line(Refused(protocol.STOPPING, "leaving")))
    with pytest.raises(NoDaemon):
        socket_client.request(path, "query", {})


def test_an_error_is_raised_with_its_message(path, daemon):
    daemon[0].append(protocol.error_line(Refused(protocol.BAD_PARAMS, "no such filter", "See --help.", 2)))
    with pytest.raises(Refused, match="no such filter") as refused:
        socket_client.request(path, "query", {})
    assert (refused.value.exit_code, refused.value.hint) == (2, "See --help.")


@pytest.mark.parametrize(
    "line", [b"x" * (protocol.LINE_LIMIT + 100_000), b"\xff\n", b'{"v":9}\n', b'{"v":1}\n']
)
def test_an_invalid_response_is_refused(path, daemon, line):
    daemon[0].append(line)
    with pytest.raises(Refused):
        socket_client.request(path, "query", {})


@contextlib.contextmanager
def scripted(path, *responses):
    """A listener that responds to the requests of all connections in order, each with (seconds to wait, bytes or None).

    None closes the connection without a response.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    left = list(responses)
    lock = threading.Lock()

    def talk(peer):
        with contextlib.suppress(OSError), peer, peer.makefile("rb") as lines:
            for _ in lines:
                with lock:
                    seconds, answer = left.pop(0)
                time.sleep(seconds)
                if answer is None:
                    return
                peer.sendall(answer)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_late_response_is_not_read_for_the_next_request(path):
    first, second = (
        protocol.result_line(1, "first", 4) + b"one\n",
        protocol.result_line(2, "second", 4) + b"two\n",
    )
    with scripted(path, (0.5, first), (0, second)), Connection(path, timeout=0.25) as connection:
        with pytest.raises(DaemonError, match="within"):
            connection.request_bytes("query", {})
        time.sleep(0.4)  # the late response has been sent by now
        assert connection.request_bytes("query", {}) == ("second", b"two\n")


def test_incomplete_output_fails_its_request_only(path):
    half = protocol.result_line(1, "first", 100) + b"half"
    answers = [(0, half), (0, protocol.result_line(2, "second"))]
    with scripted(path, *answers), Connection(path, timeout=0.25) as connection:
        with pytest.raises(DaemonError):
            connection.request("query", {})
        assert connection.request("query", {}) == "second"


@pytest.mark.parametrize(
    "line",
    [
        protocol.result_line(7, "x"),
        protocol.result_line("1", "x"),
        protocol.error_line(Refused("failed", "no", request=7)),
    ],
)
def test_a_response_with_another_id_is_an_error(path, line):
    with scripted(path, (0, line), (0, protocol.result_line(2, "right"))), Connection(path) as connection:
        with pytest.raises(DaemonError, match="another request"):
            connection.request("query", {})
        assert connection.request("query", {}) == "right"


def test_a_request_is_repeated_after_an_idle_connection_was_closed(path):
    answers = [(0, protocol.result_line(1, "first")), (0, None), (0, protocol.result_line(2, "second"))]
    with scripted(path, *answers), Connection(path) as connection:
        assert connection.request("query", {}) == "first"
        assert connection.request("query", {}) == "second"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with scripted(path, (0, None), (0, protocol.result_line(1, "x"))), pytest.raises(NoDaemon):
        socket_client.request(
            path, "query", {}
        )  # a first request is not repeated: there may be no daemon at all


def test_a_busy_daemon_raises_no_daemon(path, daemon):
    daemon[0].append(protocol.error_line(Refused(protocol.BUSY, "too many clients at once")))
    with pytest.raises(NoDaemon):
        socket_client.request(path, "query", {})


@pytest.mark.parametrize("result", [None, [], {}, {"notes": "x"}, {"exit": 0}])
def test_an_invalid_search_result_is_refused(path, daemon, result):
    daemon[0].append(protocol.result_line(1, result))
    with pytest.raises(Refused):
        socket_client.query(path, {})


def test_a_timeout_is_reported(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with pytest.raises(DaemonError, match=r"within 0\.1 s") as error:
            socket_client.request(path, "query", {}, timeout=0.1)
    assert not isinstance(error.value, NoDaemon)


def test_connecting_waits_while_the_listen_queue_is_full(path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        first = Connection(path)
        with pytest.raises(DaemonError, match="accepts no connections"):
            Connection(path, timeout=0.2)
        monkeypatch.setattr(socket_client, "QUEUED", 0.2)
        with pytest.raises(DaemonError, match="accepts no connections"):
            Connection(path)
        monkeypatch.undo()
        accepting = threading.Timer(0.2, lambda: listener.accept()[0].close())
        accepting.start()
        Connection(path, timeout=20).close()
        accepting.join()
        first.close()


@pytest.mark.must_run
def test_a_socket_of_another_user_is_refused(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("listening as another user needs root")
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(0o777)
    for above in folder.parents[:-1]:
        above.chmod(above.stat().st_mode | 0o011)
    path = str(folder / "d.sock")
    script = f"""
import os, socket, sys
os.setuid(65534)
listener = socket.socket(socket.AF_UNIX)
listener.bind({path!r})
listener.listen()
print("ready", flush=True)
sys.stdin.read()
"""
    theirs = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with theirs:
        theirs.stdout.readline()
        with pytest.raises(DaemonError, match="another user"):
            socket_client.request(path, "query", {})
        theirs.stdin.close()


def test_importing_the_client_loads_few_modules():
    script = "import sys; import imgret.client.socket_client; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "imgret.client.protocol" in loaded
    assert not loaded & {"torch", "numpy", "textual", "typer", "msgspec", "asyncio", "inspect", "typing"}
