"""Sites, datastores, and the links between them."""

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


class Datastore(Declared):
    """A registered store. `sealed` holds its secrets, encrypted."""

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
    sealed = models.BinaryField(default=b"")

    class Meta:
        """By name."""

        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


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
