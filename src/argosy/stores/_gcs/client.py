"""The client of Google's library, and what it presents."""

import json
import os
from pathlib import Path
from typing import Any

from argosy.core.errors import Refused
from argosy.core.faults import StoreDown

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)


def connect(*, credentialsfile: str, endpoint: str, ca_file: str) -> Any:
    """Return a client that presents the credentials, or those of the machine where none are given.

    Raises:
        Unavailable: the library is missing.
        Refused: there are no credentials, or none that can be used.
    """
    try:
        from google.auth.transport.requests import AuthorizedSession, Request
        from google.cloud.storage import Client
        from requests import Session

        from argosy.stores._http.trust import Adapter
    except ImportError as error:
        raise StoreDown("GCS datastores need more libraries: pip install 'argosy[gcs]'") from error

    # For its traces, which nobody reads here, the library would ask about the bucket in threads of its own.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    credentials, project = _given(credentialsfile) if credentialsfile else _provided()
    tokens = Session()
    session = AuthorizedSession(credentials, auth_request=Request(tokens))
    for scheme in ("https://", "http://"):
        tokens.mount(scheme, Adapter(ca_file))
        session.mount(scheme, Adapter(ca_file))
    options = {"client_options": {"api_endpoint": endpoint}} if endpoint else {}
    return Client(project or "-", credentials, _http=session, **options)  # no request of ours needs a project


def _given(said: str) -> tuple[Any, str | None]:
    """Return the credentials of a service account, and its project."""
    from google.oauth2.service_account import Credentials

    try:
        account = json.loads(said if said.lstrip().startswith("{") else Path(said).read_text())
        return Credentials.from_service_account_info(account, scopes=_SCOPES), account.get("project_id")
    except (OSError, ValueError) as error:
        kind = error.strerror if isinstance(error, OSError) else "it is not the JSON file of a service account"
        raise Refused(f"credentialsfile: the credentials file cannot be used: {kind}") from None


def _provided() -> tuple[Any, str | None]:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        credentials, project = google.auth.default(_SCOPES)
    except DefaultCredentialsError as error:
        raise Refused("credentialsfile: is missing, and this machine provides no credentials for Google") from error
    return credentials, project
