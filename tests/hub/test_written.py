"""What writes says so in its body alone: parameters beside it are refused whatever comes with them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from rest_framework import serializers

from argosy.core.entry import Entry
from argosy.hub.common.fields import StrictSerializer
from argosy.hub.common.parsers import LIMIT
from argosy.hub.events.feed import Feed
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.schedules.models import Schedule, Subscription
from argosy.hub.sites.models import Datastore, Fileset, Site, SiteLink
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import file, start
from tests.hub.test_api import check_problem
from tests.hub.test_events import Served

pytestmark = pytest.mark.usefixtures("two_sites")

TREE = "/srv/london/projects"
WRITING = ("post", "put", "patch", "delete")
FORM = "application/x-www-form-urlencoded"
BODIES: dict[str, dict[str, Any]] = {
    "no body": {},
    "an empty one": {"data": b"", "content_type": "application/json"},
    "an empty object": {"data": b"{}", "content_type": "application/json"},
    "an empty form": {"data": b"", "content_type": FORM},
    "a form": {"data": b"a=1", "content_type": FORM},
}
SINGLE = {
    "", "api/", "api/auth/token/publickey/", "api/clock/", "api/configurations/", "api/docs/", "api/health/",
    "api/schema/", "api/conflicts/{}/", "api/datastores/{}/", "api/filesets/{}/", "api/gc/{}/", "api/jobs/{}/",
    "api/jobs/{}/explain/", "api/jobs/{}/plan/", "api/schedules/{}/", "api/schedules/{}/workflows/{}/",
    "api/sitelinks/{}/", "api/sites/{}/", "api/syncs/{}/", "api/tasks/{}/", "api/workflows/{}/",
}  # fmt: skip
"""Addresses of single things, which have no parameters that could choose another."""


_VARIABLE = re.compile(r"\(\?P<[^)]*\)|<[^>]*>")


def patterns(within: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the addresses of the hub, `{}` for what stands for a row, with their views."""
    for one in (within or get_resolver()).url_patterns:
        address = before + _plain(str(one.pattern))
        if isinstance(one, URLResolver):
            yield from patterns(one, address)
        elif isinstance(one, URLPattern):
            yield address, one.callback


def _plain(pattern: str) -> str:
    """Return a pattern with its variables as `{}`."""
    return _VARIABLE.sub("{}", pattern.replace("^", "").replace("$", ""))


def methods(view: Any) -> set[str]:
    """Return what a view does."""
    return set(getattr(view, "actions", None) or {name for name in (*WRITING, "get") if hasattr(_class(view), name)})


def _class(view: Any) -> Any:
    return getattr(view, "cls", None) or view.view_class


ADDRESSES = dict(patterns())


@pytest.fixture
def row(api, agent):
    """Returns an address with rows in it: what can be changed has one."""
    agent.tree = [file(f"{TREE}/a")]
    job = start("premigrate", fields={"lock_level": "implicit"})
    agent.run()
    api.post("/api/filesets/", {"site": "london", "name": "projects", "path": TREE, "snapshots": "index"})
    named = {"jobs": job.pk, "tasks": str(Task.objects.filter(job=job)[0].taskid)}
    for model in (Site, Datastore, SiteLink, Fileset, Workflow):
        named[f"{model.__name__.lower()}s"] = model.objects.order_by("pk")[0].pk
    schedule = Schedule.objects.create(name="nightly", site=Site.objects.get(name="london"), since=timezone.now())
    named["schedules"] = schedule.pk
    below = Subscription.objects.create(schedule=schedule, workflow=Workflow.objects.get(name="stat"), name="stat").pk
    return lambda address: address.format(named.get(address.removeprefix("api/").partition("/")[0], 1), below)


def test_every_address_that_writes_refuses_a_parameter_with_whatever_body(api, row):
    tried = 0
    for address, view in ADDRESSES.items():
        for method in methods(view) & set(WRITING):
            for said, body in BODIES.items():
                answer = getattr(api, method)(f"/{row(address)}?bogus=1", **body)
                assert answer.status_code == 400, (method, address, said, answer.content)
                assert "bogus" in check_problem(answer, 400)["errors"]
                tried += 1
    assert tried > 150


def test_every_address_that_reads_refuses_a_parameter_but_those_of_single_things(api, row):
    for address, view in ADDRESSES.items():
        if "get" not in methods(view) or address in SINGLE:
            continue
        for method in (api.get, api.head):
            answer = method(f"/{row(address)}?bogus=1&path={TREE}")
            assert answer.status_code == 400, (address, answer.content)
    assert {address for address, view in ADDRESSES.items() if "get" in methods(view)} >= SINGLE


