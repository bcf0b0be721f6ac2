"""The operator's view of leases, where staff look and wipe again; and what is done to nodes from their list."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.access import operator_of
from accounts.admin import Readable
from accounts.clock import now
from accounts.models import IllegalMove, Stale, User
from accounts.operations import record
from leasing.models import (
    Approval,
    Claim,
    Enrolment,
    EnrolmentTransition,
    Inspection,
    Lease,
    LeaseKey,
    Machine,
    MachineTransition,
    NodeLimit,
    Transition,
    WipeRecord,
)
from leasing.operations import wipe_again
from leasing.operations.upkeep import REFUSALS, cordon, drain, quarantine, release_from_quarantine, uncordon
from leasing.tasks import nudge_sites
from marketplace.admin import NodeAdmin
from marketplace.models import Node
from marketplace.states import NodeState


class Keys(Readable, TabularInline):  # type: ignore[misc]
    """SSH keys of a lease."""

    model = LeaseKey
    extra = 0
    fields = ("name", "fingerprint")


class Machines(Readable, TabularInline):  # type: ignore[misc]
    """Machines of a lease."""

    model = Machine
    extra = 0
    show_change_link = True
    fields = readonly_fields = ("public_id", "node", "state", "step", "detail", "state_since", "deadline")


class Claims(Readable, TabularInline):  # type: ignore[misc]
    """Claims of a lease."""

    model = Claim
    extra = 0
    fields = ("node", "period", "released_at")


class Changes(Readable, TabularInline):  # type: ignore[misc]
    """Transitions of a lease."""

    model = Transition
    extra = 0
    fields = ("seq", "old", "new", "at", "reason", "actor")


class MachineChanges(Readable, TabularInline):  # type: ignore[misc]
    """Transitions of a machine."""

    model = MachineTransition
    extra = 0
    fields = Changes.fields


class Wipes(Readable, TabularInline):  # type: ignore[misc]
    """Wipe records of a machine."""

    model = WipeRecord
    extra = 0
    show_change_link = True
    fields = readonly_fields = ("public_id", "started_at", "completed_at", "method", "verified")


@admin.register(Lease)
class LeaseAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Leases, with everything that happened to them."""

    list_display = ("public_id", "name", "organization", "state", "reason", "site", "node_count", "starts_at")
    list_filter = ("state", "offer__plan", "offer__pool__provisioner", "offer__pool__site__region")
    list_select_related = ("organization", "offer__pool__site", "offer__pool__node_type", "offer__plan")
    search_fields = ("public_id", "name", "organization__name", "organization__public_id", "machines__node__name")
    date_hierarchy = "created_at"
    inlines = (Machines, Changes, Claims, Keys)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A link for whoever may use it."""
        return ("adjust",) if request.user.has_perm("billing.add_adjustment") else ()

    @admin.display(description="money")
    def adjust(self, lease: Lease) -> SafeString:
        """To the form that credits or debits its organization for it."""
        address, look = f"{reverse('adjustment_new')}?lease={lease.public_id}", "text-primary-600 dark:text-primary-500"
        return format_html('<a class="{}" href="{}">Credit or debit for it…</a>', look, address)

    @admin.display(ordering="offer__pool__site__slug")
    def site(self, lease: Lease) -> str:
        """Where its nodes stand."""
        return lease.offer.pool.site.slug


@admin.register(Machine)
class MachineAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Machines: what workers do on nodes, and what they said last."""

    list_display = ("public_id", "node", "lease", "state", "step", "detail", "attempts", "deadline", "work_until")
    list_filter = ("state", "node__pool__provisioner", "node__pool__site__region")
    list_select_related = ("node", "lease")
    search_fields = ("public_id", "lease__public_id", "node__name", "node__public_id")
    inlines = (MachineChanges, Wipes)
    actions = ("wipe_anew",)

    def has_wipe_permission(self, request: HttpRequest) -> bool:
        """Whoever may change machines, by a group or as superuser."""
        return bool(request.user.has_perm("leasing.change_machine"))

    @admin.action(description="Wipe again", permissions=["wipe"])
    def wipe_anew(self, request: HttpRequest, machines: QuerySet[Machine]) -> None:
        """Send machines whose wipe failed to be wiped once more."""
        assert isinstance(request.user, User)
        actor = request.user.actor
        for machine in machines.select_related("node", "lease__offer__plan"):
            try:
                wipe_again(machine=machine, actor=actor, now=now())
            except (IllegalMove, Stale):
                messages.error(request, f"{machine} was left alone: only one whose wipe failed can be wiped again.")
            else:
                messages.success(request, f"{machine} on {machine.node} is being wiped again.")
        transaction.on_commit(nudge_sites, robust=True)


