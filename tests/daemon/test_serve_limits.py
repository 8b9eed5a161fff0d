"""Clients that send too much, never end, or never read: each is disconnected, and others are served meanwhile."""

import contextlib
import json
import os
import resource
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imgretd.listen import MOST_CLIENTS

from imgret.client import protocol
from imgret.client.socket_client import Connection
from imgret.errors import DaemonError
from testbed.home import WORDLLAMA, Home
from testbed.small_pngs import write_picture


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One daemon with a few photos for all of them: it must live through each, and log no mistake."""
    with Home(WORDLLAMA, folder=tmp_path_factory.mktemp("d")) as home:
        for number in range(3):
            write_picture(home.photos / f"{number}.png", number)
        with home.daemon() as daemon:
            daemon.wait_until_idle()
            yield daemon
            assert daemon.request("status")["pid"] == daemon.pid
            assert "Traceback" not in daemon.log(), daemon.log()


def connected(daemon):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(daemon.home.places.socket)  # without a timeout it waits while the kernel's queue is full
    peer.settimeout(30)
    return peer


def reply(daemon, line):
    """The response to a line on a connection of its own, without what follows it."""
    with connected(daemon) as peer:
        peer.sendall(line)
        with peer.makefile("rb") as lines:
            return json.loads(lines.readline())


def honest(daemon):
    """An ordinary query takes no longer than a person waits."""
    began = time.monotonic()
    with Connection(daemon.home.places.socket, 30) as connection:
        assert connection.query({"text": "photos", "format": "json"})[2].count(b"\n") == 3
    assert time.monotonic() - began < 15


def query_line(**params):
    return protocol.request_line(1, "query", params)


@pytest.mark.parametrize(
    "identity",
    [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"[1]", b"{}", b'"' + b"x" * 900_000 + b'"'],
    ids=["nan", "infinity", "minus", "overflow", "list", "object", "long"],
)
def test_an_id_that_no_response_can_repeat_is_refused(served, identity):
    with connected(served) as peer:
        peer.sendall(
            b'{"v":1,"id":' + identity + b',"method":"status"}\n' + protocol.request_line(2, "status", {})
        )
        with peer.makefile("rb") as lines:
            assert json.loads(lines.readline())["error"]["code"] in (protocol.NOT_JSON, protocol.BAD_PARAMS)
            assert json.loads(lines.readline())["id"] == 2


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"text": "word " * 160_000}, id="words"),
        pytest.param({"text": "x" * 800_000}, id="one word"),
        pytest.param({"text": '"' * 200_000}, id="quotes"),
        pytest.param({"text": "dog>=1 " * 1000}, id="counts"),
        pytest.param({"text": "2:beach " * 1000}, id="weights"),
        pytest.param({"text": "k" * 10_000 + ":v"}, id="long key"),
        pytest.param({"text": "a", "filters": [["in", "/x"]] * 1000}, id="filters"),
        pytest.param({"text": "a", "filters": [["name", "n" * 500_000]]}, id="long filter"),
        pytest.param({"text": "a", "away": ["b"] * 10_000}, id="away"),
        pytest.param({"text": "a", "away": ["b" * 500_000]}, id="long away"),
        pytest.param({"text": "a", "k": 10**30}, id="k"),
        pytest.param({"text": "a", "like": "/x\0y"}, id="NUL"),
        pytest.param({"text": "a", "like": "/x\ud800y"}, id="surrogate"),
        pytest.param({"text": "a", "like": "/" + "x" * 300_000}, id="long path"),
    ],
)
def test_an_oversized_or_invalid_query_is_refused(served, params):
    began = time.monotonic()
    error = reply(served, query_line(**params))["error"]
    assert error["exit"] == 2, error
    assert error["message"]
    assert len(error["message"]) < 2100
    assert time.monotonic() - began < 10
    honest(served)


def test_the_longest_accepted_query_takes_little_time(served):
    phrase = '"' + "photos " * 700 + '" '
    for text in (
        ("photos " * 1400),
        phrase * 2,
        "-a " * 90 + "photos",
        "(" * 9000,
        "\udce9 " * 4000,
        "1:a " * 45,
    ):
        began = time.monotonic()
        assert "result" in reply(served, query_line(text=text[:9999])), text[:20]
        assert time.monotonic() - began < 10


def test_four_large_queries_at_once_delay_no_other(served):
    line = query_line(text="dog " * 200_000)
    with contextlib.ExitStack() as peers:
        for peer in [peers.enter_context(connected(served)) for _ in range(4)]:
            peer.sendall(line)
        honest(served)


def test_more_idle_clients_than_the_limit_delay_no_other(served):
    with contextlib.ExitStack() as idle:
        peers = [idle.enter_context(connected(served)) for _ in range(MOST_CLIENTS + 250)]
        honest(served)
        peers[-1].sendall(protocol.request_line(1, "status", {}))  # the newest are kept
        assert b'"result"' in peers[-1].recv(100)
        assert peers[0].recv(100) == b""  # the one that was waited for longest was hung up on


def test_thousands_of_connections_come_and_go(served):
    for _ in range(6):
        with contextlib.ExitStack() as idle:
            for _ in range(500):
                idle.enter_context(connected(served))
        honest(served)
    end = time.monotonic() + 20
    while descriptors(served) > 150:  # none is left open
        assert time.monotonic() < end
        time.sleep(0.1)


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def test_a_disconnected_client_repeats_its_request(served):
    with Connection(served.home.places.socket, 30) as connection:
        assert connection.request("status", {})["pid"] == served.pid
        with contextlib.ExitStack() as idle:
            for _ in range(MOST_CLIENTS + 20):
                idle.enter_context(connected(served))
            honest(served)
            assert connection.request("status", {})["pid"] == served.pid


def test_a_flood_of_empty_lines_lets_others_in_between(served):
    with connected(served) as peer:
        peer.setblocking(False)
        for _ in range(3):
            with contextlib.suppress(BlockingIOError):
                peer.send(b"\n" * 900_000)
            honest(served)
            with contextlib.suppress(BlockingIOError):
                peer.recv(1 << 20)


def test_clients_that_never_read_are_dropped_once_others_need_the_room(served):
    with contextlib.ExitStack() as stubborn:
        for _ in range(40):
            peer = stubborn.enter_context(connected(served))
            peer.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    peer.send(query_line(text="photos", format="json") * 200)
        honest(served)
        for _ in range(MOST_CLIENTS):
            stubborn.enter_context(connected(served))
        honest(served)


wild_text = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=30),
    st.sampled_from(
        ["/", "~", "~\0", "/\ud800", "name:\udce9*", "in:..", "dog>=9", "2:a", '"', "after:9999-99", ""]
    ),
)
wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | wild_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(wild_text, inner, max_size=3),
    max_leaves=6,
)
query_params = st.fixed_dictionaries(
    {},
    optional={
        "text": wild_text | wild,
        "k": st.integers(1, 100) | wild,
        "rank": st.sampled_from(["hybrid", "vector", "words"]) | wild,
        "format": st.sampled_from(["json", "plain", "null"]) | wild,
        "minimum": st.sampled_from(["weak", "fair"]) | wild,
        "apart": st.booleans() | wild,
        "away": st.lists(wild_text, max_size=2) | wild,
        "filters": st.lists(
            st.tuples(
                st.sampled_from(["in", "name", "on", "topic", "camera", "has", "format", "is"]) | wild_text,
                wild_text,
            ),
            max_size=3,
        )
        | wild,
        "folder": wild_text | wild,
        "like": wild_text | wild,
        "number": st.integers() | wild,
        "index": wild,
    },
)
requests = st.one_of(
    st.tuples(st.just("query"), query_params),
    st.tuples(
        st.just("note"),
        st.fixed_dictionaries({}, optional={"path": wild_text | wild, "note": wild_text | wild}),
    ),
    st.tuples(
        st.just("index"),
        st.fixed_dictionaries({}, optional={"paths": st.lists(wild_text, max_size=2) | wild}),
    ),
    st.tuples(st.sampled_from(["status", "retry"]), st.dictionaries(wild_text, wild, max_size=2)),
    st.tuples(wild_text, st.dictionaries(wild_text, wild, max_size=2)),
)


@given(st.lists(requests, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_gets_a_response_and_none_an_internal_error(served, calls):
    """The fixture looks into the log: a method that fails in a way of its own would leave a traceback there."""
    calls = [
        (method, params) for method, params in calls if method not in ("subscribe", "stop", "pause", "reload")
    ]
    with Connection(served.home.places.socket, 30) as connection:
        for method, params in calls:
            if method == "index" and not refusable(params):
                continue
            try:
                connection.request(method, params)
            except protocol.Refused as error:
                assert "because of a bug" not in str(error), (method, params)
            except DaemonError as error:
                raise AssertionError((method, params)) from error


def refusable(params):
    """Whether `index` refuses this: folders that are there would be scanned, which is not the matter here."""
    paths = params.get("paths")
    return not isinstance(paths, list) or not any(isinstance(p, str) and p.startswith("/") for p in paths)


def test_without_a_descriptor_left_idle_clients_go_and_the_log_stays_short(tmp_path):
    (tmp_path / "h").mkdir()
    with Home(folder=tmp_path / "h") as home, home.daemon() as daemon:
        daemon.wait_until_idle()
        most = len(os.listdir(f"/proc/{daemon.pid}/fd")) + 12
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (most, most))
        with contextlib.ExitStack() as idle:
            for _ in range(100):
                idle.enter_context(connected(daemon))
            assert daemon.request("status")["pid"] == daemon.pid
        assert daemon.log().count("Connections have to wait") == 1
        assert "Traceback" not in daemon.log()
