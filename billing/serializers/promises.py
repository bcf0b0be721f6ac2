"""The rules by which broken promises are credited, and what was."""

from typing import Any

from rest_framework import serializers

from billing.models import CreditRule, RuleCredit


class RuleShown(serializers.ModelSerializer[CreditRule]):
    """
    What is credited when a promise is not kept: `percent` of the price of that time, from `from_seconds` of it on; all
    credits of a UTC month together are at most `most_percent` of what the lease costs in it.
    """

    id = serializers.IntegerField(source="pk", help_text="The version: what was credited names it.")

    class Meta:
        model = CreditRule
        fields = ["id", "kind", "announced_at", "starts_at", "from_seconds", "percent", "most_percent"]
        read_only_fields = fields


class RulesShown(serializers.Serializer[Any]):
    """For leases that are ordered now, and for those ordered later. A lease keeps those that held when it was."""

    in_force = RuleShown(many=True)
    announced = RuleShown(many=True)


class RuleCreditShown(serializers.ModelSerializer[RuleCredit]):
    """One posting for one broken promise. A later one for the same fact is a correction, signed."""

    id = serializers.CharField(source="posting.public_id", help_text="The movement in the ledger, such as le_…")
    at = serializers.DateTimeField(source="posting.at", help_text="When it was credited.")
    promise = serializers.CharField(source="rule.kind")
    rule = serializers.IntegerField(source="rule_id", help_text="By which version of the rule.")
    outage = serializers.CharField(source="outage.public_id", allow_null=True, default=None)
    node_seconds = serializers.IntegerField(help_text="Of the broken promise, as known by then.")

    class Meta:
        model = RuleCredit
        fields = ["id", "at", "promise", "rule", "outage", "fact_at", "node_seconds", "micros"]
        read_only_fields = fields
