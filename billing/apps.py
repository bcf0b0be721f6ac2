"""Django's registration of the app."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks


class BillingConfig(AppConfig):
    """The `billing` app."""

    name = "billing"
    default_auto_field = "django.db.models.BigAutoField"


@checks.register(deploy=True)
def ledger_is_append_only_by_privilege(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Whether the application works with a role that does not own the ledger's tables."""
    if settings.DATABASE_OWNER_URL:
        return []
    words = "The application owns its tables: only triggers keep it from rewriting the ledger."
    hint = "Give it a role of its own: docs/operations.md, under The database's two roles."
    return [checks.Warning(words, hint=hint, id="billing.W001")]
