"""Whatever staff changes here is in the log of events."""

from typing import Any

from django.http import HttpRequest

from accounts.access import operator_of
from accounts.clock import now
from accounts.operations import record


class Recorded:
    """A page whose changes are recorded as `power.<model>`, with the fields that were filled in."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """Save and record, in the admin's transaction."""
        obj.save()
        changed = {name: str(form.cleaned_data.get(name)) for name in form.changed_data}
        record(
            organization=None,
            kind=f"power.{obj._meta.model_name}",
            subject=str(obj)[:80],
            actor=operator_of(request),
            at=now(),
            data=changed,
        )
