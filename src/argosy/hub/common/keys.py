"""The keys of one hub: made at its first start, kept as files beside the database and never in it."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What signs sessions (`secret`) and tokens (`signing`, PEM), and what encrypts secrets at rest (`sealing`)."""

    secret: str
    signing: str
    sealing: str

    def __repr__(self) -> str:
        """Show nothing that is secret."""
        return "Keys()"

    @property
    def verifying(self) -> str:
        """The public half of `signing`, PEM."""
        private = load_pem_private_key(self.signing.encode(), password=None)
        return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _new_signing() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


_MAKERS: dict[str, Callable[[], str]] = {
    "secret": lambda: secrets.token_urlsafe(50),
    "signing": _new_signing,
    "sealing": lambda: Fernet.generate_key().decode(),
}


def at(directory: Path) -> Keys:
    """Return the keys kept in the directory; those that are missing are made, readable by their owner alone."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Keys(**{name: _kept(directory / f"{name}.key", make) for name, make in _MAKERS.items()})


def ephemeral() -> Keys:
    """Return keys that nobody keeps."""
    return Keys(**{name: make() for name, make in _MAKERS.items()})


def _kept(file: Path, make: Callable[[], str]) -> str:
    """Return the file's text; a file that is made is whole and on the disk before it has its name."""
    try:
        return file.read_text()
    except FileNotFoundError:
        torn = file.with_suffix(".tmp")
        torn.unlink(missing_ok=True)
        descriptor = os.open(torn, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as new:
            new.write(make())
            new.flush()
            os.fsync(new.fileno())
        torn.replace(file)
        return file.read_text()
