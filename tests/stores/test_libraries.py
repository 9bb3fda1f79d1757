"""Agents without a store's libraries start, and say what is missing when the store is used."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"azure", "google", "requests"}:
            raise ImportError(name)

sys.meta_path.insert(0, Missing())

from argosy.core.errors import Unavailable
from argosy.stores._http.sources import Bytes
from argosy.stores.base import STORES

store = STORES.get(sys.argv[1])(**eval(sys.argv[2]))
verbs = [
    lambda: store.put("a", Bytes(b"x"), metadata={}),
    lambda: store.head("a"),
    lambda: list(store.get("a")),
    lambda: list(store.get("a", etag="1")),
    lambda: list(store.list("")),
    lambda: store.copy("a", "b", etag="1"),
    lambda: store.delete("a"),
    lambda: store.probe(),
]
for verb in verbs:
    try:
        verb()
    except Unavailable as error:
        print(error.message)
"""


@pytest.mark.parametrize(
    ("name", "settings"),
    [("azure", {"container": "c", "storageaccount": "s", "accesskey": "k"}), ("gcs", {"bucket": "b"})],
)
def test_a_missing_library_is_named_by_every_verb(name: str, settings: dict[str, str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, repr(settings)], capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    said = f"{name.upper()} datastores need more libraries: pip install 'argosy[{name}]'"
    assert run.stdout.splitlines() == [said] * 8
