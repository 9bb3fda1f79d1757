"""Whom the hub runs as."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from argosy.cli import checks
from argosy.core.errors import Denied
from argosy.embedded import offline
from argosy.embedded.place import Place
from argosy.embedded.user import user_of

NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A data directory on a machine without a user `argosy`."""
    assert "argosy" not in {entry.pw_name for entry in pwd.getpwall()}
    place = Place(tmp_path / "data")
    place.hub.mkdir(parents=True)
    return place


def test_it_is_the_owner_of_its_data_where_that_is_not_root(place: Place) -> None:
    os.chown(place.hub, 1234, 2345)
    assert user_of(place) == (1234, 2345)


def test_without_such_an_owner_it_is_a_number_that_is_nobodys_else(place: Place) -> None:
    uid, gid = user_of(place)
    assert uid == gid
    assert 55_000 <= uid < 60_000
    assert uid not in {NOBODY, *(entry.pw_uid for entry in pwd.getpwall()), *(entry.gr_gid for entry in grp.getgrall())}


def test_the_choice_is_kept_and_belongs_to_root(place: Place, tmp_path: Path) -> None:
    chosen = user_of(place)
    moved = Place(place.top.rename(tmp_path / "moved"))
    assert user_of(moved) == chosen
    assert (moved.user.stat().st_uid, moved.user.stat().st_mode & 0o777) == (0, 0o600)


def test_two_hubs_that_live_are_two_users(place: Place) -> None:
    first, _ = user_of(place)
    place.user.unlink()
    child = os.fork()
    if child == 0:
        os.setresuid(first, first, first)
        os.kill(os.getpid(), 19)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    try:
        assert user_of(place)[0] != first
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_a_record_that_says_root_or_nonsense_is_not_believed(place: Place) -> None:
    for said in ("0", str(NOBODY), "", "x"):
        place.user.write_text(said)
        assert 55_000 <= user_of(place)[0] < 60_000


def test_what_an_earlier_hub_left_to_nobody_is_given_to_the_new_user(place: Place) -> None:
    (place.hub / "keys").mkdir()
    key = place.hub / "keys" / "signing.key"
    key.touch(0o600)
    for path in (place.hub, key.parent, key):
        os.chown(path, NOBODY, 65534)
    uid, gid = user_of(place)
    assert uid != NOBODY
    place.give_hub(uid, gid)
    assert {path.stat().st_uid for path in (place.hub, key.parent, key)} == {uid}
    assert user_of(place) == (uid, gid)


def test_data_of_nobody_is_not_touched_offline_and_doctor_tells(place: Place) -> None:
    os.chown(place.hub, NOBODY, 65534)
    with pytest.raises(Denied, match="start Argosy on it once"):
        offline.reset_password(place.top, "admin", "x")
    assert [found.level for found in checks.data_directory(place.top) if "nobody" in found.found] == ["fail"]
