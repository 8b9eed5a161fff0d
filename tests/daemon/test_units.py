"""The units are what systemd takes without a word, with the paths of any installation in them."""

import os
import re
import shutil
import stat
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.cli import service_command
from imgret.config import places
from imgret.errors import DaemonError, UsageError


@pytest.fixture
def imgretd(tmp_path):
    """A program at a path with what systemd minds in it, but allows."""
    folder = tmp_path / "my 100% own $HOME"
    folder.mkdir()
    path = folder / "imgretd"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def verified(folder, environ):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    units = [str(folder / name) for name in (service_command.SERVICE, service_command.SOCKET)]
    return subprocess.run(
        ["systemd-analyze", "--user", "verify", *units], env=environ, capture_output=True, text=True
    )


@pytest.mark.must_run
def test_systemd_takes_the_installed_units_without_a_word(tmp_path, imgretd, private_places):
    folder = tmp_path / "units"
    folder.mkdir()
    for name in (service_command.SERVICE, service_command.SOCKET):
        (folder / name).write_text(service_command.filled(service_command.unit(name), places(), imgretd))
    ran = verified(folder, dict(os.environ))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.must_run
def test_a_wrong_unit_would_be_noticed(tmp_path, imgretd, private_places):
    folder = tmp_path / "units"
    folder.mkdir()
    for name in (service_command.SERVICE, service_command.SOCKET):
        text = service_command.filled(service_command.unit(name), places(), imgretd)
        (folder / name).write_text(text.replace("NoNewPrivileges", "NoNewPrivilges"))
    assert "NoNewPrivilges" in verified(folder, dict(os.environ)).stderr


def test_the_unit_has_the_documented_limits():
    text = service_command.unit(service_command.SERVICE)
    for line in (
        "Type=notify",
        "NoNewPrivileges=yes",
        "PrivateUsers=yes",
        "ProtectHome=read-only",
        "PrivateNetwork=yes",
        "RestrictNamespaces=yes",
        "CapabilityBoundingSet=",
        "SystemCallFilter=~@privileged",
        "SystemCallErrorNumber=EPERM",
        "IOSchedulingClass=idle",
        "Restart=on-failure",
    ):
        assert f"\n{line}\n" in text
    directives = [line for line in text.splitlines() if not line.startswith("#")]
    assert not any(
        line.startswith(("MemoryDenyWriteExecute", "PrivateDevices", "PrivateTmp")) for line in directives
    )
    assert "ListenStream=%t/imgretd.sock" in service_command.unit(service_command.SOCKET)


def test_the_installation_fills_in_the_unit_and_starts_it(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "my index/i.db"))
    text = service_command.filled(service_command.unit(service_command.SERVICE), places(), "/opt/imgretd")
    assert "\nExecStart=/opt/imgretd\n" in text
    assert f'\nEnvironment="IMGRET_INDEX={tmp_path}/my index/i.db"\n' in text
    assert f'ReadWritePaths="-{tmp_path}/my index"' in text


def analyzed(folder):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=true", "--user", "--no-pager"]
    environ = dict(os.environ) | {"XDG_RUNTIME_DIR": str(folder)}
    return subprocess.run(
        [*command, str(folder / service_command.SERVICE)], env=environ, capture_output=True, text=True
    )


@pytest.mark.must_run
def test_systemd_rates_the_unit_well(tmp_path, imgretd, private_places):
    text = service_command.filled(service_command.unit(service_command.SERVICE), places(), imgretd)
    (tmp_path / service_command.SERVICE).write_text(text)
    rating = re.search(r"exposure level for \S+: ([\d.]+)", analyzed(tmp_path).stdout)
    assert rating
    assert float(rating[1]) < 2


def test_the_search_for_a_photo_that_kills_the_process_is_not_cut_short():
    """Five attempts for each suspect, one at a time, a second apart at least."""
    lines = dict(
        line.split("=", 1)
        for line in service_command.unit(service_command.SERVICE).splitlines()
        if "=" in line
    )
    assert lines["Restart"] == "on-failure"
    assert int(lines["StartLimitBurst"]) >= 5 * 20


