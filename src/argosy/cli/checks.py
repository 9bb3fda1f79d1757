"""What `argosy doctor` looks at."""

import errno
import fcntl
import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from argosy.core.config import Config, DatastoreConfig, FilesetConfig, HubConfig, SiteConfig
from argosy.core.errors import ArgosyError
from argosy.core.options import options, parse

if TYPE_CHECKING:
    from argosy.stores.base import Abilities

_PYTHON = (3, 11)
_KERNEL = (5, 6)
"""The first kernel with openat2."""
_CLEAR = ("secretaccesskey", "accesskey")
"""Secrets that the configuration itself may hold."""
_LITTLE = 0.05
"""Part of a filesystem that should be free."""
_TOP_OF_SUBVOLUME = 256
"""The inode number that btrfs gives it."""


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was found, and what to do."""

    level: Level
    subject: str
    found: str
    remedy: str = ""


def ok(subject: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, subject, found)


def warn(subject: str, found: str, remedy: str) -> Finding:
    """It works, with a risk or without something."""
    return Finding(Level.WARN, subject, found, remedy)


def fail(subject: str, found: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAIL, subject, found, remedy)


def machine() -> Iterator[Finding]:
    """Look at Python, kernel, privileges and what confines the API."""
    from argosy.embedded import landlock

    shown = platform.python_version()
    fits = sys.version_info[:2] >= _PYTHON
    yield ok("Python", shown) if fits else fail("Python", shown, "install 3.11 or newer")
    release = platform.release()
    known = tuple(int(part) for part in release.split(".")[:2] if part.isdigit()) >= _KERNEL
    yield ok("kernel", release) if known else warn("kernel", release, "5.6 or newer resolves paths faster")
    if os.geteuid() == 0:
        yield ok("privileges", "root: owners, ACLs and protected attributes are kept")
    else:
        yield warn("privileges", "not root", "run as root to keep the owners of files")
    fence = landlock.version()
    yield (
        ok("Landlock", f"version {fence}")
        if fence
        else warn(
            "Landlock", "not available", "the API is confined by its user alone: enable Landlock in the kernel (lsm=)"
        )
    )
    yield warn("recall guard", "not available yet", "use premigrate, and send --hydrate")


def configuration_file(file: Path, config: Config) -> Finding:
    """Look at who may read the file, where it holds secrets."""
    clear = [f"datastores.{store.name}.{key}" for store in config.datastores for key in _CLEAR]
    if set(config.declared) & {"hub.database_password", *clear} and file.stat().st_mode & 0o077:
        return warn(f"configuration {file}", "holds secrets that others may read", f"chmod 600 {file}")
    return ok(f"configuration {file}", f"{len(config.sites)} sites, {len(config.datastores)} datastores")


def data_directory(top: Path) -> Iterator[Finding]:
    """Look at the data directory, whether Argosy runs on it, and how its API is confined."""
    from argosy.embedded.confinement import Confinement
    from argosy.embedded.place import Place

    place, subject = Place(top), f"data directory {top}"
    if not top.exists():
        parent = next(path for path in top.parents if path.exists())
        writable = os.access(parent, os.W_OK | os.X_OK)
        yield ok(subject, "will be made") if writable else fail(subject, "cannot be made", "choose another --data-dir")
        return
    if not os.access(top, os.W_OK | os.X_OK):
        yield fail(subject, "cannot be written", "run as the user that Argosy runs as, or choose another --data-dir")
        return
    yield from _space(subject, top)
    yield from _owner(place.hub)
    if not _is_held(place.lock):
        yield ok(subject, "writable; no Argosy runs on it")
        return
    yield ok(subject, "writable; Argosy runs on it")
    try:
        found = msgspec.json.decode(place.confinement.read_bytes(), type=Confinement)
    except (OSError, msgspec.MsgspecError):
        yield warn("API process", "not known how it is confined", "look again when Argosy is ready")
        return
    told = found.describe()
    weak = found.uid == 0 or not found.landlock
    yield warn("API process", told, "enable Landlock in the kernel (lsm=)") if weak else ok("API process", told)


def _owner(hub: Path) -> Iterator[Finding]:
    from argosy.embedded.user import nobodies

    if hub.exists() and hub.stat().st_uid in nobodies():
        yield fail(
            f"hub's data {hub}",
            "belongs to nobody: other programs may read the keys of its tokens",
            "start Argosy again as root: it takes a user of its own",
        )


def database(config: HubConfig) -> Finding:
    """Ask the server of the hub's tables whether it lets the hub in, as the user that the hub runs as."""
    from argosy.embedded.place import Place

    try:
        from argosy.hub.project.database import Database, expect_library, look

        expect_library()
        with _as_owner_of(Place(Path(config.data_dir)).hub):
            found = look(Database(config.database, config.database_password))
    except ArgosyError as error:
        return fail("database", error.message, "")
    return ok("database", f"{found} answers, and may be written")


