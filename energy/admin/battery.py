"""What batteries are told through. What is wanted and read is written by those who do it, never typed in here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.access import operator_of
from accounts.clock import now
from energy import operations
from energy.admin.miners import TONES
from energy.forms import BatteryDriver
from energy.models import Inverter, Outcome
from marketplace.admin.rules import Referenced, SetOnce

READ = (
    "wanted_watts", "wanted_until", "outcome", "detail", "most_given", "most_taken", "read_at",
)  # fmt: skip


@admin.register(Inverter)
class InverterAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """One for a site. It is looked at within a minute; what it answered is below."""

    form = BatteryDriver
    list_display = ("site", "dialect", "address", "port", "controlled", "verdict", "detail", "read_at")
    list_filter = ("outcome", "controlled", "site")
    list_select_related = ("site",)
    search_fields = ("site__slug", "site__name", "address")
    autocomplete_fields = ("site",)
    fields = ("site", "dialect", "address", "port", "unit", "controlled", *READ)
    readonly_fields = READ
    set_once = ("site",)
    ordering = ("site__slug",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """As the API does it."""
        operations.connect(inverter=obj, changed=form.changed_data, actor=operator_of(request), now=now())

    @display(description="outcome", ordering="outcome", label=TONES)  # type: ignore[untyped-decorator]
    def verdict(self, row: Inverter) -> tuple[str, str]:
        """What came of it, as a badge."""
        return row.outcome, Outcome(row.outcome).name.lower() if row.outcome else "not read yet"
