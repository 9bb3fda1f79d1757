"""Faults that are really injected, each explained: the right cause first, and what to do about it."""

import importlib
import os
import pkgutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from msgspec.structs import replace
from rest_framework.test import APIClient

import argosy
from argosy.core.config import DatastoreConfig, LinkConfig
from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError
from argosy.core.order import Order
from argosy.core.report import Present
from argosy.hub.jobs import removal
from argosy.hub.jobs.explain import failed
from argosy.hub.jobs.explain import job as jobs
from argosy.hub.jobs.explain import path as paths
from argosy.hub.jobs.explain.causes import BY_CODE
from argosy.hub.jobs.explain.path import PathTold
from argosy.hub.jobs.explain.words import Told, Trouble
from argosy.hub.jobs.models import Failure, Job, Task
from argosy.hub.jobs.plans.applying import apply
from argosy.hub.jobs.services import Asked, cancel, register, submit
from argosy.hub.sites import health
from argosy.hub.sites.models import Datastore, Site, SiteLink
from argosy.hub.sites.services import reconcile
from argosy.hub.workflows.models import Workflow
from argosy.linux import capabilities
from tests.hub.real import NODE, RealAgent
from tests.loop import mounted, unmounted
from tests.servers import SeaweedFS
from tests.stores.bucket import Bucket, serving
from tests.stores.faulty import standing_before
from tests.stores.tls import certificate_in, listening

CLOSED = "http://127.0.0.1:9"
"""Where nothing listens."""
WORDS = (
    "the disk is full; quota; index of the site; lost object; does not exist; another region; clock; attribute, MAC",
    "symlink; read-only; not permitted; Permission denied; outside the roots; only copy; adopt; no sitelink; wrote to",
    "recall guard; root is not served; the hub failed; since it was planned; no key; certificate; too many open files",
)
"""What messages of other causes say: directories have such names, and nothing is told from them."""


@dataclass
class World:
    """What a fault is injected into. `path`: the file that suffers from it."""

    top: Path
    held: ExitStack
    agent: RealAgent = field(init=False)
    path: Path = field(init=False)

    def begin(self, **more: object) -> RealAgent:
        self.agent = self.held.enter_context(RealAgent(self.top, **more))  # type: ignore[arg-type]
        self.path = self.agent.made("file")
        return self.agent

    def bucket(self, bucket: Bucket | None = None, **settings: object) -> Bucket:
        """Begin with a bucket in memory."""
        bucket = bucket or Bucket()
        served = self.held.enter_context(serving(bucket))
        self.begin(store=s3(**served | {"bucket": BUCKET} | settings))
        return bucket

    def disk(self, kind: str = "ext4", size: int = 64 << 20) -> Path:
        """Return a filesystem of its own, unmounted at the end."""
        point = mounted(kind, self.top, size)
        self.held.callback(unmounted, point)
        return point

    def stub(self) -> Path:
        """Make the file a stub."""
        assert self.agent.ran("migrate", self.path).state == "SUCCESS"
        return self.path

    def told(self, job: Job) -> Told:
        return jobs.explain(Job.objects.get(pk=job.pk), self.agent.clock())

    def told_of(self, path: Path) -> PathTold:
        return paths.explain(bytes(path), self.agent.clock())


BUCKET = "clock-quota-lost-mac"


def s3(**settings: object) -> DatastoreConfig:
    usual = {"bucket": BUCKET, "endpoint": CLOSED, "accesskeyid": "k", "secretaccesskey": "s", "tries": 1, "timeout": 1}
    return DatastoreConfig(name="cloud", type="S3", **usual | settings)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    top = tmp_path.joinpath(*WORDS)
    top.mkdir(parents=True)
    with ExitStack() as held:
        yield World(top, held)


Fault = Callable[[World], Job]


def store_down(world: World) -> Job:
    return world.begin(store=s3()).ran("premigrate", world.path)


def store_hangs(world: World) -> Job:
    served = world.held.enter_context(serving(Bucket()))
    proxy, url = world.held.enter_context(standing_before(str(served["endpoint"])))
    proxy.always = "hang"
    return world.begin(store=s3(endpoint=url)).ran("premigrate", world.path)


def wrong_key(world: World) -> Job:
    world.bucket(Bucket(trouble=403))
    return world.agent.ran("premigrate", world.path)


def key_expired(world: World) -> Job:
    world.bucket(Bucket(trouble=400, word="ExpiredToken"))
    return world.agent.ran("premigrate", world.path)


def encryption_key_off(world: World) -> Job:
    world.bucket(Bucket(trouble=400, word="KMS.DisabledException"))
    job = world.agent.ran("premigrate", world.path)
    assert "400 KMS.DisabledException" in world.told(job).causes[0].reason
    return job


