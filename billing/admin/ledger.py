"""The ledger, and whose wallet runs dry."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import Adjustment, Entry, LedgerAccount, Posting, Standing
from marketplace.money import format_micros


class EntryInline(Readable, TabularInline):  # type: ignore[misc]
    """A posting's entries."""

    model = Entry
    fields = ["account", "amount_micros", "balance_micros"]
    extra = 0


@admin.register(LedgerAccount)
class LedgerAccountAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What each organization has, has used, has paid and was given."""

    list_display = ["organization", "kind", dollars("balance_micros", "balance")]
    list_filter = ["kind"]
    search_fields = ["organization__name", "organization__public_id"]
    list_select_related = ["organization"]


@admin.register(Posting)
class PostingAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Every movement of money."""

    list_display = ["public_id", "at", "organization", "kind", "amount", "memo"]
    list_filter = ["kind", "at"]
    search_fields = ["public_id", "key", "memo", "organization__name", "lease__public_id", "payment__public_id"]
    list_select_related = ["organization"]
    inlines = [EntryInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Posting]:
        """With the entries that the amount is read from."""
        rows: QuerySet[Posting] = super().get_queryset(request)
        return rows.prefetch_related("entries__account")

    @admin.display(description="wallet")
    def amount(self, posting: Posting) -> str:
        """What it did to the wallet."""
        moved = [entry.amount_micros for entry in posting.entries.all() if entry.account.kind == "wallet"]
        return format_micros(sum(moved), places=6)


@admin.register(Standing)
class StandingAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Whose wallet runs dry."""

    list_display = ["organization", "level", "since"]
    list_filter = ["level"]
    search_fields = ["organization__name"]
    list_select_related = ["organization"]


@admin.register(Adjustment)
class AdjustmentAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What staff do by hand to money and credit, on which they work under /operations/adjustments/."""

    list_display = [
        "public_id", "organization", "kind", dollars("amount_micros", "amount"), "state", "asked_by", "decided_by",
    ]  # fmt: skip
    list_filter = ["kind", "state"]
    search_fields = ["public_id", "organization__name", "words"]
    list_select_related = ["organization", "asked_by", "decided_by"]
