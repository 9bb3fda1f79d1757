"""What a process that answers the network can still do after it gave up its privileges."""

import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from argosy.embedded import landlock
from argosy.embedded.place import Place

NOBODY = pwd.getpwnam("nobody").pw_uid

PROBE = """
import ctypes, json, os, socket, sqlite3, sys
from pathlib import Path
from argosy.embedded import confinement, landlock
if os.environ.get("WITHOUT_LANDLOCK"):
    landlock.version = lambda: 0
own, outside, uid, gid = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
found = confinement.confine(own, uid, gid)

def attempt(act):
    try:
        act()
    except OSError as error:
        return error.strerror
    return "done"

def database():
    with sqlite3.connect(own / "db.sqlite3") as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()

def regain():
    os.setuid(0)

def late_import():
    import xml.dom.minidom, msgspec, argosy.core.wire

told = dict(
    uid=os.geteuid(),
    status=Path("/proc/self/status").read_text(),
    landlock=found.landlock,
    reads_past=found.reads_past_permissions,
    write_own=attempt(lambda: (own / "new").write_text("x")),
    database=attempt(database),
    write_outside=attempt(lambda: (outside / "new").write_text("x")),
    change_outside=attempt(lambda: (outside / "there").write_text("x")),
    remove_outside=attempt(lambda: (outside / "there").unlink()),
    rename_out=attempt(lambda: (own / "new").rename(outside / "new")),
    mode_outside=attempt(lambda: (outside / "there").chmod(0o777)),
    read_secret=attempt(lambda: Path("/etc/shadow").read_text()),
    read_outside=attempt(lambda: (outside / "there").read_text()),
    write_tmp=attempt(lambda: Path("/tmp/argosy-confinement-probe").write_text("x")),
    regain=attempt(regain),
    signal_parent=attempt(lambda: os.kill(os.getppid(), 0)),
    late_import=attempt(late_import),
)
print(json.dumps(told))
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    (folder / "there").write_text("kept")
    (folder / "there").chmod(0o666)
    return folder


def probe(own: Path, outside: Path, *, within: Sequence[str] = (), **env: str) -> "subprocess.CompletedProcess[str]":
    Place(own.parent).give_hub(NOBODY, 65534)
    command = [sys.executable, "-P", "-c", PROBE, str(own), str(outside), str(NOBODY), "65534"]
    environment = os.environ | env
    return subprocess.run([*within, *command], capture_output=True, text=True, timeout=60, check=False, env=environment)


def probed(own: Path, outside: Path, *, within: Sequence[str] = ()) -> dict[str, Any]:
    run = probe(own, outside, within=within)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def field(status: str, name: str) -> str:
    return next(line.split(":", 1)[1].strip() for line in status.splitlines() if line.startswith(f"{name}:"))


def test_it_writes_its_own_directory_and_nothing_else(tmp_path: Path, outside: Path) -> None:
    told = probed(tmp_path / "data" / "hub", outside)
    assert (told["write_own"], told["database"], told["late_import"]) == ("done", "done", "done")
    for act in ("write_outside", "change_outside", "remove_outside", "rename_out", "mode_outside", "write_tmp"):
        assert told[act] != "done", act
    assert (outside / "there").read_text() == "kept"
    assert sorted(path.name for path in outside.iterdir()) == ["there"]


def test_it_reads_neither_secrets_of_the_system_nor_what_others_left_open(tmp_path: Path, outside: Path) -> None:
    told = probed(tmp_path / "data" / "hub", outside)
    assert told["read_secret"] != "done"
    assert told["read_outside"] != "done"


def test_it_is_no_longer_root_and_never_will_be(tmp_path: Path, outside: Path) -> None:
    told = probed(tmp_path / "data" / "hub", outside)
    status = told["status"]
    assert field(status, "Uid").split() == [str(NOBODY)] * 4
    assert field(status, "Groups") == ""
    assert field(status, "NoNewPrivs") == "1"
    assert int(field(status, "CapBnd"), 16) == int(field(status, "CapAmb"), 16) == 0
    assert field(status, "CapInh") == field(status, "CapPrm")  # what it has, the process that plans syncs may have
    assert told["regain"] != "done"
    assert told["signal_parent"] != "done"


def test_where_python_cannot_be_reached_it_may_read_past_permissions_and_no_more(tmp_path: Path, outside: Path) -> None:
    status = probed(tmp_path / "data" / "hub", outside)["status"]
    assert int(field(status, "CapEff"), 16) == int(field(status, "CapPrm"), 16) == 1 << 2


def test_where_python_cannot_be_reached_and_nothing_would_confine_it_it_refuses(tmp_path: Path, outside: Path) -> None:
    run = probe(tmp_path / "data" / "hub", outside, WITHOUT_LANDLOCK="1")
    assert run.returncode == 1
    assert run.stdout == ""
    assert f"Denied: user {NOBODY} cannot reach" in run.stderr
    assert "or enable Landlock" in run.stderr


def test_without_landlock_it_is_confined_by_its_user_where_python_can_be_reached(
    reachable: Path, outside: Path
) -> None:
    run = probe(reachable / "data" / "hub", outside, within=in_the_open(reachable), WITHOUT_LANDLOCK="1")
    assert json.loads(run.stdout)["read_secret"] != "done"


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that `nobody` reaches; those of pytest are its user's alone."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def in_the_open(top: Path) -> list[str]:
    """Return what runs a command with a Python that everybody reaches: in a namespace where nothing hides it."""
    prefix = Path(sys.base_prefix)
    hidden = next((path for path in reversed(prefix.parents) if path.stat().st_mode & 0o001 == 0), None)
    if hidden is None:
        return []
    aside = top / "python"
    aside.mkdir()
    script = (
        'mount --bind "$1" "$2" && mount -t tmpfs -o mode=0711 none "$3" && mkdir -p "$1" && mount --bind "$2" "$1"'
        ' && shift 3 && exec "$@"'
    )
    return ["unshare", "--mount", "sh", "-c", f"umask 022; {script}", "sh", str(prefix), str(aside), str(hidden)]


def test_where_python_can_be_reached_no_capability_is_left(reachable: Path, outside: Path) -> None:
    told = probed(reachable / "data" / "hub", outside, within=in_the_open(reachable))
    assert told["reads_past"] is False
    assert int(field(told["status"], "CapEff"), 16) == int(field(told["status"], "CapPrm"), 16) == 0
    assert (told["write_own"], told["database"], told["late_import"]) == ("done", "done", "done")


def test_landlock_is_in_force_where_the_kernel_has_it(tmp_path: Path, outside: Path) -> None:
    assert probed(tmp_path / "data" / "hub", outside)["landlock"] == landlock.version()


def test_what_root_made_meanwhile_is_given_back_to_the_hub(tmp_path: Path, outside: Path) -> None:
    own = tmp_path / "data" / "hub"
    probed(own, outside)
    (own / "keys").mkdir()
    (own / "keys" / "of-root").write_text("x")
    os.chown(own / "db.sqlite3", 0, 0)
    assert probed(own, outside)["database"] == "done"
    assert (own / "keys" / "of-root").stat().st_uid == NOBODY


def test_a_second_name_of_somebody_elses_file_is_not_given_away(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    place.hub.mkdir(parents=True)
    (tmp_path / "precious").write_text("x")
    os.link(tmp_path / "precious", place.hub / "mine-now")
    os.symlink(tmp_path / "precious", place.hub / "link")
    place.give_hub(NOBODY, 65534)
    assert (tmp_path / "precious").stat().st_uid == 0
