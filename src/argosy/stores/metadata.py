"""What an object says of the entry it holds: metadata on the object, and a sidecar document where that is too small.

Names are lower-case letters and digits, values ASCII, all under 2 KiB. `mtime`, `mode`, `uid` and `gid` are written as
rclone writes them, so that `rclone copy --metadata` brings them back without Argosy; the rest is ours:

* `argosyv` version, `argosyuuid`, `argosyhash` (BLAKE3), `argosykind`,
* `argosymac`, where the datastore has a secret: a keyed BLAKE3 over all that is described, wherever it is written,
* `argosypath` percent-encoded, `argosymore` (user, group, xattrs, links, target; MessagePack in base64), or instead of
  these two `argosysidecar`: the BLAKE3 of a JSON document kept at `.argosy/meta/<uuid>` that holds everything.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

import blake3
import msgspec

from argosy.core import wire
from argosy.core.entry import Attributes, Kind
from argosy.core.errors import Corrupt, Invalid, Unsupported
from argosy.core.ready import ready
from argosy.stores import keys
from argosy.stores.base import Store

VERSION = 1
LIMIT = 2000
"""S3 takes 2,048 bytes of names and values; some count the 11 bytes of `x-amz-meta-` with each name, so do we."""
SIDECAR_LIMIT = 1 << 20
"""Most bytes a sidecar may have: xattrs, ACLs, a path and a target are all far smaller together."""

_BILLION = 10**9


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What an object says of the entry it holds."""

    uuid: bytes
    digest: bytes
    path: bytes
    """Within the datastore."""
    kind: Kind
    attributes: Attributes
    links: int = 1
    target: bytes | None = None


