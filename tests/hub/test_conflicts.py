"""Conflicts as the hub tells of them, and what it has done of what people choose."""

import base64
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from argosy.core.errors import Changed
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.hub.sites.models import Site
from argosy.hub.sync import conflicts
from argosy.hub.sync.models import Conflict, Pair, Run
from argosy.hub.sync.services import make_folder
from argosy.hub.sync.verdicts import judged
from argosy.sync.planner.trees import Kind, Side
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.quarrels import Fate, Met, Placed, Seen, Version, Watched
from argosy.sync.rounds.work import Quarrel
from tests.hub.fake import FakeAgent, report
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")
LONDON, DUBLIN = b"/srv/london/projects/f", b"/srv/dublin/work/f"
COPY = b"notes.conflict-london-aa.txt"


def version(text: bytes, number: int = 1, **more: Any) -> Version:
    """Return a version that both sites have; its hash is told by one letter."""
    seen = Seen(number, len(text), 5, 6)
    said = {"object": f"{number:032x}", "kind": Kind.FILE, "content": text[:1] * 32, "size": len(text), "mtime_ns": 5}
    return Version(**{**said, "on": (seen, seen), **more})


def quarrel(**more: Any) -> Quarrel:
    said = {"dispute": "content", "path": b"notes.txt", "at": b"notes.txt", "kept": COPY, "winner": Side.TWO}
    return Quarrel(**{**said, "object": "1", "named": "1", "copy": "+2", "why": "it is newer", **more})


def run(job: int = 7, *, one_way: bool = False) -> Run:
    pair, _ = Pair.objects.get_or_create(one="0" * 32, two="1" * 32)
    london, dublin = (Site.objects.get(name=name) for name in ("london", "dublin"))
    made = Run.objects.create(
        pair=pair, job=job, site_one=london, site_two=dublin, path_one=LONDON, path_two=DUBLIN, one_way=one_way,
        policy="newest", created=timezone.now(),
    )  # fmt: skip
    make_folder(made)
    return made


def met(of: Run, *found: Met) -> list[Conflict]:
    """Have a run have met them."""
    pages.write(work.met(of.folder), found)
    conflicts.record(of)
    return list(Conflict.objects.filter(run=of).order_by("pk"))


def one(of: Run | None = None, **more: Any) -> Conflict:
    """Return a conflict that was met, of which both sites have both versions."""
    this, other = more.pop("this", version(b"dublin")), more.pop("other", version(b"london!", 2))
    (row,) = met(of or run(), Met(quarrel=quarrel(**more), named=this, other=other))
    return row


def shown(api, row: Conflict) -> dict[str, Any]:
    return dict(api.get(f"/api/conflicts/{row.pk}/").json())


def keep(api, row: Conflict, version: str, *, status: int = 200) -> dict[str, Any]:
    answer = api.post(f"/api/conflicts/{row.pk}/keep/", {"version": version})
    if status != 200:
        return dict(check_problem(answer, status))
    assert answer.status_code == 200, answer.json()
    return dict(answer.json())


def claimed(agent: FakeAgent) -> Order:
    order = agent.claim()
    assert order is not None
    return order


def test_a_conflict_tells_of_both_versions_with_site_path_size_time_and_hash(api) -> None:
    row = one(kept=b"n\xff", why="it is newer")
    assert shown(api, row) == {
        "id": row.pk,
        "job": 7,
        "state": "OPEN",
        "dispute": "content",
        "sides": [{"site": "london", "path": LONDON.decode()}, {"site": "dublin", "path": DUBLIN.decode()}],
        "path": "notes.txt",
        "this": {
            "site": "dublin", "path": "notes.txt", "type": "file", "size": 6, "mtime": "1970-01-01T00:00:00+00:00",
            "mtime_ns": 5, "hash": b"d".hex() * 32,
        },
        "other": {
            "site": "london", "path": "n\ufffd", "path_b64": base64.b64encode(b"n\xff").decode(), "type": "file",
            "size": 7, "mtime": "1970-01-01T00:00:00+00:00", "mtime_ns": 5, "hash": b"l".hex() * 32,
        },
        "why": "it is newer",
        "kept": None,
        "keep_job": None,
        "kept_by": "",
        "reason": "",
        "created": shown(api, row)["created"],
        "settled": None,
    }  # fmt: skip


