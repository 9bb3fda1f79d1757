"""Connections of `requests`, which the libraries of Azure and Google speak through."""

import ssl
from functools import cached_property
from typing import Any

from requests.adapters import HTTPAdapter

from argosy.core.errors import Refused

_CONNECTIONS = 64


class Adapter(HTTPAdapter):
    """Keeps connections for many threads, and trusts the authorities of `ca_file` besides the usual."""

    def __init__(self, ca_file: str = "") -> None:
        self._ca_file = ca_file
        super().__init__(pool_connections=4, pool_maxsize=_CONNECTIONS, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002 - not ours
        """Make the pool."""
        if self._ca_file:
            options["ssl_context"] = self._trusting
        super().init_poolmanager(connections, maxsize, block, **options)

    @cached_property
    def _trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        try:
            if self._ca_file.lstrip().startswith("-----BEGIN"):
                context.load_verify_locations(cadata=self._ca_file)
            else:
                context.load_verify_locations(cafile=self._ca_file)
        except OSError as error:
            raise Refused(f"ca_file: holds no certificates that can be read ({error})") from error
        return context
