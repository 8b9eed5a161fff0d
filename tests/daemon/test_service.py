"""The daemon as a real process: indexing by itself, requests, and how it stops."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from blake3 import blake3
from waiting import until

from imgret.client.protocol import Refused
from imgret.client.socket_client import Connection, NoDaemon
from imgret.photo import FileStat
from testbed.home import WORDLLAMA, Home, tiny_models
from testbed.index_check import differences
from testbed.small_pngs import write_picture


def test_existing_and_new_photos_are_indexed(home, daemon):
    os.makedirs(home.photos / "a/b")
    write_picture(home.photos / "a/b/1.png", 1)
    write_picture(home.photos / "2.png", 2)
    until(lambda: len(home.indexed()) == 2)
    daemon.wait_until_idle()
    assert differences(home) == []
    os.rename(home.photos / "a", home.photos / "c")
    os.unlink(home.photos / "2.png")
    until(lambda: differences(home) == [])


def test_what_changed_while_it_was_away_is_found_at_the_start(home):
    write_picture(home.photos / "1.png", 1)
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) == 1)
        daemon.wait_until_idle()
    write_picture(home.photos / "1.png", 11)
    write_picture(home.photos / "2.png", 2)
    with home.daemon() as daemon:
        until(lambda: differences(home) == [])
        assert len(home.indexed()) == 2


@pytest.mark.second_try(reason="the five seconds that a user waits are of a real clock")
def test_it_stops_at_once_and_removes_its_socket(home, daemon):
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5
    assert not os.path.exists(home.places.socket)


@pytest.mark.second_try(reason="the five seconds that a user waits are of a real clock")
def test_it_stops_within_five_seconds_in_the_middle_of_a_batch(home, daemon):
    """Its decoders stand still, so that what is in flight cannot be finished: it is dropped, and not lost."""
    write_picture(home.photos / "1.png", 1)
    until(lambda: daemon.children())
    daemon.wait_until_idle()
    decoders = daemon.children()
    assert decoders
    for pid in decoders:
        os.kill(pid, signal.SIGSTOP)
    for number in range(2, 30):
        write_picture(home.photos / f"{number}.png", number)
    until(lambda: daemon.request("status")["state"] == "describing")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5.5
    until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in decoders))
    daemon.start()
    daemon.wait_until_idle()
    with home.index() as store:
        assert store.row("SELECT count(*) FROM content WHERE width = 4") == (29,)
        assert store.work.waiting() == {}


def test_a_request_to_stop_gets_a_response_and_stops_the_daemon(home, daemon):
    daemon.request("stop")
    assert daemon.process.wait(10) == 0
    with pytest.raises(NoDaemon):
        daemon.request("status")


def test_its_files_are_its_users_alone(home, daemon):
    daemon.wait_until_idle()
    for folder, _, names in os.walk(home.path / "data"):
        assert os.stat(folder).st_mode & 0o077 == 0 or folder == str(home.path / "data")
        for name in names:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, name
    assert os.stat(home.places.socket).st_mode & 0o777 == 0o600


def test_a_second_daemon_reports_the_first(home, daemon):
    second = subprocess.run(
        [sys.executable, "-m", "imgretd", "--foreground"], env=home.environ, capture_output=True, text=True
    )
    assert second.returncode == 4
    assert "another daemon" in second.stderr
    assert "Traceback" not in second.stderr
    assert daemon.request("status")["pid"] == daemon.pid


def test_a_stale_socket_is_replaced(home):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(home.places.socket)
    with home.daemon() as daemon:
        assert daemon.request("status")["pid"] == daemon.pid


def test_killed_it_starts_again(home, daemon):
    daemon.wait_until_idle()
    daemon.kill()
    write_picture(home.photos / "1.png", 1)
    daemon.start()
    until(lambda: differences(home) == [] and len(home.indexed()) == 1)


def test_the_configuration_is_read_again(home, daemon, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_picture(other / "o.png", 7)
    write_picture(home.photos / "1.png", 1)
    until(lambda: len(home.indexed()) == 1)
    home.configure([home.photos, other])
    daemon.signal(signal.SIGHUP)
    until(lambda: len(home.indexed()) == 2)
    write_picture(other / "p.png", 8)
    until(lambda: len(home.indexed()) == 3)
    home.configure([home.photos], 'exclude = ["1.*"]')
    daemon.request("reload")
    write_picture(other / "q.png", 9)
    until(lambda: os.fsencode(home.photos / "1.png") not in home.indexed())
    assert os.fsencode(other / "q.png") not in home.indexed()
    with home.index() as store:
        assert {root.path: root.watched for root in store.roots.all()} == {
            os.fsencode(home.photos): True,
            os.fsencode(other): False,
        }


def test_a_broken_configuration_is_reported_and_the_old_one_stays(home, daemon):
    with open(home.places.config, "a") as config:
        config.write("fodlers = []\n")
    with pytest.raises(Refused, match="fodlers") as refused:
        daemon.request("reload")
    assert refused.value.exit_code == 2
    daemon.signal(signal.SIGHUP)
    until(lambda: "The configuration stays as it was" in daemon.log())
    write_picture(home.photos / "1.png", 1)
    until(lambda: len(home.indexed()) == 1)


def test_a_broken_configuration_at_the_start_is_reported_in_two_lines(home):
    with open(home.places.config, "a") as config:
        config.write("nonsense\n")
    ran = subprocess.run(
        [sys.executable, "-m", "imgretd", "--foreground"], env=home.environ, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "config.toml" in ran.stderr


def test_paused_it_does_nothing_and_remembers_both(home, daemon):
    daemon.wait_until_idle()
    assert daemon.request("pause")["paused"]
    write_picture(home.photos / "1.png", 1)
    time.sleep(1.0)
    assert home.indexed() == {}
    daemon.stop()
    daemon.start()
    until(lambda: daemon.request("status")["state"] == "paused")
    assert home.indexed() == {}
    assert not daemon.request("resume")["paused"]
    until(lambda: len(home.indexed()) == 1)


def test_a_pause_while_it_starts_is_kept(home):
    for number in range(3):
        with home.daemon() as daemon:
            daemon.request("pause")  # it responds before it has begun
            write_picture(home.photos / f"{number}.png", number)
            time.sleep(1.0)
            assert daemon.request("status")["paused"]
            assert len(home.indexed()) == number
            daemon.request("resume")
            until(lambda: differences(home) == [])


def test_a_requested_folder_is_indexed_and_progress_is_reported(home, daemon, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for number in range(20):
        write_picture(other / f"{number}.png", number)
    daemon.wait_until_idle()
    with Connection(home.places.socket) as connection:
        connection.request("index", {"paths": [str(other)]})
        events = []
        for name, data in connection.events():
            events.append(name)
            assert data["message"]
            if name == "idle":
                break
    assert len(home.indexed()) == 20
    assert events[-1] == "idle"
    time.sleep(2.5)  # files as young as these are looked at once more
    daemon.wait_until_idle()
    write_picture(other / "new.png", 99)  # requested once, not watched
    time.sleep(1)
    assert len(home.indexed()) == 20


@pytest.mark.parametrize("paths", [[], ["relative"], [7], "no list", ["/no/such/folder"]])
def test_folders_that_cannot_be_indexed_are_refused(daemon, paths):
    with pytest.raises(Refused):
        daemon.request("index", paths=paths)


def test_a_folder_inside_another_is_covered_by_it(home, daemon):
    (home.photos / "in").mkdir()
    write_picture(home.photos / "in/1.png", 1)
    home.configure([home.photos / "in", home.photos])
    daemon.request("reload")
    until(lambda: len(home.indexed()) == 1)
    assert daemon.request("status")["watching"] == 1
    home.configure([home.photos / "in"])
    daemon.request("reload")
    daemon.wait_until_idle()
    assert list(home.indexed()) == [os.fsencode(home.photos / "in/1.png")]
    write_picture(home.photos / "in/2.png", 2)
    until(lambda: len(home.indexed()) == 2)


def test_a_removed_root_is_offline_and_comes_back(home, daemon):
    write_picture(home.photos / "1.png", 1)
    until(lambda: len(home.indexed()) == 1)
    os.rename(home.photos, home.path / "away")

    def online():
        with home.index() as store:
            return [root.online for root in store.roots.all()]

    until(lambda: online() == [False])
    assert len(home.indexed()) == 1
    os.rename(home.path / "away", home.photos)
    write_picture(home.photos / "2.png", 2)
    until(lambda: online() == [True] and differences(home) == [])


def test_a_root_swapped_for_a_symlink_deletes_nothing(home, daemon, tmp_path):
    write_picture(home.photos / "1.png", 1)
    until(lambda: len(home.indexed()) == 1)
    os.rename(home.photos, home.path / "away")
    (tmp_path / "empty").mkdir()
    os.symlink(tmp_path / "empty", home.photos)
    time.sleep(1.5)
    assert len(home.indexed()) == 1


def test_a_note_is_kept_and_searched(home, daemon):
    write_picture(home.photos / "1.png", 1)
    until(lambda: len(home.indexed()) == 1)
    path = str(home.photos / "1.png")
    daemon.request("note", path=path, note="Grandmother's pudding")
    result = home.imgret("query", "--json", "pudding")
    assert json.loads(result.stdout)["note"] == "Grandmother's pudding"
    daemon.request("note", path=path, note=None)
    assert home.imgret("query", "--json", "pudding").stdout == b""
    with pytest.raises(Refused, match="not in the index"):
        daemon.request("note", path="/no/such.png", note="x")
    with pytest.raises(Refused):
        daemon.request("note", path=7, note="x")
    for wrong in (7, "xyz", ["00"]):
        with pytest.raises(Refused, match="hexadecimal"):
            daemon.request("note", path=path, note="x", hash=wrong)
    with pytest.raises(Refused, match="no longer the photo"):
        daemon.request("note", path=path, note="x", hash="00" * 32)


def test_a_note_belongs_to_the_photo_that_was_shown_and_not_to_its_successor(home, daemon):
    path = home.photos / "1.png"
    write_picture(path, 1)
    until(lambda: len(home.indexed()) == 1)
    seen = blake3(path.read_bytes()).hexdigest()
    path.rename(home.photos / "moved.png")
    write_picture(path, 2)
    until(lambda: len(home.indexed()) == 2 and differences(home) == [])
    daemon.request("note", path=str(path), note="Grandmother's pudding", hash=seen)
    result = home.imgret("query", "--json", "has:note")
    assert json.loads(result.stdout)["path"] == str(home.photos / "moved.png")


def test_the_clock_may_jump(home, daemon):
    """Files from the future, and from before 1970, are photos like others."""
    for number, when in enumerate((2**33, -1, 0, 1)):
        write_picture(home.photos / f"{number}.png", number)
        os.utime(home.photos / f"{number}.png", (when, when))
    until(lambda: differences(home) == [] and len(home.indexed()) == 4)
    daemon.wait_until_idle()


def test_while_another_process_writes_it_waits_reports_it_and_still_searches(home):
    from imgret.store.factory import writer_lock

    write_picture(home.photos / "pudding.png", 1)
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) == 1)
        daemon.wait_until_idle()
        daemon.stop()
        with writer_lock(home.places.index):
            write_picture(home.photos / "cake.png", 2)
            daemon.start()
            until(lambda: "is writing" in (daemon.request("status")["problem"] or ""))
            answer = home.imgret("query", "--json", "pudding")
            assert answer.returncode == 0
            assert json.loads(answer.stdout)["path"].endswith("pudding.png")
            assert list(home.indexed()) == [os.fsencode(home.photos / "pudding.png")]
        until(lambda: differences(home) == [])


def test_an_offline_photo_is_found_and_marked(home, daemon):
    write_picture(home.photos / "pudding.png", 1)
    until(lambda: home.imgret("query", "--json", "pudding").stdout)
    shutil.move(home.photos, home.path / "away")

    def online():
        hit = home.imgret("query", "--json", "pudding").stdout
        return json.loads(hit)["online"] if hit else None

    until(lambda: online() is False)


def test_a_request_for_another_index_is_refused(home, daemon, tmp_path):
    with pytest.raises(Refused) as refused:
        daemon.request("query", text="x", index=str(tmp_path / "other.db"))
    assert refused.value.code == "other_index"


def test_tombstones_are_kept_and_a_moved_photo_keeps_its_content(home, daemon):
    write_picture(home.photos / "1.png", 1)
    until(lambda: len(home.indexed()) == 1)
    (home.photos / "deep").mkdir()
    os.rename(home.photos / "1.png", home.photos / "deep/2.png")
    until(lambda: differences(home) == [])
    with home.index() as store:
        before = store.photos.find(os.fsencode(home.photos / "1.png"))
        after = store.photos.find(os.fsencode(home.photos / "deep/2.png"))
    assert before.gone_at is not None
    assert before.content == after.content


def test_a_pause_set_while_the_clock_was_ahead_is_over_when_it_is_put_right(home):
    """A year ahead, a photo failed and was to be tried again in a minute."""
    with home.index() as store:
        root = store.roots.add(os.fsencode(home.photos), watched=True)
        year_ahead = int(time.time()) + 365 * 86400
        content, _new = store.photos.save(root.id, b"", b"1.png", FileStat(1, 1, 1, 1), b"x" * 32, 1)
        store.photos.save_unreadable(root.id, b"", b"2.png", FileStat(1, 1, 1, 1), "x", year_ahead)
        store.work.queue(content, ["decode"])
        store.work.failed(content, ["decode"], "x", year_ahead)
        now = int(time.time())
        assert store.work.due(["decode"], now) == 1
        assert len(store.work.claim(["decode"], 1, now)) == 1
        assert store.photos.due_unreadable(root.id, now) == [(b"", b"2.png")]
        store.work.failed(content, ["decode"], "x", now)
        assert store.work.due(["decode"], now) == 0


def test_heavy_models_are_unloaded_and_the_others_still_search(tmp_path):
    home = Home(tiny_models(), folder=tmp_path)
    home.configure([home.photos], "daemon.unload_after_minutes = 0")
    for number in range(3):
        write_picture(home.photos / f"{number}.png", number)
    with home.daemon() as daemon:
        daemon.wait_until_idle()
        until(lambda: json.loads(home.imgret("status", "--json").stdout)["described"] == 3)
        until(lambda: daemon.request("status")["loaded"] == ["embed", "topics"])
        daemon.request("note", path=str(home.photos / "1.png"), note="my pudding")
        daemon.wait_until_idle()
        found = home.imgret("query", "--json", "--rank", "hybrid", "pudding").stdout.splitlines()
        assert json.loads(found[0])["note"] == "my pudding"
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 3.5  # not after LEAVE_SECONDS: the models are not taken apart first
    assert "Traceback" not in daemon.log()


def test_weights_that_cannot_be_loaded_are_reported_once_and_stop_no_other_stage(tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    home = Home(
        WORDLLAMA.replace('[topics]\nweights = "none"', f'[topics]\nweights = "{broken}"'), folder=tmp_path
    )
    write_picture(home.photos / "1.png", 1)
    with home.daemon() as daemon:
        daemon.wait_until_idle()
        until(lambda: len(home.indexed()) == 1)
        write_picture(home.photos / "2.png", 2)
        until(lambda: len(home.indexed()) == 2)
        daemon.wait_until_idle()
        with home.index() as store:
            assert store.row("SELECT count(DISTINCT content) FROM vector") == (2,)
        assert daemon.log().count("no topics") == 1
    assert "Traceback" not in daemon.log()


def test_tombstones_are_purged_after_thirty_days(home):
    write_picture(home.photos / "1.png", 1)
    write_picture(home.photos / "2.png", 2)
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) == 2)
        os.unlink(home.photos / "1.png")
        until(lambda: len(home.indexed()) == 1)
        daemon.wait_until_idle()
    with home.index() as store, store.writing() as db:
        db.execute("UPDATE photo SET gone_at = gone_at - 31 * 86400")
    with home.daemon():

        def left():
            with home.index() as store:
                return store.row("SELECT count(*), (SELECT count(*) FROM content) FROM photo")

        until(lambda: left() == (1, 1))


def test_folders_are_added_and_removed_by_the_command(home, daemon, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_picture(other / "1.png", 1)
    assert home.imgret("add", str(other)).returncode == 0
    until(lambda: os.fsencode(other / "1.png") in home.indexed())
    write_picture(other / "2.png", 2)
    until(lambda: os.fsencode(other / "2.png") in home.indexed())
    assert home.imgret("remove", str(other)).returncode == 0
    until(lambda: home.indexed() == {})
    write_picture(other / "3.png", 3)
    time.sleep(1)
    assert home.indexed() == {}


def test_the_command_hands_its_folders_to_the_daemon(home, daemon, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for number in range(30):
        write_picture(other / f"{number}.png", number)
    ran = home.imgret("index", str(other))
    assert ran.returncode == 0, ran.stderr
    assert b"passed to the daemon" in ran.stderr
    assert len(home.indexed()) == 30
