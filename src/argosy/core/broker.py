"""The Redis server by which hub and agents hear of each other's work, and what lies there under which names."""

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

TASK: Final = "argosy.bell"
"""What every message is called."""
PATIENCE: Final = 5.0
"""Seconds until a server that says nothing counts as away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How a Redis server is reached."""

    url: str
    """Such as `rediss://london@redis.example.org:6379/0`, without a password."""
    password: str = field(default="", repr=False)
    authorities: str = ""
    """Certificates (PEM) of authorities that its certificate is checked by; empty: those of the system."""

    @property
    def located(self) -> str:
        """The address with the password in it, as libraries want it. Never to be shown."""
        if not self.password:
            return self.url
        parts = urlsplit(self.url)
        user, _, host = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(self.password, safe='')}@{host}"))

    @property
    def tls(self) -> dict[str, Any]:
        """How TLS is spoken; empty: not at all."""
        if urlsplit(self.url).scheme != "rediss":
            return {}
        checked = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
        return checked | ({"ssl_ca_data": self.authorities} if self.authorities else {})

    def options(self, prefix: str) -> dict[str, Any]:
        """Return what the library that speaks to it is told; every key begins with the prefix."""
        return {
            "global_keyprefix": prefix,
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "socket_keepalive": True,
            "health_check_interval": 20,
            "max_retries": 0,
        }


def key_prefix(site: str) -> str:
    """Return how every key of a site begins."""
    return f"argosy:{site}:"


def queue_name(site: str, kind: str) -> str:
    """Return the name of the queue of a site for tasks of a kind."""
    return f"{site}.{kind}"