@admin.register(Claim)
class ClaimAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """The calendar: which node is taken when, and for whom."""

    list_display = ("node", "begins", "ends", "lease", "released_at")
    list_filter = (("released_at", admin.EmptyFieldListFilter), "node__pool__site__region")
    list_select_related = ("node", "lease")
    search_fields = ("node__name", "node__public_id", "lease__public_id")

    @admin.display(ordering="period")
    def begins(self, claim: Claim) -> datetime | None:
        """From when the node is taken."""
        begins: datetime | None = claim.period.lower
        return begins

    @admin.display(description="ends, cleaning included")
    def ends(self, claim: Claim) -> datetime | None:
        """Until when the node is taken."""
        ends: datetime | None = claim.period.upper
        return ends


@admin.register(WipeRecord)
class WipeRecordAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Proofs that nothing of a tenant is left."""

    list_display = ("public_id", "node", "machine", "verified", "method", "started_at", "completed_at")
    list_filter = ("verified", "node__pool__provisioner")
    list_select_related = ("node", "machine")
    search_fields = ("public_id", "node__name", "machine__public_id", "machine__lease__public_id")
    date_hierarchy = "completed_at"


@admin.register(Transition)
class TransitionAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Every change of every lease's state."""

    list_display = ("at", "lease", "old", "new", "reason", "actor")
    list_filter = ("new", "reason")
    list_select_related = ("lease",)
    search_fields = ("lease__public_id", "actor")
    date_hierarchy = "at"


@admin.register(Approval)
class ApprovalAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Orders that need the operator's word. What can be done with one is on its page."""

    list_display = ("lease", "organization", "asked_at", "approved", "decided_at", "decided_by", "note", "page")
    list_filter = ("approved", ("decided_at", admin.EmptyFieldListFilter), "lease__offer__plan")
    list_select_related = ("lease__organization",)
    search_fields = ("lease__public_id", "lease__name", "lease__organization__name", "decided_by")
    date_hierarchy = "asked_at"

    @admin.display(ordering="lease__organization__name")
    def organization(self, approval: Approval) -> str:
        """Whose order it is."""
        return approval.lease.organization.name

    @admin.display(description="page")
    def page(self, approval: Approval) -> SafeString:
        """Where it is decided."""
        return format_html('<a href="{}">Open</a>', reverse("approval", args=[approval.lease.public_id]))


@admin.register(NodeLimit)
class NodeLimitAdmin(ModelAdmin):  # type: ignore[misc]
    """How many nodes an organization may have at once, where its plan's terms should not decide."""

    list_display = ("organization", "plan", "nodes", "reason")
    list_select_related = ("organization", "plan")
    search_fields = ("organization__name", "organization__public_id", "reason")
    autocomplete_fields = ("organization", "plan")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Whose it is stays."""
        return ("organization", "plan") if obj else ()

    def save_model(self, request: HttpRequest, obj: NodeLimit, form: Any, change: Any) -> None:
        """Written down in the organization's events."""
        super().save_model(request, obj, form, change)
        _record_limit(obj, "set", request)

    def delete_model(self, request: HttpRequest, obj: NodeLimit) -> None:
        """Written down, too."""
        _record_limit(obj, "removed", request)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[NodeLimit]) -> None:
        """One by one, each written down."""
        for limit in queryset:
            self.delete_model(request, limit)


