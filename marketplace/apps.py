"""Django's registration of the app."""

from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    """The `marketplace` app."""

    name = "marketplace"
    default_auto_field = "django.db.models.BigAutoField"
