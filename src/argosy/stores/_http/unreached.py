"""Why no answer came, where somebody can do something about it: what a connection failed at, whichever library made it.

Told from what the errors are, never from their text: that holds the address, and with it names that users chose.
"""

import socket
import ssl
from collections.abc import Iterator

from argosy.core.errors import ArgosyError
from argosy.core.faults import StoreStranger
from argosy.stores._http.patience import Passing


class Untrusted(Passing):
    """The certificate of the server is not to be trusted: of an unknown authority, for another name, or run out."""

    code = "store_untrusted"


class Nameless(Passing):
    """The name of the server is not known."""

    code = "store_name_unknown"


class Plaintext(Passing):
    """The server does not speak TLS where it was to."""

    code = "store_not_tls"


class Stranger(Passing, StoreStranger):
    """It may be the store itself the next time."""

    code = StoreStranger.code


CERTIFICATE, NAME, PLAIN, STRANGE = "certificate", "name", "no TLS", "not as such a store does"
KINDS: dict[str, type[Passing]] = {CERTIFICATE: Untrusted, NAME: Nameless, PLAIN: Plaintext, STRANGE: Stranger}
WORDS: dict[str | type[ArgosyError], str] = {
    Untrusted: (
        "{where} shows a certificate that is not to be trusted: see that it has not run out and is for this host name; "
        "name the authority that signed it in ca_file; it was tried several times"
    ),
    Nameless: (
        "the host name of {where} is not known here: correct it (endpoint or storage account), or the name service "
        "(DNS) of this machine; it was tried several times"
    ),
    Plaintext: (
        "{where} does not speak TLS: correct its port, or say http:// in the endpoint; it was tried several times"
    ),
    Stranger: (
        "what answers at {where} is no such store: see where the endpoint leads, past a proxy or a login page perhaps; "
        "it was tried several times"
    ),
}
_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL", "UNEXPECTED_MESSAGE"}


def why(error: BaseException) -> str:
    """Return what a connection failed at, for an answer that did not come: a key of `KINDS`, or "" for all else."""
    for one in _behind(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return CERTIFICATE
        if isinstance(one, socket.gaierror):
            return NAME
        if isinstance(one, ssl.SSLError) and one.reason in _NOT_TLS:
            return PLAIN
    return ""


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that it was made of: libraries pass them on as cause, as reason or as argument."""
    seen: list[BaseException] = []
    coming: list[object] = [error]
    while coming:
        one = coming.pop(0)
        if isinstance(one, BaseException) and not any(one is known for known in seen):
            seen.append(one)
            yield one
            within = (getattr(one, name, None) for name in ("reason", "inner_exception"))
            coming += [one.__cause__, one.__context__, *within, *one.args]
