"""The operator's view of people and organizations. What customers own is changed by customers; staff look."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.models import (
    APIToken,
    Event,
    IdempotencyKey,
    Membership,
    Notice,
    Organization,
    SSHKey,
    User,
    WebhookDelivery,
    WebhookEndpoint,
)

admin.site.unregister(Group)
admin.site.unregister(Authenticator)  # a second factor is its owner's alone


class Readable:
    """Shows rows and refuses to add, change or delete them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


class Members(Readable, TabularInline):  # type: ignore[misc]
    """People of an organization."""

    model = Membership
    extra = 0
    fields = readonly_fields = ("user", "role", "created_at")


@admin.register(User)
class UserAdmin(ModelAdmin):  # type: ignore[misc]
    """People. Passwords and second factors are theirs alone."""

    list_display = ("email", "name", "is_staff", "is_active", "created_at", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("email", "name", "public_id")
    fields = (
        "public_id",
        "email",
        "name",
        "time_zone",
        "is_active",
        "is_staff",
        "is_superuser",
        "created_at",
        "last_login",
    )
    readonly_fields = ("public_id", "email", "created_at", "last_login")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """People sign up themselves."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are made inactive: their traces stay."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only a superuser makes staff."""
        own = ("is_staff", "is_superuser")
        return self.readonly_fields if request.user.is_superuser else (*self.readonly_fields, *own)


@admin.register(Organization)
class OrganizationAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Customer companies."""

    list_display = ("name", "public_id", "created_at", "data_retention_hours", "ordering_hold")
    search_fields = ("name", "public_id")
    fields = ("public_id", "name", "data_retention_hours", "created_at", "ordering_hold")
    inlines = (Members,)


@admin.register(SSHKey)
class SSHKeyAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Public keys."""

    list_display = ("name", "organization", "algorithm", "fingerprint", "created_at")
    list_select_related = ("organization",)
    search_fields = ("fingerprint", "public_id", "organization__name")


@admin.register(APIToken)
class APITokenAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """API tokens, without their digests."""

    list_display = ("name", "organization", "created_by", "prefix", "last4", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("organization", "created_by")
    search_fields = ("public_id", "name", "organization__name")
    exclude = ("digest",)


@admin.register(Event)
class EventAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """The append-only log."""

    list_display = ("at", "kind", "subject", "actor", "organization")
    list_select_related = ("organization",)
    search_fields = ("public_id", "subject", "actor", "kind")
    date_hierarchy = "at"
    show_full_result_count = False


@admin.register(Notice)
class NoticeAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """E-mails about events."""

    list_display = ("event", "recipient", "sent_at", "attempts")
    list_select_related = ("event",)
    search_fields = ("recipient",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Answers kept for retried API calls."""

    list_display = ("key", "organization", "actor", "status", "created_at")
    list_select_related = ("organization",)
    search_fields = ("key", "actor")
    exclude = ("body",)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Where customers are told of events, without the secrets."""

    list_display = ("url", "organization", "kinds", "disabled_reason", "failing_since", "created_at")
    list_select_related = ("organization",)
    list_filter = ("disabled_reason",)
    search_fields = ("public_id", "url", "organization__name")
    exclude = ("secret", "former_secret")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What was sent, and what came of it."""

    list_display = ("event", "endpoint", "state", "attempts", "status", "duration_ms", "attempted_at")
    list_select_related = ("event", "endpoint")
    list_filter = ("state",)
    search_fields = ("public_id", "endpoint__public_id", "event__public_id")
    show_full_result_count = False
