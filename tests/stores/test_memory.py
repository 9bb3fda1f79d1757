import pytest

from argosy.stores.base import Absent, Store
from argosy.stores.memory import MemoryStore
from tests.contracts.store import StoreContract, put, read


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()

    def test_a_deleted_tree_leaves_its_name_free(self, store: Store) -> None:
        put(store, "d/e/f", b"x")
        store.delete("d/e/f")
        put(store, "d", b"a file now", Absent())
        assert read(store, "d") == b"a file now"
