"""Whose certificate it is that a node shows."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509

from argosy.core.errors import Denied


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """A node of a site."""

    site: str
    node: str


def authorise(certificate: bytes) -> NodeIdentity:
    """Return whose certificate it is.

    Raises:
        Denied: it is none of a node's.
    """
    try:
        found = x509.load_der_x509_certificate(certificate)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (address,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        parts = urlsplit(address)
        _, site, kind, node = parts.path.split("/")
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Denied("the certificate is not one of a node") from error
    if parts.scheme != "argosy" or parts.netloc != "site" or kind != "node":
        raise Denied("the certificate is not one of a node")
    return NodeIdentity(site, node)
