"""What is known of objects in datastores."""

from django.db import models


class Unneeded(models.Model):
    """An object that a step said its entry needs no more. Whether others do, garbage collection finds out."""

    datastore = models.CharField(max_length=63)
    key = models.TextField()
    uuid = models.BinaryField(max_length=16)
    etag = models.CharField(max_length=1024, default="")
    version = models.CharField(max_length=1024, default="")
    size = models.PositiveBigIntegerField()
    since = models.DateTimeField()
    why = models.CharField(max_length=255)
    """The step that said so."""
    job = models.PositiveBigIntegerField()
    asked = models.BooleanField(default=False)
    """Whether somebody asked for its deletion: it then waits for nothing but the proof that nothing refers to it."""
    due = models.DateTimeField()
    """Not to be tried before."""

    class Meta:
        """In the order they came; each object once."""

        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["datastore", "key", "uuid"], name="unneeded_once"),)
        indexes = (models.Index(fields=["asked", "due"], name="unneeded_due"),)

    def __str__(self) -> str:
        return f"{self.key} of {self.datastore}"