def _record_limit(limit: NodeLimit, what: str, request: HttpRequest) -> None:
    plan = limit.plan.slug if limit.plan else ""
    record(
        organization=limit.organization,
        kind=f"organization.node_limit_{what}",
        subject=limit.organization.public_id,
        actor=operator_of(request),
        at=now(),
        data={"plan": plan, "nodes": limit.nodes},
    )


class EnrolmentChanges(Readable, TabularInline):  # type: ignore[misc]
    """Transitions of an enrolment."""

    model = EnrolmentTransition
    extra = 0
    fields = Changes.fields


@admin.register(Enrolment)
class EnrolmentAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Hosts on their way to becoming nodes. What can be done with one is on its page."""

    list_display = ("public_id", "name", "site", "state", "reason", "step", "detail", "created_at", "page")
    list_filter = ("state", "reason", "provisioner", "site__region")
    list_select_related = ("site",)
    search_fields = ("public_id", "name", "address", "node__public_id")
    date_hierarchy = "created_at"
    inlines = (EnrolmentChanges,)

    @admin.display(description="page")
    def page(self, enrolment: Enrolment) -> SafeString:
        """Where it is shown as it goes on."""
        return format_html('<a href="{}">Open</a>', reverse("enrolment", args=[enrolment.public_id]))


@admin.register(Inspection)
class InspectionAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What hosts were made of, and what they reached."""

    list_display = ("at", "node", "enrolment", "passed")
    list_filter = ("passed", "enrolment__site__region")
    list_select_related = ("node", "enrolment")
    search_fields = ("node__name", "node__public_id", "enrolment__public_id")
    date_hierarchy = "at"


class WithReason(ActionForm):  # type: ignore[misc]
    """Which action, and why."""

    reason = forms.CharField(
        label="",
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Why", "aria-label": "Why"}),
    )


admin.site.unregister(Node)


@admin.register(Node)
class FleetAdmin(NodeAdmin):
    """Nodes, with what staff does to several at once. All else is on the page of each, under Fleet."""

    action_form = WithReason
    actions = ("cordon_nodes", "uncordon_nodes", "drain_nodes", "quarantine_nodes", "verify")

    def has_verify_permission(self, request: HttpRequest) -> bool:
        """Whoever may enrol hosts."""
        return bool(request.user.has_perm("leasing.add_enrolment"))

    def get_view_on_site_url(self, obj: Node | None = None) -> str | None:
        """The node's page under Fleet."""
        return reverse("fleet_node", args=[obj.public_id]) if obj else None

    @admin.action(description="Cordon: no new lease", permissions=["change"])
    def cordon_nodes(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        """Offer them no more."""
        self._do(request, nodes, cordon, "is cordoned.", reason=True)

    @admin.action(description="Uncordon", permissions=["change"])
    def uncordon_nodes(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        """Offer them again."""
        self._do(request, nodes, uncordon, "is not cordoned.")

    @admin.action(description="Drain, then maintenance", permissions=["change"])
    def drain_nodes(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        """Take them out of stock after their last tenants."""
        self._do(request, nodes, drain, "is being drained.", reason=True, to=NodeState.MAINTENANCE)

    @admin.action(description="Quarantine", permissions=["change"])
    def quarantine_nodes(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        """Take them out of stock at once."""
        self._do(request, nodes, quarantine, "is quarantined.", reason=True)

    @admin.action(description="Verify again", permissions=["verify"])
    def verify(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        """Let them prove themselves again."""
        self._do(request, nodes, release_from_quarantine, "is being verified.")
        transaction.on_commit(nudge_sites, robust=True)

    def _do(
        self,
        request: HttpRequest,
        nodes: QuerySet[Node],
        act: Callable[..., Any],
        done: str,
        *,
        reason: bool = False,
        **wanted: Any,
    ) -> None:
        why = request.POST.get("reason", "").strip()
        if reason and not why:
            messages.error(request, "Say why, in the field beside the action. Nothing was done.")
            return
        words = {"reason": why[:200]} if reason else {}
        for node in nodes.order_by("pk"):
            try:
                act(node=node, actor=operator_of(request), now=now(), **words, **wanted)
            except REFUSALS as refused:
                messages.error(request, f"{node} was left alone: {refused}")
            else:
                messages.success(request, f"{node} {done}")