def refused_without_a_word(world: World) -> Job:
    """What is not there to be read was there before: a HEAD comes first, whose answers have no body."""
    bucket = world.bucket()
    world.stub()
    bucket.trouble, bucket.word = 400, "ExpiredToken"
    return world.agent.ran("verify", world.path)


def file_in_the_way(world: World) -> Job:
    world.begin()
    (world.agent.projects("dublin") / "sub").write_bytes(b"in the way")
    world.path = world.agent.made("sub/file")
    return world.agent.ran("send", world.path, fields={"destinationsite": "dublin", "hydrate": True})


def store_full(world: World) -> Job:
    world.bucket(Bucket(trouble=507))
    return world.agent.ran("premigrate", world.path)


def full_disk(world: World) -> Job:
    disk = world.disk()
    world.begin(roots={"london": disk})
    world.path = world.agent.made("file", os.urandom(20 << 20))
    world.stub()
    filler = disk / "projects" / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1M"], check=False, capture_output=True)
    return world.agent.ran("recall", world.path)


def quota(world: World) -> Job:
    disk = world.disk("btrfs", 512 << 20)
    world.begin(roots={"london": disk})
    world.path = world.agent.made("file", os.urandom(20 << 20))
    world.stub()
    subprocess.run(["sync", "-f", str(disk)], check=True)
    subprocess.run(["btrfs", "quota", "enable", disk], check=True, capture_output=True)
    subprocess.run(["btrfs", "qgroup", "limit", "1M", disk], check=True, capture_output=True)
    return world.agent.ran("recall", world.path)


def no_agent(world: World) -> Job:
    job = world.begin().start("premigrate", world.path)
    world.agent.clock.forward(40)
    return job


def root_refused(world: World) -> Job:
    agent = world.begin()
    agent.roots["london"].rename(world.top / "unmounted")
    agent.projects().mkdir(parents=True)
    agent.serve(agent.declared.sites[0])
    return agent.start("premigrate", world.path)


def lease_lost(world: World) -> Job:
    job = world.begin().start("premigrate", world.path)
    assert world.agent.claim() is not None
    world.agent.clock.forward(70)
    world.agent.say_present("london")
    world.agent.delivery.sweep()
    return job


def agent_silent(world: World) -> Job:
    job = world.begin().start("premigrate", world.path)
    assert world.agent.claim() is not None
    world.agent.clock.forward(40)
    return job


def permission(world: World) -> Job:
    world.begin(hands=without_rights)
    os.chown(world.path, 4711, 4711)
    world.path.chmod(0)
    return world.agent.ran("premigrate", world.path)


def without_rights() -> None:
    """Have this thread overrule no permissions of files."""
    effective, *rest = capabilities._sets()
    capabilities._give((effective & ~0b110, *rest))


def busy_file(world: World) -> Job:
    world.begin()
    world.held.enter_context(world.path.open("r+b"))
    return world.agent.ran("migrate", world.path)


def archived(world: World) -> Job:
    world.bucket(storage_class="GLACIER")
    return world.agent.ran("recall", world.stub())


def missing_sitelink(world: World) -> Job:
    agent = world.begin()
    inner = agent.made("inner/file")
    london, dublin = agent.declared.sites
    link = LinkConfig(site_path=str(inner.parent), datastore="cloud", datastore_path="elsewhere/")
    reconcile(replace(agent.declared, sites=(replace(london, links=(*london.links, link)), dublin)))
    world.path = inner
    return agent.ran("send", agent.projects(), fields={"destinationsite": "dublin", "hydrate": True})


def immutable(world: World) -> Job:
    world.begin(roots={"london": world.disk()})
    subprocess.run(["chattr", "+i", world.path], check=True)
    world.held.callback(subprocess.run, ["chattr", "-i", world.path], check=True)
    return world.agent.ran("migrate", world.path)


def corrupted_object(world: World) -> Job:
    world.begin()
    world.stub()
    stored = world.agent.shelf / "projects" / "file"
    before = stored.stat()
    content = bytearray(stored.read_bytes())
    content[100] ^= 1
    with stored.open("r+b") as file:
        file.write(content)
    os.utime(stored, ns=(before.st_mtime_ns, before.st_mtime_ns))
    return world.agent.ran("recall", world.path)


def forged_attribute(world: World) -> Job:
    world.begin()
    os.setxattr(world.path, "trusted.argosy", b"\1what anybody writes")
    return world.agent.ran("premigrate", world.path)


def path_not_there(world: World) -> Job:
    world.begin()
    world.path = world.path.with_name("nothing")
    return world.agent.ran("premigrate", world.path, discovery=None)


def object_gone(world: World) -> Job:
    world.begin()
    world.stub()
    (world.agent.shelf / "projects" / "file").unlink()
    return world.agent.ran("recall", world.path)


