"""Which movements of the wallet to read, and statements of them."""

from datetime import date, datetime, timedelta
from typing import Any

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.models import Entry, LineKind, Posting, PostingKind
from billing.queries.months import month_of
from billing.queries.statements import GROUPED_BY, WITHOUT
from billing.serializers.money import EntryShown
from marketplace.money import dollars

LONGEST = timedelta(days=366)


class LedgerFilter(StrictSerializer):
    """Which movements to list. Days are UTC."""

    lease = serializers.CharField(required=False, help_text="Such as ls_…")
    project = serializers.CharField(required=False, allow_blank=True, help_text="With this tag; empty: without one.")
    kind = serializers.ChoiceField(choices=PostingKind.choices, required=False)
    day = serializers.DateField(required=False, help_text="Only this day, such as 2026-03-02.")
    since = serializers.DateField(required=False, help_text="From the beginning of this day on.")
    until = serializers.DateField(required=False, help_text="Up to the beginning of this day.")
    without = serializers.ChoiceField(
        choices=[(name, name) for name in WITHOUT], required=False, help_text="Of no lease, or of none with a tag."
    )
    invoice = serializers.CharField(required=False, help_text="What this invoice bills, such as iv_…: its total.")
    line = serializers.ChoiceField(
        choices=LineKind.choices, required=False, help_text="What an invoice has on lines of this kind."
    )
    cursor = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)


def asked_of(query: Any, *, now: datetime) -> dict[str, str]:
    """What a query asks of a statement: this month so far, UTC, where it does not say."""
    usual = {"since": f"{month_of(now)}", "until": f"{now.date() + timedelta(days=1)}", "by": "lease"}
    return usual | {name: value for name, value in query.items() if value}


class StatementFilter(StrictSerializer):
    """Of which days, and how its movements are put together."""

    since = serializers.DateField(
        required=False, help_text="The first day, UTC, such as 2026-03-01; the first of this month if left out."
    )
    until = serializers.DateField(
        required=False,
        help_text="The day after the last one, such as 2026-04-01; 366 days later at most; tomorrow if left out.",
    )
    by = serializers.ChoiceField(choices=list(GROUPED_BY.items()), default="lease")

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """A span that runs forward, and is not too long."""
        since: date = values["since"]
        if not since < values["until"] <= since + LONGEST:
            words = f"Must be later than {since}, by 366 days at most. Ask for a longer time in parts."
            raise serializers.ValidationError({"until": [words]})
        return values


class GroupShown(serializers.Serializer[Any]):
    """The movements of one lease, project tag or day together."""

    key = serializers.CharField(help_text="Lease (ls_…), tag or day; empty for movements without one.")
    name = serializers.CharField()
    movements = serializers.IntegerField()
    in_micros = serializers.IntegerField()
    out_micros = serializers.IntegerField(help_text="Less than nothing.")
    net_micros = serializers.IntegerField()
    net_dollars = serializers.SerializerMethodField()

    def get_net_dollars(self, group: Any) -> str:
        """Exact, such as -0.060000."""
        return dollars(group.net_micros)


class StatementShown(serializers.Serializer[Any]):
    """From an opening balance to a closing one."""

    organization = serializers.CharField(source="organization.public_id")
    since = serializers.DateField()
    until = serializers.DateField(help_text="Excluded.")
    by = serializers.CharField()
    opening_micros = serializers.IntegerField()
    opening_dollars = serializers.SerializerMethodField()
    closing_micros = serializers.IntegerField()
    closing_dollars = serializers.SerializerMethodField()
    groups = GroupShown(many=True, help_text="Their net amounts sum to closing - opening.")

    def get_opening_dollars(self, found: Any) -> str:
        """Exact."""
        return dollars(found.opening_micros)

    def get_closing_dollars(self, found: Any) -> str:
        """Exact."""
        return dollars(found.closing_micros)


class PostingEntryShown(serializers.ModelSerializer[Entry]):
    """What a posting did to one account."""

    account = serializers.CharField(source="account.kind")

    class Meta:
        model = Entry
        fields = ["account", "amount_micros", "balance_micros"]
        read_only_fields = fields


class PostingShown(serializers.ModelSerializer[Posting]):
    """A movement whole: every account it touched, and its place in the organization's chain of hashes."""

    id = serializers.CharField(source="public_id", help_text="Such as le_…")
    lease = serializers.CharField(source="lease.public_id", allow_null=True, default=None)
    payment = serializers.CharField(source="payment.public_id", allow_null=True, default=None)
    entries = PostingEntryShown(many=True, help_text="They sum to zero.")
    number = serializers.IntegerField(source="link.number", help_text="From 1 on, without a gap.")
    hash = serializers.SerializerMethodField(help_text="SHA-256 of it and of the one before it, hexadecimal.")
    previous_hash = serializers.SerializerMethodField()

    class Meta:
        model = Posting
        fields = ["id", "kind", "at", "lease", "payment", "memo", "entries", "number", "hash", "previous_hash"]
        read_only_fields = fields

    def get_hash(self, posting: Posting) -> str:
        """In 64 digits."""
        return bytes(posting.link.hash).hex()

    def get_previous_hash(self, posting: Posting) -> str:
        """Of the posting before; zeros for the first."""
        return bytes(posting.link.previous_hash).hex()


class MovementExported(EntryShown):
    """A movement in an export: with the project, dollars, and its link."""

    project = serializers.CharField(source="posting.lease.project", default="")
    amount_dollars = serializers.SerializerMethodField()
    balance_dollars = serializers.SerializerMethodField()
    number = serializers.IntegerField(source="posting.link.number")
    hash = serializers.SerializerMethodField()

    class Meta(EntryShown.Meta):
        fields = [*EntryShown.Meta.fields, "project", "amount_dollars", "balance_dollars", "number", "hash"]
        read_only_fields = fields

    def get_amount_dollars(self, entry: Entry) -> str:
        """Exact."""
        return dollars(entry.amount_micros)

    def get_balance_dollars(self, entry: Entry) -> str:
        """Exact."""
        return dollars(entry.balance_micros)

    def get_hash(self, entry: Entry) -> str:
        """In 64 digits."""
        return bytes(entry.posting.link.hash).hex()
