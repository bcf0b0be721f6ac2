"""The base of every serializer that reads a request, and moments in requests."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know or that only the server writes, instead of ignoring them."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values.

        :raises ValidationError: naming every unknown or read-only field, together with what else is wrong
        """
        unknown = self._unknown(data) if isinstance(data, Mapping) else {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**unknown, **_as_dict(error.detail)}) from error
        if unknown:
            raise serializers.ValidationError(unknown)
        return values

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        known = sorted(str(field.field_name) for field in self._writable_fields)
        message = f"Unknown field. Known here: {', '.join(known) or 'none'}."
        return {name: [message] for name in data if name not in known}


class Moment(serializers.DateTimeField):
    """A moment with its zone, which is never guessed."""

    YEARS = range(2000, 2200)  # so that no sum with a length leaves what a calendar can say
    default_error_messages = {
        "invalid": "Write it as 2026-03-02T12:00:00Z (a + in an address is written %2B).",
        "no_zone": "Say the zone: 2026-03-02T12:00:00Z is UTC.",
        "far": f"Choose a year from {YEARS[0]} to {YEARS[-1]}.",
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        """
        As given.

        :raises ValidationError: if it has no zone, or no plan could ever serve it
        """
        if value.tzinfo is None:
            self.fail("no_zone")
        if value.year not in self.YEARS:
            self.fail("far")
        return value


def _as_dict(detail: Any) -> dict[str, Any]:
    return detail if isinstance(detail, dict) else {"non_field_errors": detail}
