"""Where the API checks with the form of a page, what the form refuses is the API's answer."""

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BaseForm
from rest_framework import serializers
from rest_framework.settings import api_settings


def refused(form: BaseForm, **names: str) -> serializers.ValidationError:
    """What is wrong with the form, in its words, at the API's fields: `names` are those that are called otherwise."""
    called: dict[str, Any] = {NON_FIELD_ERRORS: api_settings.NON_FIELD_ERRORS_KEY, **names}
    return serializers.ValidationError(
        {called.get(name, name): [str(word) for word in words] for name, words in form.errors.items()}
    )
