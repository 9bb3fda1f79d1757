"""Secrets at rest: sealed with a key that is not in the database."""

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