class _More(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What few entries have."""

    user: str = ""
    group: str = ""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    links: int = 1
    target: bytes | None = None


class _Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """The document beside an object."""

    v: int = VERSION
    described: Described


def describe(
    *,
    uuid: bytes,
    digest: bytes,
    path: bytes,
    kind: Kind,
    attributes: Attributes,
    links: int = 1,
    target: bytes | None = None,
    seal: bytes = b"",
) -> tuple[Mapping[str, str], bytes | None]:
    """Return the metadata of an object, and the sidecar to be stored at `keys.sidecar(uuid)` if not all fits.

    `seal`: the datastore's secret; what is described under it can be told from what others wrote (`is_sealed`).

    Raises:
        Unsupported: it is more than a sidecar may hold.
    """
    described = Described(
        uuid=uuid, digest=digest, path=path, kind=kind, attributes=attributes, links=links, target=target
    )
    common = _common(described) | ({"argosymac": _mac(described, seal)} if seal else {})
    whole = common | _rest(described)
    if sum(11 + len(name) + len(value) for name, value in whole.items()) <= LIMIT:
        return whole, None
    document = wire.dump(_Sidecar(described=described))
    if len(document) > SIDECAR_LIMIT:
        raise Unsupported(f"its attributes take {len(document)} bytes, {SIDECAR_LIMIT} can be kept: remove some xattrs")
    return common | {"argosysidecar": blake3.blake3(document).hexdigest()}, document


def described(metadata: Mapping[str, str], sidecar: bytes | None = None) -> Described | None:
    """Return what the metadata says; None where it is not ours.

    Raises:
        Corrupt: it is ours and was cut or changed, or its sidecar was, or is missing.
        Unsupported: a newer Argosy wrote it.
    """
    if "argosyv" not in metadata:
        return None
    try:
        if int(metadata["argosyv"]) > VERSION:
            raise Unsupported(f"the object's metadata is of version {metadata['argosyv']}: this Argosy reads {VERSION}")
        return _from_sidecar(metadata, sidecar) if "argosysidecar" in metadata else _from_object(metadata)
    except (KeyError, ValueError, binascii.Error, msgspec.MsgspecError, Invalid) as error:
        raise Corrupt(f"the object's metadata cannot be read: it was cut or changed ({error})") from error


def fetch_sidecar(store: Store, metadata: Mapping[str, str]) -> bytes | None:
    """Return the sidecar document that the metadata points to, None where there is none.

    Raises:
        Corrupt: it is larger than any that Argosy writes.
        NotFound: it is gone.
    """
    uuid = sidecar_of(metadata)
    if uuid is None:
        return None
    document = b"".join(store.get(keys.sidecar(uuid), length=SIDECAR_LIMIT + 1))
    if len(document) > SIDECAR_LIMIT:
        raise Corrupt(f"the sidecar {keys.sidecar(uuid)} is larger than {SIDECAR_LIMIT} bytes: Argosy did not write it")
    return document


def is_sealed(metadata: Mapping[str, str], described: Described, seal: bytes) -> bool:
    """Say whether what was read from the metadata, or its sidecar, was described under this secret."""
    return bool(seal) and hmac.compare_digest(metadata.get("argosymac", "").encode(), _mac(described, seal).encode())


def is_anothers(metadata: Mapping[str, str], described: Described, seal: bytes) -> bool:
    """Say whether a secret covers it, and not this one: another hub's, or one that was lost; or it was changed."""
    return bool(seal) and "argosymac" in metadata and not is_sealed(metadata, described, seal)


def uuid_of(metadata: Mapping[str, str]) -> bytes | None:
    """Return the uuid of the object; None where the metadata is not ours."""
    try:
        uuid = bytes.fromhex(metadata.get("argosyuuid", ""))
    except ValueError:
        return None
    return uuid if len(uuid) == 16 else None


def sidecar_of(metadata: Mapping[str, str]) -> bytes | None:
    """Return the uuid under which the sidecar is kept; None where there is none."""
    return uuid_of(metadata) if "argosysidecar" in metadata else None


def _mac(entry: Described, seal: bytes) -> str:
    attributes = msgspec.structs.astuple(entry.attributes)
    described = entry.uuid, entry.digest, entry.path, entry.kind, attributes, entry.links, entry.target
    content = msgspec.msgpack.encode((VERSION, *described))
    return blake3.blake3(content, key=blake3.blake3(seal).digest()).hexdigest()


def _common(entry: Described) -> dict[str, str]:
    attributes = entry.attributes
    digest = {"argosyhash": entry.digest.hex()} if entry.digest else {}  # some stores lose empty values
    return digest | {
        "argosyv": str(VERSION),
        "argosyuuid": entry.uuid.hex(),
        "argosykind": entry.kind.value,
        "mtime": _seconds(attributes.mtime_ns),
        "mode": f"{attributes.mode:o}",
        "uid": str(attributes.uid),
        "gid": str(attributes.gid),
    }


def _rest(entry: Described) -> dict[str, str]:
    attributes = entry.attributes
    more = _More(
        user=attributes.user, group=attributes.group, xattrs=attributes.xattrs, links=entry.links, target=entry.target
    )
    packed = base64.b64encode(msgspec.msgpack.encode(more)).decode()
    return {"argosypath": quote_from_bytes(entry.path), "argosymore": packed}


def _from_object(metadata: Mapping[str, str]) -> Described:
    more = msgspec.msgpack.decode(base64.b64decode(metadata["argosymore"], validate=True), type=ready(_More))
    attributes = Attributes(
        mode=int(metadata["mode"], 8),
        uid=int(metadata["uid"]),
        gid=int(metadata["gid"]),
        user=more.user,
        group=more.group,
        mtime_ns=_nanoseconds(metadata["mtime"]),
        xattrs=more.xattrs,
    )
    return Described(
        uuid=_sized(bytes.fromhex(metadata["argosyuuid"]), {16}),
        digest=_digest(metadata),
        path=unquote_to_bytes(metadata["argosypath"]),
        kind=Kind(metadata["argosykind"]),
        attributes=attributes,
        links=more.links,
        target=more.target,
    )


def _from_sidecar(metadata: Mapping[str, str], sidecar: bytes | None) -> Described:
    if sidecar is None:
        raise Corrupt(f"the sidecar of object {metadata['argosyuuid']} is missing")
    if blake3.blake3(sidecar).hexdigest() != metadata["argosysidecar"]:
        raise Corrupt(f"the sidecar of object {metadata['argosyuuid']} is not the one that was written")
    return wire.load(sidecar, _Sidecar).described


def _digest(metadata: Mapping[str, str]) -> bytes:
    needed = {32} if metadata["argosykind"] == Kind.FILE else {0, 32}
    return _sized(bytes.fromhex(metadata.get("argosyhash", "")), needed)


def _sized(value: bytes, sizes: set[int]) -> bytes:
    if len(value) not in sizes:
        raise ValueError(f"{len(value)} bytes where there should be {max(sizes)}")
    return value


def _seconds(ns: int) -> str:
    sign = "-" if ns < 0 else ""
    return f"{sign}{abs(ns) // _BILLION}.{abs(ns) % _BILLION:09d}"


def _nanoseconds(text: str) -> int:
    whole, _, fraction = text.partition(".")
    magnitude = int(whole.lstrip("-")) * _BILLION + int(fraction.ljust(9, "0")[:9])
    return -magnitude if text.startswith("-") else magnitude