def cancelled(world: World) -> Job:
    job = world.begin().start("premigrate", world.path, discovery=None)
    return cancel(job.pk)


def restarted(world: World) -> Job:
    job = world.begin().start("premigrate", world.path)
    assert world.agent.claim() is not None
    world.agent.delivery.adopt_orphans()
    return job


def restarted_and_claimed(world: World) -> Job:
    job = restarted(world)
    while world.agent.claim() is None:
        pass
    return job


def agents_died_and_claimed(world: World) -> Job:
    job = agents_died(world)
    while world.agent.claim() is None:
        pass
    return job


def store_silent_after_a_restart(world: World) -> Job:
    return store_silent(world, died=False)


def store_silent_after_the_agents_died(world: World) -> Job:
    return store_silent(world, died=True)


def store_silent(world: World, *, died: bool) -> Job:
    """What was begun again waits for a store that took the connection and says nothing."""
    job = world.begin().start("premigrate", world.path, discovery=None)
    moved_on(world)
    world.agent.delivery.adopt_orphans(died=died)
    claimed(world)
    say_unwell(world, "store_down", "has not answered since 10:31:18 UTC")
    return job


def store_silent_for_some_and_others_cut_short(world: World) -> Job:
    world.begin()
    Site.objects.update(file_batch_size=1)
    job = world.agent.start("premigrate", world.path, world.agent.made("other"), discovery=None)
    looking = [claimed(world), claimed(world)]
    for order in looking:
        world.agent.do(order)
    claimed(world)
    claimed(world)
    world.agent.delivery.adopt_orphans()
    claimed(world)
    say_unwell(world, "store_down", "has not answered since 10:31:18 UTC")
    return job


def behind_a_login_page(world: World) -> Job:
    job = world.begin().start("premigrate", world.path, discovery=None)
    moved_on(world)
    say_unwell(world, "store_stranger", "what answers is no such store")
    return job


def moved_on(world: World) -> None:
    """Have the files looked at, and the step that needs the datastore claimed."""
    world.agent.do(claimed(world))
    claimed(world)


def claimed(world: World) -> Order:
    while world.agent.rung:
        if (order := world.agent.claim()) is not None:
            return order
    raise AssertionError("nothing waits")


def say_unwell(world: World, code: str, reason: str) -> None:
    world.agent.delivery.present(Present(site="london", node=NODE, unwell={"cloud": (code, reason)}))


def silent_again(world: World) -> Job:
    job = restarted_and_claimed(world)
    world.agent.clock.forward(40)
    return job


def slots_held_after_a_lost_lease(world: World) -> Job:
    job = lease_lost(world)
    queues = Task.objects.filter(job=job).values_list("queue", flat=True)
    blocked = dict.fromkeys(queues, "4 of 4 slots are held: dynamo.custom.hang of job 5")
    world.agent.delivery.present(Present(site="london", node=NODE, blocked=blocked))
    return job


def agents_died(world: World) -> Job:
    job = world.begin().start("premigrate", world.path)
    for _ in range(3):
        while world.agent.claim() is None:
            pass
        world.agent.delivery.adopt_orphans(died=True)
    return job


def agents_died_once_too_often(world: World) -> Job:
    job = agents_died(world)
    while world.agent.claim() is None:
        pass
    world.agent.delivery.adopt_orphans(died=True)
    world.agent.run()
    return job


def other_job_ahead(world: World) -> Job:
    agent = world.begin()
    agent.start("premigrate", agent.projects())
    assert agent.claim() is not None
    return agent.start("premigrate", world.path)


def no_guard(world: World) -> Job:
    return world.begin(stubs=False).ran("migrate", world.path)


def differs(world: World) -> Job:
    agent = world.begin()
    agent.made("file", b"others had this", site="dublin")
    return agent.ran("send", world.path, fields={"destinationsite": "dublin", "hydrate": True})


def copied_stub(world: World) -> Job:
    world.begin()
    copy = world.path.with_name("copy")
    subprocess.run(["cp", "-a", "--preserve=xattr", world.stub(), copy], check=True)
    world.path = copy
    return world.agent.ran("recall", copy)


def written_stub(world: World) -> Job:
    world.begin()
    with world.stub().open("r+b") as file:
        file.write(b"over what was there")
    return world.agent.ran("recall", world.path)


def read_only(world: World) -> Job:
    disk = world.disk()
    world.begin(roots={"london": disk})
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    world.held.callback(subprocess.run, ["mount", "-o", "remount,rw", disk], check=True)
    return world.agent.ran("premigrate", world.path)


def not_empty(world: World) -> Job:
    world.begin()
    world.path = world.path.parent
    return world.agent.ran("delete_file", world.path, discovery=None)


