import datetime as dt
import threading
import uuid

import pytest

from argosy.hub.jobs.models import Job, Result, Submission, Task, TaskEntries
from argosy.hub.jobs.rows import AT_ONCE, Table
from argosy.hub.sites.models import Datastore, Site, SiteLink
from tests.hub.fake import start

pytestmark = pytest.mark.usefixtures("two_sites")

NOW = dt.datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=dt.UTC)


@pytest.fixture
def task() -> Task:
    start("premigrate", discovery=None)
    return Task.objects.get()


def another(task: Task, **values) -> Task:
    return Task(
        job_id=task.job_id,
        submission_id=task.submission_id,
        site_id=task.site_id,
        tasktype="step",
        queue="transfer",
        created=NOW,
        **values,
    )


def values(row) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("model", [Site, Datastore, SiteLink, Job, Submission, Task, TaskEntries])
def test_rows_are_read_as_the_models_read_them(task, model):
    rows = model.objects.order_by("pk")
    assert rows
    assert [values(row) for row in Table(model).having("id", [row.pk for row in rows])] == [values(row) for row in rows]


def test_an_added_row_is_what_was_given_whatever_its_columns_hold(task):
    full = another(
        task, parent_id=task.pk, chain=2, seq=1, started=NOW, due=NOW, lease_until=NOW, after=b"/\xff\0", reason="é%s"
    )
    late = Result(job_id=task.job_id, task_id=task.pk, attempt=3, state="failed", late=True, count=1, blob=None)
    for row in (full, late):
        Table(type(row)).add([row])
        assert values(type(row).objects.get(pk=row.pk)) == values(row)


def test_of_many_rows_added_at_once_each_knows_its_own_key(task):
    tasks = [another(task) for _ in range(AT_ONCE // 5)]
    Table(Task).add(tasks)
    assert {row.pk: row.taskid for row in tasks} == dict(Task.objects.exclude(pk=task.pk).values_list("pk", "taskid"))


def test_rows_come_oldest_first_and_those_that_are_not_there_not_at_all(task):
    tasks = [another(task) for _ in range(3)]
    Table(Task).add(tasks)
    wanted = [tasks[2].taskid, uuid.uuid4(), tasks[0].taskid]
    assert [row.pk for row in Table(Task).having("taskid", wanted)] == [tasks[0].pk, tasks[2].pk]
    assert Table(Task).having("taskid", []) == []


def test_a_table_serves_every_thread(task):
    table, found = Table(Task), []

    def read() -> None:
        from django.db import connection

        found.extend(table.having("id", [task.pk]))
        connection.close()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [values(row) for row in found] == [values(task)] * 3


def test_texts_are_in_the_order_of_their_bytes_whatever_the_database_was_made_for():
    names = ["B", "Z.1", "a", "a-b", "aB", "b", "z"]
    for name in sorted(names, key=str.casefold):
        Site.objects.create(name=name)
    assert list(Site.objects.filter(name__in=names).values_list("name", flat=True)) == names


def test_what_no_text_of_a_database_can_hold_is_shown_instead(task):
    from argosy.hub.jobs.ledger import Ledger

    ledger = Ledger(NOW)
    (held,) = ledger.known.hold([task])
    ledger.change(held, reason="a\0b")
    ledger.write()
    row = Result(job_id=task.job_id, task_id=task.pk, attempt=1, state="failed", count=1, reason="c\0d")
    Table(Result).add([row])
    assert {Task.objects.get().reason, Result.objects.get().reason} in ({"a\0b", "c\0d"}, {"a\ufffdb", "c\ufffdd"})
