"""How the hub process gives up its privileges: it answers the network, so it must not be root.

Started as root, it becomes another user (`user.py` says which), without any capability. Where that user cannot reach
Python itself (an installation below /root, say) it keeps one capability, to read past permissions, and Landlock
confines what it reads; where the kernel has no Landlock, it refuses to run. In every case Landlock, where the kernel
has it, lets it write to its own directory and nowhere else.
"""

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from argosy.core.errors import Denied
from argosy.embedded import landlock
from argosy.linux.capabilities import make_heritable

_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/proc", "/dev/urandom", "/dev/random", "/dev/zero",
    "/etc/ca-certificates", "/etc/crypto-policies", "/etc/group", "/etc/gai.conf", "/etc/host.conf", "/etc/hosts",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/passwd", "/etc/pki/tls/certs",
    "/etc/pki/ca-trust", "/etc/protocols", "/etc/resolv.conf", "/etc/services", "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf", "/etc/timezone", "/sys/fs/cgroup",
)  # fmt: skip
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 8, 24, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAP_VERSION = 0x20080522
_CAP_DAC_READ_SEARCH = 2

_libc = ctypes.CDLL(None, use_errno=True)


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """What a confined process may still do."""

    uid: int
    gid: int
    reads_past_permissions: bool
    landlock: int
    """Version of Landlock in force; 0: none."""

    def describe(self) -> str:
        """Say it for people."""
        fence = f"Landlock version {self.landlock}" if self.landlock else "no Landlock"
        reads = ", may read past permissions (its user cannot reach Python)" if self.reads_past_permissions else ""
        return f"uid {self.uid}{reads}, {fence}"


def confine(own: Path, uid: int, gid: int) -> Confinement:
    """Give up for good all but reading what Python needs and writing below `own`. Call it before threads exist.

    Raises:
        Denied: it would have to read past permissions, and nothing would confine what.
    """
    needed = _needed()
    readable = [*needed, *map(Path, _SYSTEM)]
    reads_past = False
    if os.geteuid() == 0:
        reads_past = not _succeeds(lambda: _try_as(uid, gid, needed, own))
        if reads_past and not landlock.version():
            raise Denied(_unfenced(uid, own))
        _become(uid, gid, _CAP_DAC_READ_SEARCH if reads_past else None)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    fence = landlock.restrict(readable=readable, writable=[own, Path("/dev/null")])
    return Confinement(uid=uid, gid=gid, reads_past_permissions=reads_past, landlock=fence)


def die_with_parent() -> None:
    """Have the kernel kill us when our parent dies. Giving up privileges forgets this: say it again afterwards."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _unfenced(uid: int, own: Path) -> str:
    return (
        f"user {uid} cannot reach {Path(sys.prefix)} (Python and Argosy) or {own}, and this kernel has no Landlock "
        "to confine a process that reads past permissions: install Python and Argosy, and keep the data directory, "
        f"where user {uid} can reach them, or enable Landlock in the kernel (lsm=)"
    )


def _needed() -> list[Path]:
    """Return what a Python process reads to run Argosy."""
    package = Path(__file__).resolve().parents[1]
    prefixes = [Path(prefix) for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)]
    searched = [Path(entry) for entry in sys.path if entry and Path(entry).exists()]
    return sorted({*prefixes, *searched, package, Path(sys.executable).resolve().parent})


def _succeeds(attempt: Callable[[], None]) -> bool:
    """Run it in a process of its own; say whether it returned."""
    child = os.fork()
    if child == 0:
        _leave(attempt)
    return os.waitpid(child, 0)[1] == 0


def _leave(attempt: Callable[[], None]) -> NoReturn:
    status = 1
    try:
        attempt()
        status = 0
    except OSError:
        pass
    finally:
        os._exit(status)


def _try_as(uid: int, gid: int, needed: list[Path], own: Path) -> None:
    _become(uid, gid, None)
    for path in needed:
        os.close(os.open(path, os.O_RDONLY))
    trial = own / ".reachable"
    trial.touch()
    trial.unlink()


def _become(uid: int, gid: int, keep: int | None) -> None:
    """Become the user, with at most one capability, and none that could ever come back."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    if keep is not None:  # the process that plans syncs must reach Python, too
        make_heritable(keep)
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    _prctl(_PR_SET_KEEPCAPS, int(keep is not None))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _prctl(_PR_SET_KEEPCAPS, 0)
    _set_capabilities(0 if keep is None else 1 << keep)


def _set_capabilities(mask: int) -> None:
    header = struct.pack("=Ii", _CAP_VERSION, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = struct.pack("=6I", low, low, low, high, high, high)
    if _libc.capset(header, data) < 0:
        raise OSError(ctypes.get_errno(), "capset")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) < 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")
