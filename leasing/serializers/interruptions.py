"""Interruptions of a lease: what is announced, and what a tenant may answer."""

from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from leasing.models import Interruption, InterruptionCause
from leasing.queries.interruptions import more_left
from leasing.states import InterruptionState


class InterruptionShown(serializers.ModelSerializer[Interruption]):
    """A pause of a surplus lease for want of power. While it is paused nothing is charged."""

    id = serializers.CharField(source="public_id", help_text="Such as in_…")
    state = serializers.ChoiceField(choices=InterruptionState.choices)
    reason = serializers.CharField(help_text="Code of why it is in this state; empty where nothing is to be said.")
    cause = serializers.ChoiceField(choices=InterruptionCause.choices)
    noticed_at = serializers.DateTimeField(help_text="When you were told.")
    begins_at = serializers.DateTimeField(help_text="When the lease is paused, unless you are ready before.")
    ends_at = serializers.DateTimeField(help_text="When it is resumed at the latest.")
    more_seconds = serializers.IntegerField(help_text="By how much it begins later, as you asked.")
    more_seconds_left = serializers.SerializerMethodField(help_text="How much you may still ask for, once.")
    ready_at = serializers.DateTimeField(allow_null=True, help_text="When you said that you are ready.")
    paused_at = serializers.DateTimeField(allow_null=True, help_text="Null: the lease was not paused for it.")
    over_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is announced or goes on.")
    short_seconds = serializers.IntegerField(help_text="Of the notice that were left; credited for each node by rule.")

    class Meta:
        model = Interruption
        fields = [
            "id",
            "state",
            "reason",
            "cause",
            "noticed_at",
            "notice_seconds",
            "begins_at",
            "ends_at",
            "more_seconds",
            "more_seconds_left",
            "ready_at",
            "paused_at",
            "over_at",
            "short_seconds",
        ]
        read_only_fields = fields

    def get_more_seconds_left(self, row: Interruption) -> int:
        """By the terms of the lease, and by how long it is to last."""
        return more_left(row)


class MoreTime(StrictSerializer):
    """How much later an interruption shall begin."""

    seconds = serializers.IntegerField(min_value=1, help_text="At most `more_seconds_left`.")


class InterruptionAsked(StrictSerializer):
    """An interruption to be announced now."""

    begins_at = Moment(help_text="At least the notice of the lease's terms from now.")
    ends_at = Moment()
    cause = serializers.ChoiceField(choices=InterruptionCause.choices)
