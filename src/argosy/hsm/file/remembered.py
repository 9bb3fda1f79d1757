"""What people are told of a file that the site left as a stub, where its inode does not say of which object."""

from argosy.filesystems.base import File
from argosy.hsm.file.state import Seen, left_as
from argosy.hsm.object.located import named
from argosy.site import Site


def besides(file: File, seen: Seen, site: Site) -> str:
    """Return a sentence that names the object of which the file was left as a stub; "" where it tells that itself."""
    left, told = left_as(file, site), seen.pointer
    if left is None or (told is not None and told.uuid == left):
        return ""
    attribute = "" if told is None else f"; its attribute tells of {named(told.uuid, site)}"
    return f". The site left it as a stub of {named(left, site)}{attribute}"
