"""What a plan that is made elsewhere is told: what two filesets agree on, and what time it is."""

import time

import pytest

from argosy.hub.sync.models import Pair
from tests.hub.test_api import check_problem

ONE, TWO = "0" * 32, "1" * 32
pytestmark = pytest.mark.usefixtures("two_sites")


def test_what_two_filesets_agree_on_is_told_in_their_order(api) -> None:
    pair = Pair.objects.create(one=ONE, two=TWO, generation=3, chunks=["3-run.parquet"])
    pair.base.mkdir(parents=True)
    (pair.base / "3-run.parquet").write_bytes(b"what both have")
    answer = api.get(f"/api/syncs/base/?one={ONE}&two={TWO}")
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == b"what both have"
    check_problem(api.get(f"/api/syncs/base/?one={TWO}&two={ONE}"), 404)
    (pair.base / "3-run.parquet").unlink()
    lost = check_problem(api.get(f"/api/syncs/base/?one={ONE}&two={TWO}"), 404)
    assert "is lost, or was replaced just now" in lost["detail"]


def test_filesets_that_never_agreed_and_names_that_are_no_ids_are_told(api) -> None:
    Pair.objects.create(one=ONE, two=TWO)
    assert "never agreed" in check_problem(api.get(f"/api/syncs/base/?one={ONE}&two={TWO}"), 404)["detail"]
    for query in ("", f"one={ONE}", f"one={ONE}&two=../{TWO[:8]}"):
        check_problem(api.get(f"/api/syncs/base/?{query}"), 400)


def test_the_hub_says_what_time_it_is(api) -> None:
    before = time.time_ns()
    assert before <= api.get("/api/clock/").json()["now_ns"] <= time.time_ns()


@pytest.mark.parametrize("path", ["/api/clock/", f"/api/syncs/base/?one={ONE}&two={TWO}"])
def test_nobody_is_told_who_has_not_logged_in(client, path: str) -> None:
    assert client.get(path).status_code == 401