def test_every_address_that_writes_refuses_a_body_that_says_what_it_does_not_know(api, row):
    for address, view in ADDRESSES.items():
        for method in methods(view) & set(WRITING):
            if "/auth/" in address or not hasattr(view, "cls"):
                continue
            answer = getattr(api, method)(f"/{row(address)}", {"bogus": True}, format="json")
            assert answer.status_code == 400, (method, address, answer.content)
            assert "bogus" in check_problem(answer, 400)["errors"]
            form = getattr(api, method)(f"/{row(address)}", b"bogus=1", content_type=FORM)
            assert form.status_code == 415, (method, address, form.content)


def test_a_plan_is_not_applied_and_a_job_not_done_again_by_who_asked_for_something_else(api, agent):
    agent.tree = [file(f"{TREE}/a")]
    asked = Asked(site="london", workflow="premigrate", paths=[Entry(path=TREE.encode())], dry_run=True)
    planned = submit(asked, owner=None)
    agent.run()
    for act in (f"{planned.pk}/apply/?dry_run=true", f"{planned.pk}/resubmit/?only_failed=true"):
        assert "Unknown parameter" in check_problem(api.post(f"/api/jobs/{act}"), 400)["detail"]
    assert "dry_run" in check_problem(api.post(f"/api/jobs/{planned.pk}/apply/", {"dry_run": True}), 400)["errors"]
    assert "dry_run" in check_problem(api.delete(f"/api/jobs/{planned.pk}/", {"dry_run": True}), 400)["errors"]
    assert "state" in check_problem(api.patch(f"/api/jobs/{planned.pk}/?state=CANCELLED"), 400)["errors"]
    assert [job.pk for job in Job.objects.all()] == [planned.pk]


def test_a_body_that_comes_in_pieces_and_does_not_say_how_long_it_is_is_read(token, agent):
    agent.tree = [file(f"{TREE}/a")]
    job = start("premigrate")
    agent.run()
    with Served(Feed()) as served:

        def answered(content: Any, kind: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
            return httpx.post(f"{served.url}/api/jobs/{job.pk}/resubmit/", content=content, headers=headers, timeout=30)

        sent = json.dumps({"only_failed": True, "bogus": 1}).encode()
        for content in (sent, iter([sent[:5], sent[5:]])):
            assert set(answered(content, "application/json").json()["errors"]) == {"bogus"}
        assert answered(iter([b"only_failed=true"]), "").status_code == 415
        assert answered(iter([b" " * LIMIT, b"{}"]), "application/json").status_code == 413
        assert answered(iter([b""]), "application/json").status_code == 201


@pytest.mark.parametrize("name", ["keep ", "keep\n", " keep", "\u00a0"])
def test_a_blank_at_the_end_of_a_pattern_or_a_path_belongs_to_it(api, agent, name):
    path = f"{TREE}/{name}"
    agent.tree = [file(path), file(f"{TREE}/{name.strip()}.")]
    agent.tree += [file(f"{TREE}/{name.strip()}")] if name.strip() else []
    sent = {"workflow": "premigrate", "site": "london", "paths": [TREE], "include": [path]}
    job = api.post("/api/file/workflow/", sent, format="json").json()["job"]
    agent.run()
    assert [one["path"] for one in api.get(f"/api/jobs/{job}/files/?state=processed").json()["results"]] == [path]
    site = Site.objects.get(name="london")
    for key in ("include", "exclude"):
        assert api.patch(f"/api/sites/{site.pk}/", {key: [path]}, format="json").json()[key] == [path]
    made = api.post("/api/filesets/", {"site": "london", "name": "odd", "path": path, "snapshots": "index"})
    assert made.json()["path"] == path


def test_nothing_that_is_written_is_trimmed():
    def texts(field: Any) -> Iterator[serializers.CharField]:
        if isinstance(field, serializers.CharField):
            yield field
        for one in (*getattr(field, "fields", {}).values(), getattr(field, "child", None)):
            yield from texts(one) if one is not None else ()

    def below(kind: Any) -> Iterator[Any]:
        for one in kind.__subclasses__():
            yield from (one, *below(one))

    kinds = {kind for kind in below(StrictSerializer) if kind.__module__.startswith("argosy.")}
    told = [text for kind in kinds for text in texts(kind())]
    assert len(told) > 50
    assert [text for text in told if text.trim_whitespace] == []
