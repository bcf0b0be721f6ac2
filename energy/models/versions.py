"""What holds for a site from a moment on, and is never edited: a later row supersedes it."""

from datetime import datetime
from typing import Any, Self

import pgtrigger
from django.db import models
from django.db.models.functions import Now

from marketplace.models import Site


class VersionQuerySet(models.QuerySet[Any]):
    """Rows of which the newest that has begun is in force."""

    def in_force(self, at: datetime) -> Self:
        """The one of each site, and of each kind where there are kinds, that holds at a moment."""
        keys = [name for name in ("site_id", "kind") if any(field.attname == name for field in self.model._meta.fields)]
        begun = self.filter(starts_at__lte=at)
        newest = begun.order_by(*keys, "-starts_at").distinct(*keys).values("pk")
        return self.filter(pk__in=newest).order_by(*keys)


class SiteVersion(models.Model):
    """A fact about one site from a moment on."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField(help_text="UTC. It holds until a later row begins.")
    written_at = models.DateTimeField(db_default=Now(), editable=False)
    note = models.CharField(max_length=200, help_text="Where the figures are from; say here if it is an example.")

    objects = VersionQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["site", "-starts_at"]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
