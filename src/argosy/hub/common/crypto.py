"""Secrets at rest: sealed with a key that is not in the database."""

import blake3
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from argosy.core import wire
from argosy.core.errors import Corrupt


def seal(secrets: dict[str, str]) -> bytes:
    """Return the secrets so that they can be read only with the hub's key."""
    return Fernet(settings.KEYS.sealing).encrypt(wire.dump(secrets))


def unseal(sealed: bytes) -> dict[str, str]:
    """Return what was sealed.

    Raises:
        Corrupt: the key is not the one it was sealed with.
    """
    if not sealed:
        return {}
    try:
        return wire.load(Fernet(settings.KEYS.sealing).decrypt(sealed), dict[str, str])
    except InvalidToken as error:
        raise Corrupt("secrets cannot be read: keys/sealing.key is not the key they were sealed with") from error


def store_seal(number: int) -> bytes:
    """Return the key (32 bytes) by which Argosy knows again what it wrote itself into the datastore of this number.

    It is made of the hub's sealing key and the number, which is made of the datastore's name: so it outlives the
    database, and a hub that was built again from the same configuration and `keys/sealing.key` knows what it finds.
    Metadata written under a key that is lost, or by another hub, is not believed: contents, names and times are taken
    from it, what would give somebody rights (owner, set-uid, attributes of the system) is not.
    """
    material = settings.KEYS.sealing.encode() + number.to_bytes(4, "big")
    return blake3.blake3(material, derive_key_context="argosy 2026-11 seal of a datastore's metadata").digest()
