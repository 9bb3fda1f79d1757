"""A hub of one data directory, shared by these tests; what a test records is gone after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.home import DIRECTORY


@pytest.fixture(scope="session")
def data_dir() -> Path:
    return DIRECTORY


@pytest.fixture(autouse=True)
def _clean(django_db_blocker) -> Iterator[None]:
    from argosy.hub.catalogue.models import Unneeded
    from argosy.hub.gc.models import Run
    from argosy.hub.jobs import models as jobs
    from argosy.hub.schedules.models import Schedule
    from argosy.hub.sites import models as sites
    from argosy.hub.sync import models as syncs
    from argosy.hub.workflows.models import Workflow

    with django_db_blocker.unblock():
        yield
        for model in (Run, Unneeded, jobs.Failure, jobs.Result, jobs.TaskEntries, jobs.Task, jobs.Submission, jobs.Job):
            model.objects.all().delete()
        for model in (syncs.Run, syncs.Pair, Schedule, sites.SiteLink, sites.Site, sites.ServedRoot, sites.Datastore):
            model.objects.all().delete()
        Workflow.objects.filter(installed__isnull=True).delete()


@pytest.fixture(scope="session")
def token(django_db_blocker) -> str:
    from django.contrib.auth.models import User
    from rest_framework_simplejwt.tokens import RefreshToken

    with django_db_blocker.unblock():
        return str(RefreshToken.for_user(User.objects.get(username="admin")).access_token)


@pytest.fixture
def anonymous():
    from rest_framework.test import APIClient

    return APIClient(raise_request_exception=False)


@pytest.fixture
def api(token):
    from rest_framework.test import APIClient

    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.fixture
def agent() -> Iterator[object]:
    from tests.hub.fake import FakeAgent

    with FakeAgent() as agent:
        yield agent


@pytest.fixture
def two_sites():
    """london and dublin, linked to one datastore."""
    from tests.hub.fake import sites

    return sites()


@pytest.fixture
def compared(api):
    """A schedule of changes, with one workflow for what was created and one for what was deleted."""
    from tests.hub.schedules import comparing

    return comparing(api)
