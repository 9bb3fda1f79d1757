"""The client of a container, of Microsoft's library."""

from typing import Any

from argosy.core.faults import StoreDown
from argosy.stores._http.patience import Patience


def connect(*, account: str, key: str, url: str, container: str, ca_file: str, single: int, waiting: Patience) -> Any:
    """Return a client that makes each request once, and sends objects up to `single` bytes in one.

    Raises:
        Unavailable: the library is missing.
    """
    try:
        from azure.core.pipeline.transport import RequestsTransport
        from azure.storage.blob import ContainerClient
        from requests import Session

        from argosy.stores._http.trust import Adapter
    except ImportError as error:
        raise StoreDown("AZURE datastores need more libraries: pip install 'argosy[azure]'") from error

    session = Session()
    session.mount(url, Adapter(ca_file))
    timeouts = {"connection_timeout": waiting.connect, "read_timeout": waiting.answer}
    return ContainerClient(
        url,
        container,
        credential={"account_name": account, "account_key": key},
        transport=RequestsTransport(session=session, session_owner=False, **timeouts),
        retry_total=0,
        max_single_put_size=single,
    )
