"""The base of every serializer that reads a request."""

from collections.abc import Mapping
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
        known = sorted(name for name, field in self.fields.items() if not field.read_only)
        message = f"Unknown field. Known here: {', '.join(known) or 'none'}."
        return {name: [message] for name in data if name not in known}


def _as_dict(detail: Any) -> dict[str, Any]:
    return detail if isinstance(detail, dict) else {"non_field_errors": detail}