def test_what_a_run_that_was_killed_tells_again_or_the_next_one_meets_still_is_recorded_once(api) -> None:
    of, later = run(), run(8)
    found = [Met(quarrel=quarrel(at=name), named=version(b"a"), other=version(b"b", 2)) for name in (b"one", b"two")]
    assert len(met(of, *found)) == 2
    first, _ = met(of, *found)
    assert met(later, *found) == []
    assert Conflict.objects.count() == 2
    keep(api, first, "both")
    assert len(met(later, *found)) == 1, "what was settled and is met again is another"


def test_a_copy_that_a_run_is_about_to_make_is_known_before_and_forgotten_if_it_never_came(api) -> None:
    of = run()
    unseen = (None, None)
    foreseen = [
        Met(quarrel=quarrel(at=at, kept=at + COPY), named=version(b"a", on=unseen), other=version(b"b", on=unseen))
        for at in (b"made", b"not made")
    ]
    shelved = Met(quarrel=quarrel(at=b"shelved", kept=b"", copy=""))
    pages.write(work.met(of.folder), [*foreseen, shelved])
    conflicts.note(of)
    made, never = Conflict.objects.order_by("pk")
    assert "no site has both versions yet" in keep(api, made, "this", status=409)["detail"]
    pages.write(work.met(of.folder), ())
    here = Fate(number=made.pk, named=placed(b"made", b"a", 3), copy=placed(b"made" + COPY, b"b", 4))
    pages.write(work.fates(of.folder), [here, Fate(number=never.pk, named=placed(b"not made", b"a", 5))])
    conflicts.record(of)
    assert [each["id"] for each in api.get("/api/conflicts/").json()["results"]] == [made.pk]
    assert keep(api, made, "this")["state"] == "SETTLING"


def test_a_conflict_of_which_nothing_is_in_sight_is_settled_and_told_once(api) -> None:
    found = Met(quarrel=quarrel(kept=b"", copy=""), named=version(b"a"), other=version(b"b", 2, on=(None, None)))
    (row,) = met(run(), found)
    said = shown(api, row)
    assert (said["state"], said["kept"], said["other"]["path"]) == ("SETTLED", None, None)
    assert "see `argosy versions list`" in said["reason"]
    assert met(run(8), found) == []
    (place,) = met(run(9), Met(quarrel=quarrel(dispute="place", kept=b"", copy="", named="", at=b"")))
    assert shown(api, place)["reason"] == "it is in one place now"


def test_conflicts_are_listed_by_state_job_and_site_page_by_page(api) -> None:
    rows = [one(run(number), at=f"{number}".encode()) for number in range(1, 23)]
    Conflict.objects.filter(pk=rows[0].pk).update(state="SETTLED", settled=timezone.now())

    def ids(query: str = "") -> list[int]:
        return [each["id"] for each in api.get(f"/api/conflicts/{query}").json()["results"]]

    newest = [row.pk for row in reversed(rows)]
    assert ids() == newest[:20]
    assert ids("?page=2") == newest[20:]
    assert ids("?state=SETTLED") == [rows[0].pk]
    assert ids("?state=OPEN,SETTLING&page_size=0") == newest[:-1]
    assert ids("?job_id=3") == [rows[2].pk]
    assert len(ids("?site=dublin&page_size=100")) == 22
    assert ids("?ordering=id")[:2] == [rows[0].pk, rows[1].pk]
    for query, said in (
        ("?state=SHUT", "known are OPEN, SETTLING, SETTLED"),
        ("?site=oslo", "oslo"),
        ("?nothing=1", "Unknown parameter"),
        ("?job_id=x", "integer"),
    ):
        assert said in str(check_problem(api.get(f"/api/conflicts/{query}"), 400))


@pytest.mark.parametrize("body", [{}, {"version": "newest"}, {"version": None}, {"version": "this", "more": 1}])
def test_a_choice_that_is_none_is_refused_with_what_can_be_chosen(api, body: dict[str, Any]) -> None:
    row = one()
    check_problem(api.post(f"/api/conflicts/{row.pk}/keep/", body), 400)
    assert shown(api, row)["state"] == "OPEN"


