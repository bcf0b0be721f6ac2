"""What staff cannot do, for every page of the stock."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest


class Referenced:
    """Rows that others point at are not deleted; those that nobody uses yet are, one at a time."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether nothing points at the row."""
        return obj is not None and not any(
            relation.related_model._default_manager.filter(**{relation.field.name: obj}).exists()
            for relation in obj._meta.related_objects
            if isinstance(relation.related_model, type)
        )


class Kept:
    """Rows with a history: they are retired or taken off the list, never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False


class Fixed(Kept):
    """Rows that are added, and then stay as they are."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False


class SetOnce:
    """Fields in `set_once` are filled in when a row is added, and stay: others know the row by them."""

    set_once: tuple[str, ...] = ()
    readonly_fields: Any = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """What cannot be changed any more."""
        return (*self.readonly_fields, *(self.set_once if obj else ()))