def drifted(world: World) -> Job:
    plan = world.begin().ran("delete_file", world.path, dry_run=True)
    world.path.write_bytes(b"something else by now")
    job, _ = apply(plan.pk, owner=None)
    world.agent.run()
    return Job.objects.get(pk=job.pk)


def behind_symlink(world: World) -> Job:
    inner = world.begin().made("inner/file")
    link = inner.parent.with_name("link")
    link.symlink_to("inner")
    world.path = link / "file"
    return world.agent.ran("premigrate", world.path, discovery=None)


def other_filesystem(world: World) -> Job:
    agent = world.begin()
    inner = agent.projects() / "inner"
    inner.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", inner], check=True)
    world.held.callback(subprocess.run, ["umount", inner], check=True)
    world.path = inner
    return agent.ran("premigrate", agent.projects())


def only_copy(world: World) -> Job:
    world.begin()
    action = {"name": "dynamo.tasks.remove_from_cloud"}
    rule = {"state": "all", "type": "all", "action": [action]}
    made = Workflow.objects.create(name="forget", label="Forget", fields=[], filter_rules=[rule])
    world.held.callback(made.delete)
    return world.agent.ran("forget", world.stub())


def key_unknown(world: World) -> Job:
    world.begin()
    moved = world.stub().rename(world.path.with_name("moved"))
    world.agent.places["london"].close()
    for file in world.top.joinpath("agent-london").glob("index.db*"):
        file.unlink()
    world.agent.serve(world.agent.declared.sites[0])
    world.path = moved
    return world.agent.ran("recall", moved)


def store_unknown(world: World) -> Job:
    return world.begin(store=s3(endpoint="http://no-such-host.invalid")).ran("premigrate", world.path)


def store_untrusted(world: World) -> Job:
    port = world.held.enter_context(listening(certificate_in(world.top / "certificate.pem")))
    return world.begin(store=s3(endpoint=f"https://127.0.0.1:{port}")).ran("premigrate", world.path)


def store_without_tls(world: World) -> Job:
    port = world.held.enter_context(listening())
    return world.begin(store=s3(endpoint=f"https://127.0.0.1:{port}")).ran("premigrate", world.path)


def login_page(world: World) -> Job:
    port = world.held.enter_context(listening())
    return world.begin(store=s3(endpoint=f"http://127.0.0.1:{port}")).ran("premigrate", world.path)


def login_page_in_the_place_of_an_object(world: World) -> Job:
    """It says yes to whatever it is asked for."""
    bucket = Bucket()
    served = world.held.enter_context(serving(bucket))
    proxy, url = world.held.enter_context(standing_before(str(served["endpoint"])))
    world.begin(store=s3(**served | {"bucket": BUCKET, "endpoint": url}))
    world.stub()
    proxy.always = "page"
    return world.agent.ran("recall", world.path)


def clock_wrong(world: World) -> Job:
    world.bucket(Bucket(trouble=403, word="RequestTimeTooSkewed"))
    return world.agent.ran("premigrate", world.path)


def store_elsewhere(world: World) -> Job:
    world.bucket(Bucket(trouble=301, word="PermanentRedirect"))
    return world.agent.ran("premigrate", world.path)


def given_nothing(world: World) -> Job:
    world.begin()
    return register(site="london", jobtype="premigrate", given=[], discovery=None, owner=None)


def excluded(world: World) -> Job:
    return world.begin().ran("premigrate", world.path, exclude=("*",))


FAULTS: dict[Fault, str] = {
    store_down: "store_down",
    store_hangs: "store_down",
    wrong_key: "wrong_key",
    key_expired: "wrong_key",
    refused_without_a_word: "wrong_key",
    encryption_key_off: "store_key",
    file_in_the_way: "exists",
    store_full: "store_full",
    full_disk: "disk_full",
    quota: "quota",
    no_agent: "no_agent",
    root_refused: "root_refused",
    lease_lost: "agent_lost",
    agent_silent: "agent_silent",
    permission: "permission",
    busy_file: "busy",
    archived: "archived",
    missing_sitelink: "no_sitelink",
    immutable: "immutable",
    corrupted_object: "only_copy_damaged",
    forged_attribute: "forged",
    path_not_there: "path_gone",
    object_gone: "object_gone",
    cancelled: "cancelled",
    restarted: "restarted",
    restarted_and_claimed: "running",
    agents_died_and_claimed: "running",
    store_silent_after_a_restart: "store_down",
    store_silent_after_the_agents_died: "store_down",
    store_silent_for_some_and_others_cut_short: "store_down",
    silent_again: "agent_silent",
    slots_held_after_a_lost_lease: "slots_held",
    behind_a_login_page: "store_stranger",
    agents_died: "agent_died",
    agents_died_once_too_often: "agent_died",
    other_job_ahead: "queued",
    no_guard: "no_guard",
    differs: "differs",
    copied_stub: "not_adopted",
    written_stub: "stub_written",
    read_only: "read_only",
    not_empty: "not_empty",
    drifted: "drifted",
    behind_symlink: "symlink",
    other_filesystem: "other_filesystem",
    only_copy: "only_copy",
    key_unknown: "key_unknown",
    store_unknown: "store_name_unknown",
    store_untrusted: "store_untrusted",
    store_without_tls: "store_not_tls",
    login_page: "store_stranger",
    login_page_in_the_place_of_an_object: "store_stranger",
    clock_wrong: "clock_wrong",
    store_elsewhere: "store_elsewhere",
    given_nothing: "no_work",
    excluded: "nothing_found",
}
"""Faults, and the cause that is to be named first."""


