"""The kinds of error Argosy knows. Each names the thing and the remedy; `code` is stable on the wire."""

from typing import ClassVar


class ArgosyError(Exception):
    """Something could not be done. The message is written for the person who asked."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = str(message)  # steps of others may hand in anything


class Invalid(ArgosyError):
    """What was asked is not well formed or cannot apply here."""

    code = "invalid"


class NotFound(ArgosyError):
    """The thing named does not exist."""

    code = "not_found"


class Denied(ArgosyError):
    """The thing exists but may not be touched."""

    code = "denied"


class Protected(Denied):
    """The thing stays where it is, whoever asks: a root, a fileset, or marked immutable or append-only."""

    code = "protected"


class Exists(ArgosyError):
    """Something else already holds the name."""

    code = "exists"


class Changed(ArgosyError):
    """The thing is not what was seen before; nothing was done to it. A later run is expected to succeed."""

    code = "changed"


class Busy(Changed):
    """Somebody is using the thing right now. A later run is expected to succeed."""

    code = "busy"


class Restoring(ArgosyError):
    """The object is in an archive tier; its restore has been requested. Ask again in some hours."""

    code = "restoring"


class Corrupt(ArgosyError):
    """Bytes are not the bytes they should be. Both copies were kept."""

    code = "corrupt"


class Exhausted(ArgosyError):
    """A disk, a quota or a limit is full."""

    code = "exhausted"


class Unsupported(ArgosyError):
    """This place lacks the ability."""

    code = "unsupported"


class Unavailable(ArgosyError):
    """A place does not answer, or refuses our credentials. Nothing about single entries is known."""

    code = "unavailable"


class Refused(Unavailable):
    """A place answers and will not have us: wrong credentials, no such bucket. Asking again would not help."""

    code = "refused"


class LeaseLost(ArgosyError):
    """The task belongs to somebody else, or to nobody: stop before the next change."""

    code = "lease_lost"
