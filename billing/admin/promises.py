"""The rules of credits, and what was credited by them. Rules are announced by `manage load_promises`."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import CreditRule, RuleCredit


@admin.register(CreditRule)
class CreditRuleAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Each version of each rule."""

    list_display = ["kind", "starts_at", "announced_at", "from_seconds", "percent", "most_percent"]
    list_filter = ["kind"]
    search_fields = ["kind"]


@admin.register(RuleCredit)
class RuleCreditAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What was credited, by which rule, for what."""

    list_display = ["lease", "rule", "fact_at", "node_seconds", dollars("micros", "credited"), "outage"]
    list_filter = ["rule__kind"]
    search_fields = ["lease__public_id", "lease__name", "lease__organization__name", "posting__public_id"]
    list_select_related = ["lease", "rule", "outage"]
