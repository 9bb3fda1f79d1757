"""What is said of datastores: by a whole Argosy that probed them, and by `argosy doctor`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.cli import checks
from argosy.core.config import DatastoreConfig
from tests.argosy_up import Argosy, argosy, until
from tests.stores.bucket import Bucket, serving


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Bucket, dict[str, str]]]:
    bucket = Bucket(conditions=False)
    with serving(bucket) as settings:
        yield bucket, settings


def toml(settings: dict[str, str]) -> str:
    return 'type = "S3"\n' + "".join(f'{key} = "{value}"\n' for key, value in settings.items())


def listed(up: Argosy) -> dict[str, object]:
    run = up.cli("datastore", "list", "-o", "json")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_what_agents_found_at_a_datastore_is_listed(tmp_path: Path) -> None:
    with argosy(tmp_path) as up:
        until(lambda: listed(up)["abilities"], what="a probe", every=0.5)
        run = up.cli("datastore", "list")
        assert re.search(r"cloud +POSIX +native +conditions, copies, multipart *\n", run.stdout)


def test_a_store_that_honours_no_conditions_is_listed_with_what_to_do(
    tmp_path: Path, served: tuple[Bucket, dict[str, str]]
) -> None:
    with argosy(tmp_path, datastore=toml(served[1])) as up:
        found = until(lambda: found if (found := listed(up))["abilities"] else None, what="a probe", every=0.5)
        assert 'set layout = "immutable"' in str(found["trouble"])
        assert "conditions" not in up.cli("datastore", "list").stdout.partition("cloud")[2].partition("multipart")[0]


@pytest.mark.parametrize(
    ("layout", "level", "said"),
    [
        ("native", "fail", "ignores conditional writes"),
        ("immutable", "ok", "it has checksums, copies, multipart, and lacks conditions, versions"),
    ],
)
def test_doctor_says_what_a_store_can_do_and_which_layout_it_needs(
    served: tuple[Bucket, dict[str, str]], layout: str, level: str, said: str
) -> None:
    found = checks.datastore(DatastoreConfig(name="cloud", type="S3", layout=layout, **served[1]))
    assert (found.level, found.subject) == (level, "datastore cloud")
    assert said in found.found
    assert (found.remedy == 'set layout = "immutable"') == (level == "fail")
