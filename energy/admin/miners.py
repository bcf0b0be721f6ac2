"""Miners and their classes. What is wanted and read of a miner is written by those who do it, never typed in here."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from energy.models import Miner, MinerClass, Outcome
from marketplace.admin.rules import Referenced, SetOnce

TONES = {
    Outcome.OBEYED: "success",
    Outcome.REFUSED: "warning",
    Outcome.UNREACHABLE: "warning",
    Outcome.LIED: "danger",
}


@admin.register(MinerClass)
class MinerClassAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """Models of miners with their firmware."""

    list_display = ("name", "slug", "dialect", "watts", "standby_watts", "joules_per_terahash", "minimum_on_seconds")
    list_filter = ("dialect",)
    search_fields = ("slug", "name")
    set_once = ("slug",)


@admin.register(Miner)
class MinerAdmin(Referenced, ModelAdmin):  # type: ignore[misc]
    """Machines. They come by `manage.py import_miners`; a password is entered there, too."""

    list_display = ("name", "site", "miner_class", "wanted", "since", "verdict", "load_watts", "load_source", "read_at")
    list_filter = ("outcome", "asleep", "controlled", "miner_class", "site")
    list_select_related = ("site", "miner_class")
    search_fields = ("name", "address", "site__slug")
    fields = (
        "name", "site", "miner_class", "address", "port", "user", "controlled", "meter", "asleep", "since", "epoch",
        "outcome", "detail", "read_asleep", "load_watts", "load_source", "read_terahashes", "read_at",
    )  # fmt: skip
    readonly_fields = (
        "name", "site", "miner_class", "address", "port", "asleep", "since", "epoch", "outcome", "detail",
        "read_asleep", "load_watts", "load_source", "read_terahashes", "read_at",
    )  # fmt: skip
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: fleets are imported."""
        return False

    @admin.display(ordering="asleep")
    def wanted(self, miner: Miner) -> str:
        """What is wanted of it."""
        return "asleep" if miner.asleep else "awake"

    @display(description="outcome", ordering="outcome", label=TONES)  # type: ignore[untyped-decorator]
    def verdict(self, miner: Miner) -> tuple[str, str]:
        """What came of it, as a badge."""
        return miner.outcome, Outcome(miner.outcome).name.lower() if miner.outcome else "not read yet"
