"""Sites, datastores, and the links between them."""

from typing import Any

import blake3
from django.db import models

from argosy.core.paths import display


class Declared(models.Model):
    """A row of which the configuration file may set keys; those cannot be changed elsewhere."""

    file_keys = models.JSONField(default=list)
    file_name = models.CharField(max_length=4096, default="")

    class Meta:
        """Has no table of its own."""

        abstract = True


class Site(Declared):
    """A location with its trees."""

    name = models.CharField(max_length=63, unique=True)
    roots = models.JSONField(default=list)
    threads = models.PositiveIntegerField(default=10)
    unguarded_stubs = models.BooleanField(default=False)
    min_stub_size = models.PositiveBigIntegerField(default=65536)
    trash_days = models.FloatField(default=30.0)
    file_batch_size = models.PositiveIntegerField(default=40)
    file_batch_gb = models.PositiveIntegerField(default=1)
    lock_threshold = models.PositiveIntegerField(default=86400)
    include = models.JSONField(null=True, default=None)
    exclude = models.JSONField(null=True, default=None)
    bandwidth = models.PositiveIntegerField(null=True, default=None)
    elasticsearch_url = models.CharField(max_length=1024, default="localhost:9200")
    gpfs_iscan_buckets = models.PositiveIntegerField(null=True, default=None)
    gpfs_iscan_threads = models.PositiveIntegerField(null=True, default=None)
    pixstor_search_url = models.CharField(max_length=1024, null=True, default=None)

    class Meta:
        """By name."""

        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ServedRoot(models.Model):
    """A root that a site serves or once served: its files may point to objects, unless it was forgotten."""

    site = models.CharField(max_length=63)
    """Its name: sites are deleted."""
    path = models.CharField(max_length=4096)
    forgotten = models.BooleanField(default=False)

    class Meta:
        """In the order they came; each once."""

        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["site", "path"], name="served_root_once"),)

    def __str__(self) -> str:
        return f"{self.path} of {self.site}"


class Presence(models.Model):
    """A node that serves a site, when it last said so, and which roots it does not serve, with the reasons.

    `trouble`: what is to be done there besides. `unwell`: datastores that do not answer it as they should, with code
    and reason. `blocked`: kinds of slots of which none is free, for tasks that were taken back hold them all.
    """

    site = models.ForeignKey(Site, models.CASCADE, related_name="presences")
    node = models.CharField(max_length=255)
    heard = models.DateTimeField()
    unserved = models.JSONField(default=dict)
    trouble = models.TextField(default="")
    unwell = models.JSONField(default=dict)
    blocked = models.JSONField(default=dict)

    class Meta:
        """By name; each once."""

        ordering = ("node",)
        constraints = (models.UniqueConstraint(fields=["site", "node"], name="presence_once"),)

    def __str__(self) -> str:
        return f"{self.node} of {self.site.name}"


class Datastore(Declared):
    """A registered store. `sealed` holds its secrets, encrypted.

    `number` is what pointers in inodes call it: made of its name when it is first recorded, so that a hub that was
    built again from the same configuration calls it the same. `abilities` are what a probe found, `trouble` why it
    could not and `trouble_code` of which error, `probed` when that was.
    """

    name = models.CharField(max_length=63, unique=True)
    type = models.CharField(max_length=8)
    layout = models.CharField(max_length=16, default="native")
    bucket = models.CharField(max_length=255, default="")
    container = models.CharField(max_length=255, default="")
    storageaccount = models.CharField(max_length=255, default="")
    endpoint = models.CharField(max_length=1024, default="")
    region = models.CharField(max_length=64, default="")
    accesskeyid = models.CharField(max_length=255, default="")
    path = models.CharField(max_length=4096, default="")
    prefix = models.CharField(max_length=1024, default="")
    ca_file = models.TextField(default="")
    addressing = models.CharField(max_length=8, default="auto")
    encryption = models.CharField(max_length=8, default="none")
    kms_key_id = models.CharField(max_length=2048, default="")
    storage_class = models.CharField(max_length=64, default="")
    restore_tier = models.CharField(max_length=16, default="Standard")
    restore_days = models.PositiveIntegerField(default=7)
    tries = models.PositiveIntegerField(default=5)
    timeout = models.PositiveIntegerField(default=60)
    sealed = models.BinaryField(default=b"")
    number = models.PositiveBigIntegerField(unique=True)
    abilities = models.JSONField(null=True, default=None)
    trouble = models.TextField(default="")
    trouble_code = models.CharField(max_length=64, default="")
    probed = models.DateTimeField(null=True, default=None)

    class Meta:
        """By name."""

        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **more: Any) -> None:
        """Record it; one that is new gets its number."""
        if self.number is None:
            self.number = _free_number(self.name)
        super().save(*args, **more)


def _free_number(name: str) -> int:
    """Return the number of a name, of 32 bits and never 0, or the next that no other datastore has."""
    number = int.from_bytes(blake3.blake3(name.encode()).digest(4), "big")
    taken = set(Datastore.objects.values_list("number", flat=True)) | {0}
    while number in taken:
        number = (number + 1) % 2**32
    return number


class SiteLink(Declared):
    """Where a tree of a site is found in a datastore; `datastore_path` is empty or ends in a slash."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="links")
    datastore = models.ForeignKey(Datastore, models.PROTECT, related_name="links")
    site_path = models.BinaryField()
    datastore_path = models.BinaryField(default=b"")

    class Meta:
        """In the order they were made; one site path has one datastore."""

        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["site", "site_path"], name="one_link_per_site_path"),)

    def __str__(self) -> str:
        return f"{self.site.name}:{display(bytes(self.site_path))}"


class Fileset(Declared):
    """A registered tree of a site: the unit of snapshots and of sync.

    `ident` and `number` are its own, as its agents made them; `state` and `reason` what they last found at its top, at
    `seen`; `adopt`: whether a person has said that what lies there is it, and no agent was told yet. Its lock is held
    since `locked`, by the task `locked_by`, as they last saw.
    """

    site = models.ForeignKey(Site, models.CASCADE, related_name="filesets")
    name = models.CharField(max_length=63)
    path = models.BinaryField()
    snapshots = models.CharField(max_length=8, default="index")
    mass_change_percent = models.PositiveSmallIntegerField(default=50)
    mass_change_count = models.PositiveIntegerField(default=10)
    mass_change_top = models.PositiveIntegerField(default=2)
    trash_days = models.FloatField(null=True, default=None)
    ident = models.CharField(max_length=32, default="")
    number = models.PositiveIntegerField(null=True, default=None)
    state = models.CharField(max_length=16, default="")
    reason = models.TextField(default="")
    seen = models.DateTimeField(null=True, default=None)
    adopt = models.BooleanField(default=False)
    locked = models.DateTimeField(null=True, default=None)
    locked_by = models.CharField(max_length=64, default="")

    class Meta:
        """In the order they were made; names are a site's own."""

        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["site", "name"], name="one_fileset_per_name"),)

    def __str__(self) -> str:
        return f"{self.site.name}:{self.name}"
