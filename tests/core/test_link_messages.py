"""Messages are read back as they were written, and no input breaks the parser."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.client import protocol
from imgret.client.protocol import Refused
from imgret.errors import ConfigError, Exit, IndexBusy, QueryError

texts = st.text(st.characters(exclude_categories=()), max_size=20)  # including lone surrogates
ids = st.one_of(st.none(), st.integers(), texts)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=4)


def one_line(line):
    return line.endswith(b"\n") and line.count(b"\n") == 1 and line.isascii()


@given(ids, texts, objects)
def test_a_request_is_read_back(identity, method, params):
    line = protocol.request_line(identity, method, params)
    request = protocol.read_request(line)
    assert one_line(line)
    assert (request.id, request.method, request.params) == (identity, method, params)


@given(ids, values, st.integers(0, 2**40))
def test_a_response_is_read_back(identity, result, body):
    line = protocol.result_line(identity, result, body)
    answer = protocol.read_response(line)
    assert one_line(line)
    assert (answer.id, answer.result, answer.body) == (identity, result, body)


@given(ids, texts, texts, st.sampled_from(Exit))
def test_an_error_is_read_back(identity, message, hint, code):
    sent = Refused("failed", message, hint, code, identity)
    line = protocol.error_line(sent)
    assert one_line(line)
    with pytest.raises(Refused) as refused:
        protocol.read_response(line)
    error = refused.value
    assert (str(error), error.hint, error.exit_code, error.request) == (str(sent), hint, code, identity)
    assert str(error) in (message, message.removesuffix("."))


@given(texts, objects)
def test_an_event_is_read_back(name, data):
    assert protocol.read_event(protocol.event_line(name, data)) == (name, data)


@given(st.one_of(st.binary(max_size=200), values.map(lambda v: json.dumps(v).encode())))
def test_invalid_lines_raise_refused_and_nothing_else(line):
    for read in (protocol.read_request, protocol.read_response):
        error = None
        try:
            read(line)
        except Refused as refused:
            error = refused
        assert error is None or one_line(protocol.error_line(error))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", protocol.NOT_JSON),
        (b"[" * 100_000, protocol.NOT_JSON),
        (b'{"v":1,"id":1,"method":"query"', protocol.NOT_JSON),
        (b'{"v":1,"id":' + b"9" * 10_000 + b"}", protocol.NOT_JSON),
        (b"[1]", protocol.NOT_JSON),
        (b" " * protocol.LINE_LIMIT + b"{}", protocol.TOO_LONG),
        (b'{"v":2,"id":1,"method":"query"}', protocol.WRONG_VERSION),
        (b'{"id":1,"method":"query"}', protocol.WRONG_VERSION),
        (b'{"v":1,"id":1}', protocol.BAD_PARAMS),
        (b'{"v":1,"id":1,"method":7}', protocol.BAD_PARAMS),
        (b'{"v":1,"id":1,"method":"query","params":[1]}', protocol.BAD_PARAMS),
        (b'{"v":1,"id":{},"method":"query"}', protocol.BAD_PARAMS),
    ],
)
def test_each_invalid_request_has_its_code(line, code):
    with pytest.raises(Refused) as refused:
        protocol.read_request(line)
    assert refused.value.code == code


@pytest.mark.parametrize("error", [ConfigError("a", "b"), IndexBusy("c"), QueryError("d", "e", 3)])
def test_errors_keep_message_hint_and_exit_code(error):
    with pytest.raises(Refused) as refused:
        protocol.read_response(protocol.error_line(protocol.refusal(error)))
    read = refused.value
    assert (str(read), read.hint, read.exit_code) == (str(error), error.hint, error.exit_code)


def test_an_unknown_exit_code_becomes_daemon():
    line = b'{"v":1,"id":1,"error":{"code":"new","message":"m","hint":"","exit":77}}'
    with pytest.raises(Refused) as refused:
        protocol.read_response(line)
    assert refused.value.exit_code == Exit.DAEMON


@given(st.sampled_from(["NaN", "Infinity", "-Infinity"]), st.sampled_from(["id", "v", "params"]))
def test_nan_and_infinity_are_refused(constant, key):
    with pytest.raises(Refused) as refused:
        protocol.read_request(f'{{"v":1,"method":"x","{key}":{constant}}}'.encode())
    assert refused.value.code == protocol.NOT_JSON


@given(st.characters(exclude_categories=()), st.integers(0, 1 << 20))
def test_an_error_line_never_exceeds_the_limit(character, count):
    line = protocol.error_line(Refused("failed", character * count, character * count))
    assert len(line) <= protocol.LINE_LIMIT
    with pytest.raises(Refused) as refused:
        protocol.read_response(line)
    assert len(str(refused.value)) <= protocol.TEXT_LIMIT + 3
