"""Which hub a command talks to and as whom: ARGOSY_URL, ARGOSY_USER and ARGOSY_PASSWORD, else what `login` kept."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from argosy.core.errors import Denied

if TYPE_CHECKING:
    from argosy.client import Client, Tokens

URL = "http://127.0.0.1:8000"


class Credentials(msgspec.Struct):
    """What `login` kept: the hub logged in to last, and tokens for every hub."""

    url: str = ""
    hubs: dict[str, dict[str, str]] = {}


def hub_url() -> str:
    """Return the hub to talk to."""
    return os.environ.get("ARGOSY_URL") or _read().url or URL


@contextmanager
def connected() -> Iterator["Client"]:
    """Yield a client that is logged in, or says that somebody must.

    Raises:
        Denied, Unavailable: the user and password of the environment are refused, or the hub is away.
    """
    from argosy.client import Client, Tokens

    url = hub_url()
    user, password = os.environ.get("ARGOSY_USER"), os.environ.get("ARGOSY_PASSWORD")
    if user and password:
        with Client(url) as client:
            client.login(user, password)
            yield client
        return
    kept = _read().hubs.get(url)
    tokens = Tokens(**kept) if kept else None
    with Client(url, tokens=tokens, on_tokens=lambda new: keep(url, new)) as client:
        yield client


def keep(url: str, tokens: "Tokens") -> None:
    """Keep the tokens where only this user can read them.

    Raises:
        Denied: the file cannot be written.
    """
    known = _read()
    known.url = url
    known.hubs[url] = {"access": tokens.access, "refresh": tokens.refresh}
    file = _file()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(file, msgspec.json.encode(known))
    except OSError as error:
        raise Denied(
            f"{file} cannot be written ({error.strerror}): set ARGOSY_USER and ARGOSY_PASSWORD instead"
        ) from error


def is_terminal(*, err: bool = False) -> bool:
    """Say whether somebody is watching what is printed, or what goes to standard error."""
    return (sys.stderr if err else sys.stdout).isatty()


def _file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "argosy" / "credentials.json"


def _read() -> Credentials:
    """Return what is kept; a file that cannot be read is as good as none."""
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(_file().read_bytes(), type=Credentials)
    return Credentials()


def _replace(file: Path, content: bytes) -> None:
    new = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    new.replace(file)