def test_a_conflict_that_is_not_there_is_named(api) -> None:
    said = check_problem(api.post("/api/conflicts/77/keep/", {"version": "this"}), 404)
    assert "there is no conflict 77" in said["detail"]
    check_problem(api.get("/api/conflicts/77/"), 404)


def test_both_is_kept_without_a_job(api) -> None:
    row = one()
    said = keep(api, row, "both")
    assert (said["state"], said["kept"], said["keep_job"], said["kept_by"]) == ("SETTLED", "both", None, "admin")
    assert keep(api, row, "both") == said
    assert "`both` was kept" in keep(api, row, "this", status=409)["detail"]


def test_a_choice_is_done_at_one_site_by_a_job_that_compares_and_counts_once_it_is_done(api, agent: FakeAgent) -> None:
    row = one()
    said = keep(api, row, "other")
    job = said["keep_job"]
    assert (said["state"], said["kept"]) == ("SETTLING", "other")
    assert keep(api, row, "other")["keep_job"] == job
    assert f"job {job} keeps `other` already" in keep(api, row, "this", status=409)["detail"]
    assert api.get(f"/api/jobs/{job}/").json()["owner"] == "admin"
    order = claimed(agent)
    assert (order.site, order.step, order.own) == ("london", "dynamo.tasks.keep_version", True)
    assert order.entries[0].path == LONDON + b"/" + COPY
    name = base64.b64encode(LONDON + b"/notes.txt").decode()
    assert (order.options["keeps"], order.options["name"]) == ("other", name)
    assert order.options["this"] == {
        "kind": "file", "inode": 1, "size": 6, "mtime_ns": 5, "ctime_ns": 6,
        "content": base64.b64encode(b"d" * 32).decode(),
    }  # fmt: skip
    agent.delivery.report(report(order, [Outcome.processed(order.entries[0])]))
    said = shown(api, row)
    assert (said["state"], said["kept"], said["kept_by"]) == ("SETTLED", "other", "admin")
    assert said["settled"] is not None
    assert keep(api, row, "other")["keep_job"] == job


def test_a_choice_that_came_too_late_leaves_the_conflict_open_with_the_reason_and_can_be_made_again(
    api, agent: FakeAgent
) -> None:
    row = one()
    job = keep(api, row, "this")["keep_job"]
    order = claimed(agent)
    late = Outcome.of_error(order.entries[0], Changed("notes.txt: changed since it was synced"))
    agent.delivery.report(report(order, [late]))
    said = shown(api, row)
    assert (said["state"], said["kept"]) == ("OPEN", None)
    assert said["reason"] == f"job {job} did not keep `this`: notes.txt: changed since it was synced"
    assert [each["id"] for each in api.get("/api/conflicts/?state=OPEN").json()["results"]] == [row.pk]
    again = keep(api, row, "other")
    assert again["keep_job"] != job
    api.post(f"/api/jobs/{again['keep_job']}/cancel/")
    assert shown(api, row)["state"] == "OPEN"


def test_the_source_of_a_one_way_sync_is_left_alone(api, agent: FakeAgent) -> None:
    row = one(run(one_way=True))
    keep(api, row, "this")
    assert claimed(agent).site == "dublin"


def test_what_no_site_can_do_is_refused_with_the_reason(api) -> None:
    directory = one(run(1), this=version(b"", kind=Kind.DIRECTORY))
    assert (
        "is a directory: give them the names you want yourself" in keep(api, directory, "other", status=409)["detail"]
    )
    halves = version(b"a", 1, on=(None, Seen(1, 1, 5, 6))), version(b"b", 2, on=(Seen(1, 1, 5, 6), None))
    apart = one(run(2), at=b"apart", this=halves[0], other=halves[1])
    assert "no site has both versions yet: sync again" in keep(api, apart, "this", status=409)["detail"]
    Site.objects.update(trash_days=0)
    assert "no trash is kept at london, dublin" in keep(api, one(run(3), at=b"third"), "this", status=409)["detail"]


