"""Messages to systemd and to the journal, read back from real sockets."""

import io
import logging
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imgretd import journal
from imgretd.notify import handed_over, notify, watchdog_seconds
from imgretd.scheduling import on_battery


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_systemd_is_notified(tmp_path, kind):
    address = str(tmp_path / "n") if kind == "file" else f"@imgret-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0"))
        manager.settimeout(5)
        assert notify("READY=1", "STATUS=Watching Bücher", environ={"NOTIFY_SOCKET": address})
        assert manager.recv(1000) == "READY=1\nSTATUS=Watching Bücher".encode()


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_without_a_manager_nothing_happens(address):
    assert not notify("READY=1", environ={"NOTIFY_SOCKET": address})


def test_the_watchdog_is_this_process_alone():
    assert watchdog_seconds({"WATCHDOG_USEC": "2500000"}) == 2.5
    assert watchdog_seconds({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}) is None
    for nothing in ({}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}):
        assert watchdog_seconds(nothing) is None


def test_a_socket_that_was_handed_over_is_used(tmp_path):
    """The real thing: descriptor 3 of a new process, as systemd hands it over."""
    path = str(tmp_path / "s")
    script = """
import os, sys
from imgretd.notify import handed_over
os.environ["LISTEN_PID"] = str(os.getpid())
listener = handed_over()
assert "LISTEN_FDS" not in os.environ and not os.get_inheritable(listener.fileno())
listener.accept()[0].sendall(b"hello")
"""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def hand_over():
            os.dup2(listener.fileno(), 3)

        process = subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "LISTEN_FDS": "1"},
            close_fds=False,
            preexec_fn=hand_over,
        )
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            peer.settimeout(20)
            assert peer.recv(10) == b"hello"
        assert process.wait() == 0


def test_a_socket_meant_for_another_process_is_not_used():
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}
    assert handed_over(environ) is None
    assert environ == {}


def read_back(entry):
    """The journal's native protocol, as its reader has it."""
    fields, rest = {}, io.BytesIO(entry)
    while name := rest.readline():
        size = int.from_bytes(rest.read(8), "little")
        fields[name[:-1].decode()] = rest.read(size)
        assert rest.read(1) == b"\n"
    return fields


def record(message, level=logging.INFO, **fields):
    made = logging.LogRecord("imgretd.x", level, "f", 1, message, (), None)
    made.fields = fields
    return made


@given(st.text(st.characters(exclude_categories=("Cs",))), st.text(max_size=50), st.binary(max_size=50))
def test_what_the_journal_gets_is_what_was_logged(message, text, path):
    fields = read_back(journal.entry(record(message.replace("%", ""), TEXT=text, PATH=path)))
    assert fields["MESSAGE"].decode() == message.replace("%", "")
    assert fields["IMGRET_PATH"] == path
    assert fields["PRIORITY"] == b"6"
    assert fields["SYSLOG_IDENTIFIER"] == b"imgretd"


def test_a_record_arrives_at_the_journals_socket(tmp_path):
    path = str(tmp_path / "j")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(path)
        there.settimeout(5)
        handler = journal.JournalHandler(path)
        handler.emit(record("full", logging.ERROR, ROOT=b"/p\xff"))
        fields = read_back(there.recv(1 << 16))
        handler.close()
    assert (fields["MESSAGE"], fields["PRIORITY"], fields["IMGRET_ROOT"]) == (b"full", b"3", b"/p\xff")


def test_a_plain_line_is_one_clean_line():
    formatter = journal.PlainFormatter("%(levelname)s %(message)s")
    line = formatter.format(record("a\x1b]52;c;x\x07\nb", ROOT=b"/p\x1b[2J\xff"))
    assert "\n" not in line
    assert "\x1b" not in line
    assert "root=/p" in line


def test_a_traceback_has_lines_that_cannot_be_taken_for_others():
    failed = record("it failed", logging.ERROR, ROOT=b"/p")
    try:
        raise ValueError("bad\x1b[2J\n12:00:00 INFO forged")
    except ValueError:
        failed.exc_info = sys.exc_info()
    first, *others = journal.PlainFormatter("%(levelname)s %(message)s").format(failed).split("\n")
    assert first == "ERROR it failed  root=/p"
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-1] == "    12:00:00 INFO forged"
    assert all(line.startswith("    ") and "\x1b" not in line for line in others)


def test_nothing_is_sent_while_no_descriptor_is_left(tmp_path):
    program = f"""
import os, resource
from imgretd.notify import notify
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 1, 4096))
print(notify("WATCHDOG=1", environ={{"NOTIFY_SOCKET": {str(tmp_path / "s")!r}}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def supply(folder, name, **values):
    (folder / name).mkdir()
    for key, value in values.items():
        (folder / name / key).write_text(value + "\n")


def test_on_battery_is_read_from_the_kernel(tmp_path):
    assert not on_battery(str(tmp_path / "none"))
    supply(tmp_path, "mouse", type="Battery", scope="Device", status="Discharging")
    assert not on_battery(str(tmp_path))
    supply(tmp_path, "BAT0", type="Battery", status="Discharging")
    assert on_battery(str(tmp_path))
    supply(tmp_path, "AC", type="Mains", online="0")
    assert on_battery(str(tmp_path))
    supply(tmp_path, "USBC", type="USB", online="1")
    assert not on_battery(str(tmp_path))


@pytest.mark.must_run
@pytest.mark.skipif(sys.platform != "linux", reason="priorities of a thread are Linux's")
def test_one_thread_is_lowered_and_no_other():
    script = """
import os, subprocess, threading
from imgretd.scheduling import lower_thread_priority
def work():
    lower_thread_priority()
    tid = threading.get_native_id()
    print(os.getpriority(os.PRIO_PROCESS, tid), subprocess.run(["ionice", "-p", str(tid)], capture_output=True, text=True).stdout.strip())
thread = threading.Thread(target=work); thread.start(); thread.join()
print(os.getpriority(os.PRIO_PROCESS, 0))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ours = os.getpriority(os.PRIO_PROCESS, 0)  # the suite itself may run at a lower priority
    assert ran.stdout.splitlines() == [f"{max(7, ours)} idle", str(ours)]