@contextmanager
def _as_owner_of(directory: Path) -> Iterator[None]:
    """Be the user that the hub's data belongs to, where we are root: servers may go by who connects."""
    own = os.geteuid()
    if own == 0 and directory.exists():
        os.seteuid(directory.stat().st_uid)
    try:
        yield
    finally:
        os.seteuid(own)


def site(config: SiteConfig) -> Iterator[Finding]:
    """Look at the roots and filesets of a site, and at what it chose to risk."""
    for root in config.roots:
        yield from _root(f"site {config.name}, root {root}", Path(root))
    for fileset in config.filesets:
        yield _fileset(f"site {config.name}, fileset {fileset.name}", fileset, config.roots)
    if config.unguarded_stubs:
        yield warn(
            f"site {config.name}", "unguarded_stubs = true: a stub read without a guard shows zeros", "set it to false"
        )


def datastore(config: DatastoreConfig, data: Path | None = None) -> Finding:
    """Ask the datastore whether it answers and lets us write; not where the agents of `data` know it as another."""
    from argosy.agent.shelves import expect_known
    from argosy.stores.base import STORES
    from argosy.stores.posix import PosixStore

    subject = f"datastore {config.name}"
    try:
        plugin = STORES.get(config.type.lower())
        known = {option.name for option in options(plugin)}
        settings = {key: value for key, value in msgspec.structs.asdict(config).items() if key in known and value}
        store = parse(plugin, settings, noun=subject)
        if isinstance(store, PosixStore) and data is not None:
            for directory in sorted(data.glob("agent/*/stores")):
                expect_known(config.name, store, directory)
        found = store.probe()
    except ArgosyError as error:
        return fail(subject, error.message, "")
    if config.layout == "native" and not found.conditions:
        return fail(
            subject, "ignores conditional writes: writers would destroy each other's", 'set layout = "immutable"'
        )
    return ok(subject, f"{config.type} answers and can be written; {_told(found)}")


def _told(found: "Abilities") -> str:
    """Say what a store can do, and what it cannot."""
    known = msgspec.structs.asdict(found)
    can, cannot = (", ".join(name for name, does in known.items() if does is wanted) for wanted in (True, False))
    return f"it has {can or 'nothing'}" + (f", and lacks {cannot}" if cannot else "")


def hub() -> Iterator[Finding]:
    """Ask the hub whether it answers, and, as far as somebody is logged in, how its sites are."""
    from argosy.cli.session import connected, hub_url

    url = hub_url()
    try:
        with connected() as client:
            told = client.health()
    except ArgosyError as error:
        if error.code == "denied":
            yield ok(f"hub {url}", "answers; how its sites are it tells after `argosy login`")
        else:
            yield warn(f"hub {url}", "does not answer", "start it with `argosy up`, or name it in ARGOSY_URL")
        return
    yield ok(f"hub {url}", "answers")
    for site in told.site_status:
        if site.reason:
            yield (fail if site.health == "critical" else warn)(f"site {site.site}", site.reason, "")


def _root(subject: str, root: Path) -> Iterator[Finding]:
    try:
        found = root.lstat()
    except OSError as error:
        yield fail(subject, str(error.strerror), "make the directory, or correct `roots`")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield fail(subject, "is not a directory", "name the directory itself, not a link to it")
        return
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield fail(subject, "cannot be read and written", "run as a user who may")
        return
    yield ok(subject, f"filesystem {_filesystem_of(root)}")
    yield from _space(subject, root)
    for ability, attempt, remedy in _ABILITIES:
        yield _tried(f"{subject}, {ability}", root, attempt, remedy)


