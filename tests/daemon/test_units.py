"""The units are what systemd takes without a word, with the paths of any installation in them."""

import os
import shutil
import stat
import subprocess

import pytest

from imgret.cli import service
from imgret.config import places
from imgret.errors import DaemonError


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
    units = [str(folder / name) for name in (service.SERVICE, service.SOCKET)]
    return subprocess.run(
        ["systemd-analyze", "--user", "verify", *units], env=environ, capture_output=True, text=True
    )


def test_systemd_takes_the_installed_units_without_a_word(tmp_path, imgretd, private_places):
    folder = tmp_path / "units"
    folder.mkdir()
    for name in (service.SERVICE, service.SOCKET):
        (folder / name).write_text(service.filled(service.unit(name), places(), imgretd))
    ran = verified(folder, dict(os.environ))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_wrong_unit_would_be_noticed(tmp_path, imgretd, private_places):
    folder = tmp_path / "units"
    folder.mkdir()
    for name in (service.SERVICE, service.SOCKET):
        text = service.filled(service.unit(name), places(), imgretd)
        (folder / name).write_text(text.replace("NoNewPrivileges", "NoNewPrivilges"))
    assert "NoNewPrivilges" in verified(folder, dict(os.environ)).stderr


def test_the_unit_keeps_what_the_design_says():
    text = service.unit(service.SERVICE)
    for line in (
        "Type=notify",
        "NoNewPrivileges=yes",
        "PrivateUsers=yes",
        "ProtectHome=read-only",
        "SystemCallFilter=@system-service",
        "IOSchedulingClass=idle",
        "Restart=on-failure",
    ):
        assert f"\n{line}\n" in text
    directives = [line for line in text.splitlines() if not line.startswith("#")]
    assert not any(line.startswith(("MemoryDenyWriteExecute", "PrivateDevices")) for line in directives)
    assert "ListenStream=%t/imgretd.sock" in service.unit(service.SOCKET)


def test_the_installation_fills_in_what_it_writes_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "my index/i.db"))
    text = service.filled(service.unit(service.SERVICE), places(), "/opt/imgretd")
    assert "\nExecStart=/opt/imgretd\n" in text
    assert f'\nEnvironment="IMGRET_INDEX={tmp_path}/my index/i.db"\n' in text
    assert f'ReadWritePaths="-{tmp_path}/my index"' in text


def test_without_systemd_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DaemonError, match="systemctl") as error:
        service.install()
    assert "--foreground" in error.value.hint


def test_install_and_uninstall_write_and_remove_the_units(monkeypatch, tmp_path, private_places):
    """With a systemctl that notes what it is asked: the real one is asked in test_systemd.py."""
    asked = tmp_path / "asked"
    stand_in = tmp_path / "systemctl"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    service.install()
    folder = service.units_folder()
    assert sorted(os.listdir(folder)) == [service.SERVICE, service.SOCKET]
    service.uninstall()
    assert os.listdir(folder) == []
    assert asked.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now imgretd.socket",
        "--user enable imgretd.service",
        "--user restart imgretd.service",
        "--user disable --now imgretd.service imgretd.socket",
        "--user daemon-reload",
    ]
