"""Who is who: the papers of the hub, and whose certificate a node shows."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from argosy.core.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Server:
    """Where the hub has what it shows, and what it knows nodes by: files in PEM form."""

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def of(cls, hub: Path) -> "Server":
        """Return those of a hub, by its directory."""
        pki = hub / "pki"
        return cls(pki / "server.crt", pki / "server.key", pki / "ca.crt")

    def context(self, *, nodes: bool) -> ssl.SSLContext:
        """Return what TLS is spoken with; `nodes`: to none but those that show a certificate of the authority.

        Raises:
            NotFound: there are none yet.
            Invalid: they are none.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
            if nodes:
                context.load_verify_locations(self.authority)
                context.verify_mode = ssl.CERT_REQUIRED
        except FileNotFoundError as error:
            raise NotFound(f"{self.certificate.parent} holds no certificate of the hub") from error
        except (ssl.SSLError, OSError) as error:
            raise Invalid(f"the certificate in {self.certificate.parent} cannot be used: {error}") from error
        return context
