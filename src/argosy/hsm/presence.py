"""Whether the bytes that a pointer means are still there, and under which key; the store is asked, always."""

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import NotFound
from argosy.core.pointer import Pointer
from argosy.hsm.found import expect
from argosy.hsm.located import located, searched, stored_as
from argosy.site import Site


def present(pointer: Pointer, path: bytes, site: Site) -> Stored:
    """Return where the exact bytes are now: where the index has them, under the name of the file, or kept by uuid.

    Raises:
        Invalid: the site is not linked to the datastore.
        NotFound: they are at none of these.
    """
    stored = located(pointer, path, site)
    try:
        return _found(stored, site)
    except NotFound:
        key = searched(pointer, path, stored.datastore, site)
        if key is None or key == stored.key:
            raise
        return _found(stored_as(pointer, stored.datastore, key), site)


def _found(stored: Stored, site: Site) -> Stored:
    return msgspec.structs.replace(stored, key=expect(stored, site).key)
