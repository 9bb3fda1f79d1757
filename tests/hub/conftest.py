"""A hub of one data directory, shared by these tests; what a test records is gone after it."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.config import Config
from argosy.hub.project import boot

PASSWORD = "correct horse"

_directory = Path(tempfile.mkdtemp(prefix="argosy-hub-tests-"))
atexit.register(shutil.rmtree, _directory, ignore_errors=True)
boot.prepare(_directory, Config(), PASSWORD)  # Django must know its settings before the tests import its models


@pytest.fixture(scope="session")
def data_dir() -> Path:
    return _directory


@pytest.fixture(autouse=True)
def _clean(django_db_blocker) -> Iterator[None]:
    from argosy.hub.catalogue.models import Unneeded
    from argosy.hub.gc.models import Run
    from argosy.hub.jobs import models as jobs
    from argosy.hub.sites import models as sites

    with django_db_blocker.unblock():
        yield
        for model in (Run, Unneeded, jobs.Failure, jobs.Result, jobs.TaskEntries, jobs.Task, jobs.Submission, jobs.Job):
            model.objects.all().delete()
        for model in (sites.SiteLink, sites.Site, sites.ServedRoot, sites.Datastore):
            model.objects.all().delete()


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
