"""What is sold and for how much. A price is never edited: a new rate supersedes it from its start on."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.forms import model_to_dict
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline

from accounts.access import operator_of
from accounts.clock import now
from marketplace.admin.rules import Fixed, Kept, Referenced, SetOnce
from marketplace.forms import NewRate, NewTerms
from marketplace.models import Offer, Plan, PlanAccess, Rate, Terms
from marketplace.money import format_micros
from marketplace.operations import announce
from marketplace.queries import rates_for


class Access(TabularInline):  # type: ignore[misc]
    """Who may lease on a private plan."""

    model = PlanAccess
    autocomplete_fields = ("organization",)
    extra = 0
    hide_title = True


@admin.register(Plan)
class PlanAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """Ways to lease; their terms are rows of their own."""

    list_display = ("name", "kind", "private", "position")
    list_filter = ("kind", "private")
    search_fields = ("slug", "name")
    set_once = ("slug", "kind")
    readonly_fields = ("new_terms",)
    inlines = (Access,)

    @admin.display(description="terms")
    def new_terms(self, plan: Plan) -> str:
        """The way to announce others, filled in as the newest are."""
        if not plan.pk:
            return "Announce its first terms once the plan is saved."
        address = f"{reverse('admin:marketplace_terms_add')}?plan={plan.pk}"
        return format_html(
            '<a class="text-primary-600 underline" href="{}">Announce new terms, filled in as the newest are</a>',
            address,
        )


@admin.register(Terms)
class TermsAdmin(Fixed, ModelAdmin):  # type: ignore[misc]
    """Terms are announced, hold from their start on for what is ordered then, and are never edited."""

    form = NewTerms
    list_display = ("plan", "starts_at", "announced_at", "min_seconds", "max_seconds", "cleaning_seconds")
    list_filter = ("plan",)
    list_select_related = ("plan",)
    ordering = ("plan", "-starts_at")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Plan and start first."""
        rest = [field.name for field in Terms._meta.fields if field.name not in {"id", "plan", "starts_at"}]
        return ["plan", "starts_at", *(name for name in rest if obj or name != "announced_at")]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The newest terms of the plan that the address names: what is announced is mostly like them."""
        plan = request.GET.get("plan", "")
        newest = Terms.objects.filter(plan=int(plan)).order_by("-starts_at").first() if plan.isdecimal() else None
        return model_to_dict(newest, exclude=["starts_at"]) if newest else {}

    def save_model(self, request: HttpRequest, obj: Terms, form: NewTerms, change: bool) -> None:  # noqa: FBT001
        """Announce them."""
        obj.pk = announce(
            plan=obj.plan,
            fields=form.columns(),
            starts_at=obj.starts_at,
            actor=operator_of(request),
            now=obj.announced_at,
        ).pk


class Rates(Fixed, TabularInline):  # type: ignore[misc]
    """An offer's prices, latest first."""

    model = Rate
    form = NewRate
    fields = ("price", "dollars", "organization", "starts_at")
    autocomplete_fields = ("organization",)
    readonly_fields = ("price",)
    ordering = ("-starts_at",)
    extra = 1
    hide_title = True

    @admin.display(description="price")
    def price(self, rate: Rate) -> str:
        """The price of a rate that exists."""
        return per_node_hour(rate.micros_per_node_hour)


@admin.register(Offer)
class OfferAdmin(Kept, SetOnce, ModelAdmin):  # type: ignore[misc]
    """Nodes of one pool on one plan."""

    list_display = ("pool", "plan", "price", "listed", "public_id")
    list_editable = ("listed",)
    list_filter = (
        "plan",
        "listed",
        "pool__provisioner",
        "pool__site__region",
        "pool__node_type__gpu_model",
        "pool__site",
    )
    list_select_related = ("pool__site", "pool__node_type", "plan")
    search_fields = ("public_id", "pool__site__slug", "pool__site__name", "pool__node_type__slug")
    autocomplete_fields = ("pool", "plan")
    ordering = ("pool__site__slug", "pool__node_type__slug", "plan__position")
    readonly_fields = ("public_id",)
    set_once = ("pool", "plan")
    inlines = (Rates,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Offer]:
        """With the price in force."""
        found: QuerySet[Offer] = super().get_queryset(request)
        in_force = rates_for(None).filter(offer=OuterRef("pk"), starts_at__lte=now()).order_by("-starts_at")
        return found.annotate(micros=Subquery(in_force.values("micros_per_node_hour")[:1]))

    @admin.display(description="price now", ordering="micros")
    def price(self, offer: Offer) -> str:
        """The price in force."""
        return per_node_hour(getattr(offer, "micros", None))


@admin.register(Rate)
class RateAdmin(Fixed, ModelAdmin):  # type: ignore[misc]
    """Every price that there was, is and will be."""

    form = NewRate
    list_display = ("offer", "price", "organization", "starts_at")
    list_filter = (
        ("organization", admin.EmptyFieldListFilter),
        "offer__plan",
        "offer__pool__node_type",
        "offer__pool__site",
    )
    list_select_related = ("organization", "offer__pool__site", "offer__pool__node_type", "offer__plan")
    search_fields = (
        "offer__public_id",
        "offer__pool__site__slug",
        "offer__pool__node_type__slug",
        "organization__name",
        "organization__public_id",
    )
    autocomplete_fields = ("offer", "organization")
    ordering = ("-starts_at", "offer")
    date_hierarchy = "starts_at"
    show_full_result_count = False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """The price as dollars, to fill in or to read."""
        return ("offer", "organization", "price" if obj else "dollars", "starts_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """All of a rate that exists."""
        return ("offer", "organization", "price", "starts_at") if obj else ()

    @admin.display(description="price", ordering="micros_per_node_hour")
    def price(self, rate: Rate) -> str:
        """Its price."""
        return per_node_hour(rate.micros_per_node_hour)


def per_node_hour(micros: int | None) -> str:
    """A price for people, to its last digit; a dash for none."""
    if micros is None:
        return "–"
    dollars, _, rest = format_micros(micros, places=6).partition(".")
    return f"{dollars}.{rest.rstrip('0'):0<2} per node-hour"