NOT_OF_THE_PATH = {excluded, given_nothing}
"""Faults of which nothing is recorded with the path."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_right_cause_of_a_fault_is_named_first_for_the_job_and_for_the_path(world: World, fault: Fault) -> None:
    job = fault(world)
    told, of_path = world.told(job), world.told_of(world.path)
    first = told.causes[0]
    assert first.cause.name == FAULTS[fault], told
    assert first.cause.remedy
    assert first.sentence() in told.summary
    if fault not in NOT_OF_THE_PATH:
        assert of_path.causes[0].cause.name == FAULTS[fault], of_path
        assert job.pk in of_path.causes[0].jobs


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"bucket": "nobody-made-this-one"}, "bucket_gone"),
        ({"secretaccesskey": "of somebody else"}, "wrong_key"),
        ({"accesskeyid": "nobody"}, "wrong_key"),
    ],
)
def test_a_bucket_that_is_not_there_is_told_from_a_wrong_key(
    world: World, seaweedfs: SeaweedFS, settings: dict[str, str], cause: str
) -> None:
    world.begin(store=s3(**seaweedfs.settings(seaweedfs.bucket()) | settings))
    job = world.agent.ran("premigrate", world.path)
    assert world.told(job).causes[0].cause.name == cause
    assert world.told_of(world.path).causes[0].cause.name == cause


def test_a_node_that_renews_a_lease_is_there_whatever_it_says_of_itself(world: World) -> None:
    agent = world.begin()
    running = agent.start("premigrate", agent.projects())
    order = agent.claim()
    assert order is not None
    waiting = agent.start("premigrate", world.path)
    agent.clock.forward(50)
    assert agent.delivery.renew(order.task, order.attempt)
    assert [one.cause.name for one in world.told(running).causes] == ["running"]
    assert [one.cause.name for one in world.told(waiting).causes] == ["queued"]


def test_what_is_tried_again_is_said_with_the_time_of_the_next_try(world: World) -> None:
    job = store_down(world)
    (first, *_), due = world.told(job).causes, Task.objects.get(job=job, chain=0).due
    assert (first.state, first.files, first.path, first.next_try) == ("waiting", 1, bytes(world.path), due)
    assert "the next try is in 2 s" in world.told(job).summary
    while job.state not in {"FAILURE", "SUCCESS"}:
        world.agent.clock.forward(600)
        world.agent.say_present("london")
        world.agent.delivery.sweep()
        world.agent.run()
        job.refresh_from_db()
    (first,) = world.told(job).causes
    assert (first.cause.name, first.state, first.next_try) == ("store_down", "failed", None)


def test_a_job_without_trouble_has_no_cause_and_says_so(world: World) -> None:
    told = world.told(world.begin().ran("premigrate", world.path))
    assert (told.causes, told.state) == ([], "SUCCESS")
    assert told.summary.endswith("ended well: 1 file is as it was to be")


def test_a_job_whose_tasks_all_changed_while_they_were_looked_at_is_said_to_run(world: World) -> None:
    job = world.begin().start("premigrate", world.path)
    Task.objects.filter(job=job).update(state="SUCCESS")
    (told,) = world.told(job).causes
    assert told.cause.name == "running"


def test_a_plan_is_said_to_have_changed_nothing_and_how_it_is_done(world: World) -> None:
    agent = world.begin()
    plan = agent.ran("premigrate", world.path, dry_run=True)
    told = world.told(plan)
    assert told.causes == []
    stands = f"Plan {plan.pk} (premigrate at london) is made, and nothing was changed: "
    assert told.summary == f"{stands}1 file would be dealt with; do it with `argosy apply {plan.pk}`"
    agent.ran("premigrate", world.path)
    told = world.told(agent.ran("premigrate", world.path, dry_run=True))
    assert told.summary.startswith(f"Plan {told.job} (premigrate at london) is made, and nothing was changed: 1 file ")
    assert f"would be left alone, {world.path} for one: " in told.summary
    assert "apply" not in told.summary


def test_a_plan_that_foresees_trouble_names_its_cause_and_says_that_nothing_was_changed(world: World) -> None:
    world.begin()
    os.setxattr(world.path, "trusted.argosy", b"\1what anybody writes")
    told = world.told(world.agent.ran("premigrate", world.path, dry_run=True))
    assert "is made, and foresees failures; nothing was changed: what the inode says" in told.summary


def test_where_no_rule_is_for_the_state_that_was_named_it_says_to_look_at_that(world: World) -> None:
    agent = world.begin()
    rule = {"state": "moved", "type": "all", "action": [{"name": "dynamo.tasks.stat_paths"}]}
    made = Workflow.objects.create(name="follow", label="Follow", fields=[], filter_rules=[rule])
    world.held.callback(made.delete)
    given = Entry(path=bytes(world.path), state="mvoed")
    job = submit(Asked(site="london", workflow="follow", paths=[given], discovery=None), owner=None)
    agent.run()
    (first,) = world.told(job).causes
    assert first.cause.name == "nothing_found"
    assert "the state that was named with each" in first.cause.remedy
    assert first.reason == "1 entry was found, and no rule is for any of that"


def test_a_directory_in_the_way_is_not_to_be_overwritten(world: World) -> None:
    agent = world.begin()
    agent.made("file/inner", site="dublin")
    told = world.told(agent.ran("send", world.path, fields={"destinationsite": "dublin", "hydrate": True}))
    (first,) = told.causes
    assert (first.cause.name, "overwrite" in first.cause.remedy.lower()) == ("exists", False)
    assert first.reason.endswith("exists and is a directory; move it away")


def test_a_stub_whose_object_is_gone_is_not_told_to_be_repaired(world: World) -> None:
    (first,) = world.told(object_gone(world)).causes
    assert first.cause.remedy.startswith("Of a stub: run `argosy rebuild`")
    assert "object projects/file of datastore cloud is gone" in first.reason
    assert ".argosy" not in first.reason


def test_a_file_of_another_kind_is_not_said_to_be_as_it_was_to_be(world: World) -> None:
    agent = world.begin()
    os.mkfifo(agent.projects() / "fifo")
    told = world.told(agent.ran("premigrate", agent.projects() / "fifo"))
    assert told.causes == []
    left = f"1 file was left alone, {agent.projects() / 'fifo'} for one: not a file, directory or symlink"
    assert told.summary.endswith(f": {left}")
    told = world.told(agent.ran("premigrate", world.path, agent.projects() / "fifo"))
    assert told.summary.endswith(f": 1 file is as it was to be and {left}")


def test_a_job_that_did_nothing_of_what_it_was_to_do_says_so(world: World) -> None:
    job = drifted(world)
    assert job.state == "SUCCESS"
    assert (
        "ended, but with nothing that it was to do: the file is no longer what the plan saw" in world.told(job).summary
    )


def test_who_cancelled_a_job_is_told_of_the_job_and_of_its_paths(world: World) -> None:
    job = world.begin().start("premigrate", world.path, discovery=None)
    cancel(job.pk, by="maria")
    cancel(job.pk, by="somebody who came later")
    (told,) = world.told(job).causes
    assert told.reason.startswith("maria cancelled it at 20")
    assert "the job was cancelled (maria cancelled it" in world.told(job).summary
    assert "maria" in world.told_of(world.path).causes[0].reason


def test_whoever_asks_for_it_by_the_api_has_cancelled_it(world: World, api: APIClient) -> None:
    job = world.begin().start("premigrate", world.path)
    assert api.post(f"/api/jobs/{job.pk}/cancel/").status_code == 201
    assert f"({User.objects.get().username} cancelled it" in api.get(f"/api/jobs/{job.pk}/explain/").json()["summary"]


def test_a_job_that_was_cancelled_before_it_found_anything_says_so(world: World) -> None:
    job = world.begin().start("premigrate", world.path)
    assert [one.cause.name for one in world.told(cancel(job.pk)).causes] == ["cancelled"]


@pytest.mark.parametrize(("workflow", "cause"), [("premigrate", "store_down"), ("stat", "running")])
def test_what_runs_is_said_to_wait_for_a_store_that_is_down_where_it_needs_one(
    world: World, workflow: str, cause: str
) -> None:
    agent = world.begin()
    other = Datastore.objects.create(name="other", type="S3", bucket="b", trouble="does not answer")
    SiteLink.objects.create(
        site=Site.objects.get(name="london"), datastore=other, site_path=b"/srv/elsewhere", datastore_path=b""
    )
    job = agent.start(workflow, world.path, discovery=None)
    looking = agent.claim()
    assert looking is not None
    agent.do(looking)
    assert agent.claim() is not None
    assert [one.cause.name for one in world.told(job).causes] == ["running"]
    Datastore.objects.filter(name="cloud").update(trouble="does not answer")
    (told,) = world.told(job).causes
    assert told.cause.name == cause
    assert ("datastore cloud: does not answer" in told.reason) == (cause == "store_down")


def test_what_runs_is_said_to_wait_for_a_store_that_was_well_and_does_not_answer_its_node(world: World) -> None:
    agent = world.begin()
    job = agent.start("premigrate", world.path, discovery=None)
    looking = agent.claim()
    assert looking is not None
    agent.do(looking)
    assert agent.claim() is not None
    Datastore.objects.filter(name="cloud").update(abilities={"conditions": True})

    def first(node: str, **silent: str) -> Trouble:
        unwell = {name: ("store_down", since) for name, since in silent.items()}
        agent.delivery.present(Present(site="london", node=node, unwell=unwell))
        return world.told(job).causes[0]

    assert first(NODE, elsewhere="has not answered").cause.name == "running"
    assert first("another", cloud="has not answered").cause.name == "running"
    told = first(NODE, cloud="has not answered since 10:31:18 UTC")
    assert (told.cause.name, told.reason) == ("store_down", "datastore cloud: has not answered since 10:31:18 UTC")
    assert world.told_of(world.path).causes[0].cause.name == "store_down"
    (london,) = [one for one in health.of_sites(agent.clock()) if one.site == "london"]
    assert (london.health, "datastore cloud: has not answered" in london.reason) == ("warning", True)
    assert first(NODE).cause.name == "running"


OF_THE_HUB = {"restarted", "agent_died", "in_turn", "sync_refused", "sync_broken"}
"""Codes that are recorded and never raised."""


def test_every_kind_of_error_has_a_cause_of_its_own() -> None:
    rooms = {"core", "filesystems", "stores", "hsm", "discoveries", "steps", "sync", "agent"}
    for module in pkgutil.walk_packages(argosy.__path__, "argosy."):
        if module.name.split(".")[1] in rooms:
            importlib.import_module(module.name)
    codes = {kind.code for kind in kinds(ArgosyError) if kind.__module__ != "argosy.hub.common.errors"}
    assert codes - {ArgosyError.code} == BY_CODE.keys() - OF_THE_HUB


def kinds(kind: type[ArgosyError]) -> Iterator[type[ArgosyError]]:
    for one in kind.__subclasses__():
        if one.__module__.startswith("argosy."):
            yield one
            yield from kinds(one)


def test_failures_are_grouped_by_cause_the_largest_first_each_with_an_example(world: World) -> None:
    agent = world.begin()
    for name in "abc":
        os.setxattr(agent.made(name), "trusted.argosy", b"\1what anybody writes")
    agent.made("good")
    held = [agent.made(name).open("r+b") for name in "de"]
    told = world.told(agent.ran("migrate", agent.projects()))
    for file in held:
        file.close()
    assert [(one.cause.name, one.state, one.files) for one in told.causes] == [
        ("forged", "failed", 3),
        ("busy", "aborted", 2),
    ]
    assert told.causes[0].path == bytes(agent.projects() / "a")
    assert (told.examined, told.unwell) == (5, 5)


def test_of_very_many_failures_the_first_are_looked_at_and_it_is_said_how_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed, "EXAMINED", 2)
    agent = world.begin()
    for name in "abc":
        os.setxattr(agent.made(name), "trusted.argosy", b"\1what anybody writes")
    told = world.told(agent.ran("migrate", agent.projects()))
    assert (told.causes[0].files, told.examined, told.unwell) == (2, 2, 3)


def test_a_path_tells_what_became_of_it_the_latest_first_and_where_its_copy_is(world: World) -> None:
    world.begin()
    world.stub()
    world.agent.ran("recall", world.path)
    told = world.told_of(world.path)
    assert [one.step.rpartition(".")[2] for one in told.history] == ["recall", "migrate"]
    assert told.causes == []
    assert told.stored is not None
    assert (told.stored.datastore, told.stored.key) == ("cloud", "projects/file")
    assert "recall of job" in told.summary


def test_a_failure_is_found_however_much_was_done_since(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = wrong_key(world)
    broken = forged_attribute_of(world.agent, "other")
    monkeypatch.setattr(paths, "ROWS", 0)
    told = world.told_of(world.path)
    assert [(one.job, one.error) for one in told.history] == [(job.pk, "refused")]
    assert not told.whole
    assert [one.error for one in world.told_of(broken).history] == ["pointer_unreadable"]


def forged_attribute_of(agent: RealAgent, name: str) -> Path:
    file = agent.made(name)
    os.setxattr(file, "trusted.argosy", b"\1what anybody writes")
    agent.ran("premigrate", file)
    return file


def test_where_a_path_fails_at_another_site_its_origin_tells_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = differs(world)
    monkeypatch.setattr(paths, "ROWS", 0)
    told = world.told_of(world.path)
    assert [(one.job, one.site, one.error) for one in told.history] == [(job.pk, "dublin", "differs")]
    assert told.causes[0].cause.name == "differs"


def test_what_was_only_planned_is_no_history_of_a_path(world: World) -> None:
    world.begin()
    os.setxattr(world.path, "trusted.argosy", b"\1what anybody writes")
    plan = world.agent.ran("premigrate", world.path, dry_run=True)
    assert (world.told_of(world.path).history, world.told_of(world.path).causes) == ([], [])
    assert world.told(plan).summary.startswith(f"Plan {plan.pk} ")


def test_what_is_kept_of_failures_goes_with_their_job(world: World) -> None:
    job = wrong_key(world)
    assert Failure.objects.exists()
    removal.remove(job.pk)
    while removal.purge():
        pass
    assert not Failure.objects.exists()


def test_a_path_that_is_well_where_no_sitelink_leads_from_waits_for_nothing(world: World) -> None:
    agent = world.begin()
    path = agent.roots["london"] / "unlinked"
    path.write_bytes(b"x")
    assert world.told_of(path).causes == []
    assert agent.ran("stat", path).state == "SUCCESS"
    told = world.told_of(path)
    assert (told.causes, told.summary.endswith("processed it, and nothing waits")) == ([], True)


def test_a_path_that_no_job_had_says_so_and_one_outside_all_roots_is_refused(world: World, api) -> None:
    world.begin()
    assert world.told_of(world.path).summary.endswith("no job had it, as far as is recorded")
    refused = api.get("/api/file/explain/", {"path": "/elsewhere/file"})
    assert refused.status_code == 400
    assert "/elsewhere/file" in refused.json()["detail"]
    assert str(world.agent.roots["london"]) in refused.json()["detail"]


def test_the_api_answers_the_same_and_has_none_of_a_job_that_is_not_there(world: World, api) -> None:
    job = wrong_key(world)
    told = api.get(f"/api/jobs/{job.pk}/explain/").json()
    assert (told["job"], told["state"], told["unwell"]) == (job.pk, "FAILURE", 1)
    (first,) = told["causes"]
    assert (first["cause"], first["state"], first["files"], first["path"]) == (
        "wrong_key",
        "failed",
        1,
        str(world.path),
    )
    assert "refused our credentials" in first["reason"]
    of_path = api.get("/api/file/explain/", {"path": str(world.path)}).json()
    assert (of_path["causes"][0]["cause"], of_path["history"][0]["job"]) == ("wrong_key", job.pk)
    assert api.get("/api/jobs/99999/explain/").status_code == 404


def test_a_disabled_workflow_is_refused_with_the_reason(world: World, api) -> None:
    world.begin()
    Workflow.objects.filter(name="premigrate").update(enabled=False)
    try:
        body = {"workflow": "premigrate", "site": "london", "paths": [str(world.path)]}
        refused = api.post("/api/file/workflow/", body)
    finally:
        Workflow.objects.filter(name="premigrate").update(enabled=True)
    assert refused.status_code == 400
    assert "disabled" in refused.json()["detail"]
    assert "enable it" in refused.json()["detail"]


def test_what_waits_while_another_task_is_tried_alone_is_told_so(world: World) -> None:
    suspect = agents_died(world)
    while world.agent.claim() is None:
        pass
    job = world.agent.start("premigrate", world.agent.made("other"))
    world.agent.delivery.present(Present(site="london", node=NODE))
    (first, *_) = world.told(job).causes
    assert (first.cause.name, first.jobs) == ("queued", (suspect.pk,))
    assert first.reason == (
        f"a task of job {suspect.pk} is tried with nothing beside it, for the agents died 3 times while they ran this "
        "task: it is begun again"
    )


def test_what_waits_for_slots_that_are_held_by_what_does_not_end_is_told_so(world: World) -> None:
    agent = world.begin()
    job = agent.start("premigrate", world.path)
    Task.objects.filter(job=job).update(queue="custom")
    held = "4 of 4 slots are held: dynamo.custom.hang of job 5"
    presence = Present(site="london", node=NODE, blocked={"custom": held})
    agent.delivery.present(presence)
    (cause,) = world.told(job).causes
    assert (cause.cause.name, cause.reason) == ("slots_held", f"{NODE}: {held}")
    Task.objects.filter(job=job).update(queue="transfer")
    assert world.told(job).causes[0].cause.name != "slots_held"
