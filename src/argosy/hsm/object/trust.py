"""What is believed of an object's metadata: whoever may write into the store could have written it.

Without the datastore's seal it grants nothing: no set-uid, set-gid or capability, and no file of root's.
"""

import grp
import pwd
import stat
from typing import Final, NamedTuple

import msgspec

from argosy.core.entry import ACLS, Attributes, Kind
from argosy.core.errors import Invalid
from argosy.hsm.object.target import Target
from argosy.stores import metadata
from argosy.stores.base import Object

NOBODY: Final = 65534
_ROOT: Final = 0
_RIGHTS: Final = stat.S_ISUID | stat.S_ISGID
_MODES: Final = {Kind.DIRECTORY: 0o755}
_MODE: Final = 0o644
_OURS: Final = b"user.argosy"


class Owners(NamedTuple):
    """Who owns what records no owner, or one that is not believed; None: nobody."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def named(cls, user: str | None, group: str | None) -> "Owners":
        """Return the owners as people give them: a number, or a name that this machine knows.

        Raises:
            Invalid: there is no such user or group.
        """
        try:
            uid = None if user is None else int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
            gid = None if group is None else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError as error:
            raise Invalid(f"{error.args[0]} on this machine: give default_uid and default_gid as numbers") from error
        return cls(uid, gid)

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self != (None, None)

    def own(self, attributes: Attributes) -> Attributes:
        """Return the attributes with these owners; whom nobody named stays."""
        uid = attributes.uid if self.uid is None else self.uid
        gid = attributes.gid if self.gid is None else self.gid
        return msgspec.structs.replace(
            attributes,
            uid=uid,
            gid=gid,
            user=attributes.user if uid == attributes.uid else "",
            group=attributes.group if gid == attributes.gid else "",
        )


NO_OWNERS: Final = Owners()


def same_but_names(one: Attributes, other: Attributes) -> bool:
    """Say whether nothing differs but, perhaps, what people call the owners."""
    return msgspec.structs.replace(one, user="", group="") == msgspec.structs.replace(other, user="", group="")


def is_believed(place: Target, found: Object, described: metadata.Described) -> bool:
    """Say whether this datastore's seal is on what an object says of itself.

    It counts only where the object lies under the path it was sealed for: else whoever can copy objects could put a
    program that may do more than others where it does harm.
    """
    return described.path == place.name and metadata.is_sealed(found.metadata, described, place.access.seal)


def believed(place: Target, found: Object, described: metadata.Described, owners: Owners) -> Attributes:
    """Return what an entry made of the object is to be given."""
    if is_believed(place, found, described):
        return _carried(described.attributes)
    return _humbled(_carried(described.attributes), owners)


def followed(place: Target, found: Object, described: metadata.Described, ours: Attributes) -> Attributes:
    """Return what an entry that is there with attributes of its own is to be given."""
    carried = _carried(described.attributes)
    return carried if is_believed(place, found, described) else carried.restrained(ours)


def unproved(attributes: Attributes, ours: Attributes) -> Attributes:
    """Return what a file may be given whose bytes were not compared: they could be anybody's."""
    mode = attributes.mode & ~(_RIGHTS & ~ours.mode)
    return msgspec.structs.replace(attributes.owned_like(ours), mode=mode)


def grants(ours: Attributes, attributes: Attributes) -> bool:
    """Say whether these attributes give somebody a file, or a file more rights, than `ours` do."""
    if (ours.uid, ours.gid) != (attributes.uid, attributes.gid):
        return True
    return bool(attributes.mode & ~ours.mode & _RIGHTS or attributes.acls - ours.acls)


def given(ours: Attributes, owners: Owners) -> Attributes:
    """Return `ours` with these owners, for whom nobody is to act who could write to it before."""
    owned = owners.own(ours)
    if (owned.uid, owned.gid) == (ours.uid, ours.gid):
        return owned
    return msgspec.structs.replace(owned, mode=owned.mode & ~_RIGHTS)


def foreign(found: Object, kind: Kind, owners: Owners) -> Attributes:
    """Return the attributes of an entry made of an object that says nothing of it."""
    nobody = Attributes(mode=_MODES.get(kind, _MODE), uid=NOBODY, gid=NOBODY, mtime_ns=found.modified_ns)
    return owners.own(nobody)


def _carried(attributes: Attributes) -> Attributes:
    """Leave out what no agent ever writes there."""
    kept = tuple((name, value) for name, value in attributes.xattrs if name in ACLS or _is_users(name))
    return attributes if kept == attributes.xattrs else msgspec.structs.replace(attributes, xattrs=kept)


def _is_users(name: bytes) -> bool:
    return name.startswith(b"user.") and name != _OURS and not name.startswith(_OURS + b".")


def _humbled(attributes: Attributes, owners: Owners) -> Attributes:
    refused = Owners(
        _instead(owners.uid) if attributes.uid == _ROOT else None,
        _instead(owners.gid) if attributes.gid == _ROOT else None,
    )
    return msgspec.structs.replace(refused.own(attributes), mode=attributes.mode & ~_RIGHTS)


def _instead(default: int | None) -> int:
    return NOBODY if default is None else default
