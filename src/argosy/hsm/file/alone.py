"""What is done with a file while it is seized ends as soon as somebody else comes to want it."""

import blake3

from argosy.core.errors import Busy
from argosy.core.paths import display
from argosy.filesystems.base import File
from argosy.hsm.object.content import chunks_of


def expect_alone(file: File) -> None:
    """Return where the file is seized and nobody waits for it.

    Raises:
        Busy: somebody does.
    """
    if not file.is_seized():
        raise Busy(f"{display(file.entry.path)}: somebody wants to open it; it was left as it is")


def digest_alone(file: File) -> bytes:
    """Return the BLAKE3 of all bytes, unless somebody comes to want the file: he would wait for all of them.

    Raises:
        Busy: somebody does.
    """
    hasher = blake3.blake3()
    for chunk in chunks_of(file):
        expect_alone(file)
        hasher.update(chunk)
    return hasher.digest()