def _fileset(subject: str, config: FilesetConfig, roots: Sequence[str]) -> Finding:
    """See whether the top of a fileset is there, and can be held fast as the configuration says."""
    top = Path(config.path)
    if top.is_symlink() or not top.is_dir():
        return fail(subject, f"{top} is not a directory", "mount its disk or make it, or correct `path`")
    kind = _filesystem_of(top)
    if config.snapshots == "btrfs" and (kind, top.stat().st_ino) != ("btrfs", _TOP_OF_SUBVOLUME):
        return fail(
            subject, f"{top} is not a subvolume of a btrfs", 'make it one, or let the fileset have snapshots = "index"'
        )
    if config.snapshots == "gpfs" and kind != "gpfs":
        return fail(subject, f"{top} lies on {kind}, not on GPFS", 'let the fileset have snapshots = "index"')
    if (above := next((root for root in map(Path, roots) if root in top.parents), None)) and _apart(top, above):
        return warn(
            subject,
            f"{top} is a filesystem or subvolume of its own in the root {above}: nothing can be written to it",
            f"let `roots` name {top}, and in the place of {above} the directories beside it",
        )
    return ok(subject, f"{top} is there, on {kind}")


def _apart(top: Path, above: Path) -> bool:
    return above.exists() and top.stat().st_dev != above.stat().st_dev


def _tried(subject: str, root: Path, attempt: Callable[[Path], None], remedy: str) -> Finding:
    try:
        attempt(root)
    except OSError as error:
        return warn(subject, f"not available ({error.strerror})", remedy)
    return ok(subject, "available")


def _try_user_attributes(root: Path) -> None:
    with closing(_Unnamed(root)) as file:
        os.setxattr(file.descriptor, "user.argosy.doctor", b"x")


def _try_trusted_attributes(root: Path) -> None:
    with closing(_Unnamed(root)) as file:
        os.setxattr(file.descriptor, "trusted.argosy.doctor", b"x")


def _try_leases(root: Path) -> None:
    with closing(_Unnamed(root)) as file:
        reader = os.open(f"/proc/self/fd/{file.descriptor}", os.O_RDONLY)
        os.close(file.descriptor)
        file.descriptor = reader
        fcntl.fcntl(reader, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(reader, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _try_exchange(root: Path) -> None:
    from argosy.linux import rename

    with tempfile.TemporaryDirectory(prefix=".argosy-doctor-", dir=root) as directory:
        for name in ("a", "b"):
            Path(directory, name).touch()
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            rename.exchange(descriptor, b"a", descriptor, b"b")
        finally:
            os.close(descriptor)


class _Unnamed:
    """A file without a name: gone when closed."""

    def __init__(self, root: Path) -> None:
        self.descriptor = os.open(root, os.O_TMPFILE | os.O_RDWR, 0o600)

    def close(self) -> None:
        os.close(self.descriptor)


_ABILITIES: tuple[tuple[str, Callable[[Path], None], str], ...] = (
    ("user attributes", _try_user_attributes, "attributes of files cannot be kept there"),
    ("trusted attributes", _try_trusted_attributes, "run as root; else attributes of Argosy are sealed instead"),
    ("leases", _try_leases, "files that are being written are told by their times alone"),
    ("atomic exchange", _try_exchange, "overwriting is not possible there"),
)


def _space(subject: str, path: Path) -> Iterator[Finding]:
    from argosy.cli.output import amount

    usage = shutil.disk_usage(path)
    told = f"{amount(usage.free)} of {amount(usage.total)} free"
    little = usage.free < _LITTLE * usage.total
    yield warn(subject, told, "free some space") if little else ok(subject, told)


def _filesystem_of(path: Path) -> str:
    """Return the type of the filesystem that the directory lies on; device numbers do not tell on btrfs."""
    descriptor = os.open(path, os.O_PATH)
    try:
        told = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    finally:
        os.close(descriptor)
    wanted = dict(line.split(":", 1) for line in told.splitlines())["mnt_id"].strip()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, rest = line.partition(" - ")
        if mount.split()[0] == wanted:
            return rest.split()[0]
    return "of unknown type"


def _is_held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK
    else:
        return False
    finally:
        os.close(descriptor)