@pytest.mark.parametrize(
    "name", ["HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "XDG_STATE_HOME", "IMGRET_SOCKET"]
)
def test_variables_that_locate_files_are_passed_on(name, monkeypatch, private_places):
    monkeypatch.setenv(name, "/my models/100%")
    text = service_command.filled(service_command.unit(service_command.SERVICE), places(), "/opt/imgretd")
    assert f'\nEnvironment="{name}=/my models/100%%"\n' in text
    if name == "XDG_CACHE_HOME":
        assert '"-/my models/100%%"' in text


def test_relative_paths_are_handed_on_as_what_they_mean_here(monkeypatch, tmp_path, private_places):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGRET_CONFIG", "c.toml")
    monkeypatch.setenv("IMGRET_SOCKET", "s")
    monkeypatch.setenv("HF_HOME", "~/hub")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    text = service_command.filled(service_command.unit(service_command.SERVICE), places(), "/opt/imgretd")
    assert f"\nEnvironment=IMGRET_CONFIG={tmp_path}/c.toml\n" in text
    assert f"\nEnvironment=HF_HOME={os.path.expanduser('~')}/hub\n" in text
    assert "XDG_CACHE_HOME" not in text
    assert f"\nListenStream={tmp_path}/s\n" in service_command.filled(
        service_command.unit(service_command.SOCKET), places(), "/opt/imgretd"
    )


def test_tokens_are_not_handed_on(monkeypatch, private_places):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert "hf_secret" not in service_command.filled(
        service_command.unit(service_command.SERVICE), places(), "/opt/imgretd"
    )


@pytest.mark.parametrize(
    "value", ["/a\nExecStartPre=/bin/evil", "/a\r", "/a\x1b[31m", "/a\udcff", "/a\u2028b", "/a\\"]
)
@pytest.mark.parametrize("name", ["IMGRET_INDEX", "HF_HOME", "XDG_STATE_HOME", "IMGRET_SOCKET"])
def test_what_a_unit_cannot_hold_is_refused_by_name(name, value, monkeypatch, tmp_path, private_places):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="cannot be written to a systemd unit") as error:
        service_command.install()
    assert name in str(error.value)
    assert str(error.value).isprintable()
    assert not os.path.lexists(service_command.units_folder())


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30))
def test_systemd_reads_back_what_was_quoted(value):
    """systemd.syntax(7): a quoted or a plain word, backslashes and quotes escaped, %% for %."""
    word = service_command._quoted(f"A={value}")
    if word.startswith('"'):
        assert re.fullmatch(r'"(?:[^"\\]|\\["\\])*"', word)
        word = re.sub(r"\\(.)", r"\1", word[1:-1])
    else:
        assert not re.search(r"(?a)[\s'\"\\;]", word)
    assert word.replace("%%", "").count("%") == 0
    assert word.replace("%%", "%") == f"A={value}"


def test_without_systemd_it_reports_what_to_do_and_leaves_no_file(monkeypatch, tmp_path, private_places):
    before = sorted(private_places.rglob("*"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DaemonError, match="systemctl") as error:
        service_command.install()
    assert "--foreground" in error.value.hint
    assert sorted(private_places.rglob("*")) == before


def stand_in(tmp_path, monkeypatch, *, fails=""):
    """A systemctl that records its arguments, and fails at one word; test_systemd.py runs the real one."""
    calls = tmp_path / "calls"
    program = tmp_path / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\ncase "$*" in *{fails or "nothing"}*) echo no >&2; exit 1;; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return calls


@pytest.mark.parametrize("word", ["show", "daemon-reload", "restart"])
def test_an_installation_that_fails_leaves_no_units(word, monkeypatch, tmp_path, private_places):
    stand_in(tmp_path, monkeypatch, fails=word)
    with pytest.raises(DaemonError) as error:
        service_command.install()
    assert "--foreground" in error.value.hint
    assert (
        not os.path.exists(service_command.units_folder()) or os.listdir(service_command.units_folder()) == []
    )


def test_install_and_uninstall_write_and_remove_the_units(monkeypatch, tmp_path, private_places):
    calls = stand_in(tmp_path, monkeypatch)
    service_command.install()
    folder = service_command.units_folder()
    assert sorted(os.listdir(folder)) == [service_command.SERVICE, service_command.SOCKET]
    service_command.uninstall()
    assert os.listdir(folder) == []
    assert [line for line in calls.read_text().splitlines() if "show" not in line] == [
        "--user daemon-reload",
        "--user enable --now imgretd.socket",
        "--user enable imgretd.service",
        "--user restart imgretd.service",
        "--user disable --now imgretd.service imgretd.socket",
        "--user daemon-reload",
    ]


def test_units_are_removed_where_systemd_does_not_respond(monkeypatch, tmp_path, private_places):
    stand_in(tmp_path, monkeypatch)
    service_command.install()
    folder = service_command.units_folder()
    os.mkdir(os.path.join(folder, "sockets.target.wants"))
    os.symlink(
        os.path.join(folder, service_command.SOCKET),
        os.path.join(folder, "sockets.target.wants", service_command.SOCKET),
    )
    stand_in(tmp_path, monkeypatch, fails="disable")
    with pytest.raises(DaemonError, match="disable"):
        service_command.uninstall()
    assert [name for _, _, files in os.walk(folder) for name in files] == []
