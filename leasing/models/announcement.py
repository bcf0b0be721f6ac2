"""Which announcements have reached those whom they concern."""

from django.db import models

from marketplace.models import Terms


class TermsTold(models.Model):
    """Everybody with a lease on their plan was told of these terms, once: this row is written with the events."""

    terms = models.OneToOneField(Terms, primary_key=True, on_delete=models.PROTECT, related_name="told")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"told of {self.terms_id}"