# what people do with the files


def test_a_later_run_is_told_what_to_look_for_and_notes_what_it_found(api) -> None:
    row = one()
    later = run(8)
    conflicts.watch(later)
    told = Watched(row.pk, f"{1:032x}", f"{2:032x}", b"notes.txt", COPY)
    assert list(pages.read(work.watched(later.folder), Watched)) == [told]
    moved = Fate(
        number=row.pk,
        named=Placed(path=b"new/notes.txt", version=version(b"edited")),
        copy=Placed(path=b"new/" + COPY, version=version(b"london!", 2)),
    )
    pages.write(work.fates(later.folder), [moved])
    conflicts.record(later)
    said = shown(api, row)
    assert (said["state"], said["path"], said["this"]["hash"]) == ("OPEN", "new/notes.txt", b"e".hex() * 32)
    gone = msgspec.structs.replace(moved, copy=None)
    pages.write(work.fates(later.folder), [gone])
    conflicts.record(later)
    said = shown(api, row)
    assert (said["state"], said["kept"]) == ("SETTLED", "this")
    assert said["reason"] == f"somebody removed new/{COPY.decode()}"
    conflicts.watch(run(9))
    assert list(pages.read(work.watched(Run.objects.get(job=9).folder), Watched)) == []


def test_two_versions_are_one_conflict_whatever_else_a_later_run_says_of_them(api) -> None:
    row = one()
    later = run(8)
    both = (Placed(path=path, version=of) for path, of in ((b"notes.txt", version(b"a")), (COPY, version(b"b", 2))))
    named, copy = both
    pages.write(work.fates(later.folder), [Fate(number=row.pk, named=named, copy=copy)])
    again, new = quarrel(dispute="name"), quarrel(dispute="name", at=b"new", kept=b"new.conflict-london-aa")
    (other,) = met(later, *(Met(quarrel=each, named=version(b"a"), other=version(b"b", 2)) for each in (again, new)))
    assert shown(api, other)["path"] == "new"
    opened = api.get("/api/conflicts/?state=OPEN").json()["results"]
    assert sorted((each["id"], each["dispute"]) for each in opened) == [(row.pk, "content"), (other.pk, "name")]
    conflicts.record(later)
    assert Conflict.objects.count() == 2


def placed(path: bytes, text: bytes, number: int) -> Placed:
    return Placed(path=path, version=version(text, number))


THIS, OTHER = version(b"this"), version(b"other", 2)


@pytest.mark.parametrize(
    ("named", "copy", "coming", "kept", "said"),
    [
        (placed(b"a", b"this", 1), placed(b"a.c", b"other", 2), False, None, ""),
        (placed(b"a", b"edited", 1), placed(b"a.c", b"written", 2), False, None, ""),
        (placed(b"d/a", b"this", 1), placed(b"d/a.c", b"other", 2), False, None, ""),
        (placed(b"a", b"this", 1), None, True, None, ""),
        (placed(b"a", b"this", 1), None, False, "this", "somebody removed a.c"),
        (placed(b"a", b"other", 1), None, False, "other", "holds the same by now"),
        (placed(b"a", b"edited", 1), None, False, "", "and changed what has the name"),
        (None, None, False, "", "somebody removed a.c, and what had the name"),
        (None, placed(b"a.c", b"other", 2), False, "", "somebody removed what had the name"),
        (placed(b"a", b"other", 2), placed(b"a", b"other", 2), False, "other", "gave the name to the other version"),
        (placed(b"a", b"this", 1), placed(b"b", b"other", 2), False, "both", "somebody moved the other version to b"),
        (placed(b"a", b"same", 1), placed(b"a.c", b"same", 2), False, "both", "both are alike by now"),
    ],
)
def test_what_people_did_with_the_files_is_told_as_it_is(
    named: Placed | None, copy: Placed | None, coming: bool, kept: str | None, said: str
) -> None:
    fate = Fate(number=1, named=named, copy=copy, coming=coming)
    verdict = judged(fate, THIS, OTHER, at=b"a", kept=b"a.c")
    assert (verdict and verdict.kept) == kept
    assert said in (verdict.reason if verdict else "")
