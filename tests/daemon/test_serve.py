"""After any data on the socket, the daemon serves the next request; a real process, real sockets."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.client import protocol
from testbed.home import Home


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One daemon for all of them: it must live through each."""
    folder = tmp_path_factory.mktemp("d")
    with Home(folder=folder) as home, home.daemon() as daemon:
        yield daemon
        assert daemon.request("status")["pid"] == daemon.pid
        assert "Traceback" not in daemon.log(), daemon.log()


def connected(daemon):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(daemon.home.places.socket)
    peer.settimeout(30)
    return peer


def refusal_code(peer):
    """The code of the refusal that comes, and whether the daemon hung up after it."""
    with peer.makefile("rb") as lines:
        return json.loads(lines.readline())["error"]["code"]


def status_line(identity=1):
    return protocol.request_line(identity, "status", {})


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\n", protocol.NOT_JSON),
        (b"GET / HTTP/1.1\r\n", protocol.NOT_JSON),
        (b"\xff\x00\xfe\n", protocol.NOT_JSON),
        (b"[" * 50_000 + b"\n", protocol.NOT_JSON),
        (b'{"v":2,"id":1,"method":"status"}\n', protocol.WRONG_VERSION),
        (b'{"v":1,"id":1,"method":"nonsense"}\n', protocol.UNKNOWN_METHOD),
        (b'{"v":1,"id":1,"method":"__init__"}\n', protocol.UNKNOWN_METHOD),
        (b'{"v":1,"id":1,"method":"query","params":{"text":7}}\n', protocol.FAILED),
        (b'{"v":1,"id":1,"method":"query","params":{"txet":"x"}}\n', protocol.FAILED),
        (b'{"v":1,"id":1,"method":"query","params":{"text":"x","k":-1}}\n', protocol.FAILED),
        (b'{"v":1,"id":1,"method":"query","params":{"text":"x","rank":"none"}}\n', protocol.FAILED),
        (b'{"v":1,"id":1,"method":"index","params":{}}\n', protocol.BAD_PARAMS),
        (b'{"v":1,"id":1,"method":"note","params":{}}\n', protocol.BAD_PARAMS),
    ],
)
def test_a_wrong_line_is_refused_and_the_connection_stays_open(served, line, code):
    with connected(served) as peer:
        peer.sendall(line + status_line())
        with peer.makefile("rb") as lines:
            assert json.loads(lines.readline())["error"]["code"] == code
            assert json.loads(lines.readline())["result"]["pid"] == served.pid


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_refused(served, garbage):
    with connected(served) as peer:
        peer.sendall(garbage + b"\n" + status_line("last"))
        with peer.makefile("rb") as lines:
            answers = [json.loads(lines.readline()) for _ in range(garbage.count(b"\n") + 2)]
        assert answers[-1]["id"] == "last"
        assert all("error" in answer for answer in answers[:-1])


def test_a_line_of_a_hundred_megabytes_is_cut_short(served):
    before = served.memory_bytes()
    with connected(served) as peer:
        part, sent = b"x" * (1 << 20), 0
        try:
            while sent < 100 << 20:
                sent += peer.send(part)
        except OSError:
            pass  # it hung up, as it should
        assert sent < 100 << 20
        assert refusal_code(peer) == protocol.TOO_LONG
    assert served.memory_bytes() - before < 32 << 20


def test_half_a_line_is_waited_for_but_not_forever(served):
    with connected(served) as peer:
        peer.sendall(b'{"v":1,"id":1,')
        began = time.monotonic()
        assert refusal_code(peer) == protocol.TIMED_OUT
        assert 5 < time.monotonic() - began < 40


def test_a_line_in_small_pieces_is_a_line(served):
    with connected(served) as peer:
        for byte in status_line():
            peer.sendall(bytes([byte]))
        with peer.makefile("rb") as lines:
            assert json.loads(lines.readline())["result"]["pid"] == served.pid


def test_many_requests_at_once_get_responses_in_order(served):
    with connected(served) as peer:
        peer.sendall(b"".join(status_line(number) for number in range(500)))
        with peer.makefile("rb") as lines:
            assert [json.loads(lines.readline())["id"] for _ in range(500)] == list(range(500))


def test_clients_that_disconnect_do_not_disturb_the_server(served):
    for _ in range(100):
        with connected(served) as peer:
            peer.sendall(status_line())
    assert served.request("status")["pid"] == served.pid


def test_a_client_that_never_reads_delays_no_other(served):
    stubborn = connected(served)
    stubborn.setblocking(False)
    try:
        while True:
            stubborn.send(status_line())
    except BlockingIOError:
        pass  # both buffers are full: the daemon cannot write to it any more
    began = time.monotonic()
    assert served.request("status")["pid"] == served.pid
    assert time.monotonic() - began < 20  # it is hung up on after 30
    stubborn.close()


def test_two_hundred_idle_connections_delay_no_other(served):
    with contextlib.ExitStack() as idle:
        for _ in range(200):
            idle.enter_context(connected(served))
        assert served.request("status")["pid"] == served.pid


def test_every_subscriber_gets_the_event(served):
    peers = [connected(served) for _ in range(10)]
    for peer in peers:
        peer.sendall(protocol.request_line(1, "subscribe", {}))
    names = []
    for peer in peers:
        with peer.makefile("rb") as lines:
            assert "result" in json.loads(lines.readline())
            names.append(json.loads(lines.readline())["event"])
        peer.close()
    assert set(names) <= {"idle", "progress"}
    assert len(names) == 10


@pytest.mark.must_run
def test_another_user_gets_no_response(served):
    """Even if the file's mode is wrong, the kernel identifies the client."""
    if os.geteuid() != 0:
        pytest.skip("asking as another user needs root")
    path = served.home.places.socket
    script = f"""
import os, socket
os.setgid(65534); os.setuid(65534)
peer = socket.socket(socket.AF_UNIX)
peer.connect({path!r})
try:
    peer.sendall({status_line()!r})
    print(len(peer.recv(1000)))
except OSError:
    print(0)
"""
    above = [path]
    while len(above[-1]) > len("/tmp"):
        above.append(os.path.dirname(above[-1]))
    modes = {each: os.stat(each).st_mode for each in above}
    for each, mode in modes.items():
        os.chmod(each, mode | 0o077)
    try:
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    finally:
        for each, mode in modes.items():
            os.chmod(each, mode)
    assert ran.stdout == "0\n", ran.stderr
    assert "another user" in served.log()


def test_a_hundred_threads_send_requests_at_once(served):
    answers = []

    def send():
        answers.append(served.request("status")["pid"])

    threads = [threading.Thread(target=send) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [served.pid] * 100
