"""Quotes and orders; leases as their tenant sees them, with what they cost."""

import functools
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, CharField, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.clock import Instant, now
from accounts.http.idempotency import idempotent
from accounts.http.problems import bad_field
from accounts.http.throttles import Launches, Reads
from accounts.http.views import OrganizationView
from accounts.models import Given, Organization, SSHKey, Statement, selected
from accounts.serializers import filters
from billing import checkout, keeping, quotes
from billing.api import problems
from billing.models import Quote
from billing.queries import just_ordered, priced_leases
from billing.queries.intervals import intervals
from billing.receipts import receipt
from billing.serializers import (
    LeaseFilter,
    NewLease,
    NewQuote,
    PricedLease,
    QuoteShown,
    ReceiptShown,
    UsageShown,
    priced,
)
from billing.serializers.intervals import IntervalFilter, IntervalsShown
from leasing.models import Lease
from leasing.operations import NodesTaken, Setup
from leasing.states import LeaseState
from leasing.tasks import nudge_sites
from marketplace.models import Image, Offer
from marketplace.queries import listed_offers


class Quotes(ListModelMixin, OrganizationView):
    """Prices that are kept for ten minutes."""

    queryset = Quote.objects.select_related("offer", "lease")
    serializer_class = QuoteShown
    required = {"GET": "lease:read", "POST": "lease:write"}

    @extend_schema(operation_id="quotes_list", summary="List quotes")
    def get(self, request: Request) -> Response:
        """Every quote, used and expired ones too, newest first."""
        return self.list(request)

    @extend_schema(
        operation_id="quotes_create", summary="Ask for a price", request=NewQuote, responses={201: QuoteShown}
    )
    def post(self, request: Request) -> Response:
        """Price nodes of an offer. The price is kept until `expires_at`; nothing is owed yet.

        409 `power_taken` where their site has not enough firm power left, as the order would be answered.

        With `hold` its nodes are kept too, until `holds_until`: 409 `nodes_taken` where they are not free, or
        `nodes_scattered`, as for an order. A hold that lapses unused is followed by a pause as long: 409 `held_lately`,
        with `again_at`. Who may not order holds nothing either: 403 `ordering_blocked`, 409 `node_limit_reached`.
        Orders need no hold.
        """
        wanted = NewQuote(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        offer = listed_offers(self.principal.organization).filter(public_id=values.pop("offer")).first()
        if offer is None:
            raise bad_field("offer", "There is no such offer. GET offers lists those that are for sale.")
        return Response(QuoteShown(self._made(offer, now(), **values)).data, status=201)

    @transaction.atomic
    def _made(self, offer: Offer, moment: datetime, *, hold: bool, **values: Any) -> Quote:
        """The quote, holding its nodes if wanted; or a refusal, and none."""
        try:
            made = checkout.quote(organization=self.principal.organization, offer=offer, now=moment, **values)
            return keeping.hold_nodes(quote=made, now=moment) if hold else made
        except checkout.QuoteRefused as refusal:
            raise bad_field(refusal.field, refusal.message) from refusal
        except keeping.HeldLately as refusal:
            raise problems.held_lately(refusal) from refusal
        except checkout.CAPS as refusal:
            raise problems.capped(refusal) from refusal
        except keeping.CannotHold as refusal:
            raise bad_field("hold", str(refusal)) from refusal
        except NodesTaken as error:
            raise problems.nodes_taken(error) from error


class OneQuote(OrganizationView):
    """One quote."""

    queryset = Quote.objects.select_related("offer", "lease")
    serializer_class = QuoteShown
    required = {"GET": "lease:read"}

    @extend_schema(operation_id="quotes_get", summary="Show a quote")
    def get(self, request: Request, id: str) -> Response:
        """One quote."""
        return Response(QuoteShown(self.get_object()).data)


class LeaseView(OrganizationView):
    """Leases of the caller's organization, with their money."""

    queryset = Lease.objects.all()
    serializer_class: type[BaseSerializer[Any]] = PricedLease
    required = {"GET": "lease:read"}

    def get_queryset(self) -> QuerySet[Any]:
        """The organization's leases with all that is shown of them."""
        return priced_leases(organization=self.principal.organization)

    def get_serializer_context(self) -> dict[str, Any]:
        """Costs are those of this moment."""
        return {**super().get_serializer_context(), "now": now()}


class Leases(ListModelMixin, LeaseView):
    """The organization's leases."""

    throttle_classes = [Reads, Launches]  # an order counts as a launch, and not as any other call besides
    required = {"GET": "lease:read", "POST": "lease:write"}

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of one project, if one is named."""
        wanted = filters(LeaseFilter, self.request.query_params)
        return queryset.filter(project=wanted["project"]) if "project" in wanted else queryset

    @extend_schema(operation_id="leases_list", summary="List leases", parameters=[LeaseFilter])
    def get(self, request: Request) -> Response:
        """Every lease, over ones too, newest first; with `project` those that have this tag."""
        return self.list(request)

    @extend_schema(operation_id="leases_create", summary="Order", request=NewLease, responses={201: PricedLease})
    @idempotent
    def post(self, request: Request) -> Response:
        """Turn a quote into a lease: nodes and money are kept for it together, or nothing happens.

        On a plan that requires approval it stays `held` until the operator decides; see `approval`.

        402 `insufficient_funds` and `budget_exceeded`, 409 `nodes_taken` with the next free windows, `nodes_scattered`
        with those in one fabric group where as many are free but not in one, `power_taken` where the site has sold its
        firm power, `node_limit_reached` and `quote_used`, 410 `quote_expired`, 403 `ordering_blocked`, 429 for too many
        orders a minute.
        """
        values = NEW_LEASE.run_validation(request.data)
        setup = setup_of(self.principal.organization, values)
        moment: datetime = selected(setup.image, "read_at")
        lease = self._placed(values["quote"], setup, moment)
        if lease.state == LeaseState.PROVISIONING:
            transaction.on_commit(nudge_sites, robust=True)
        shown = just_ordered(lease=lease, admits=setup.ssh_keys)
        return Response(priced(shown, now=moment), status=201)

    def _placed(self, quote: str, setup: Setup, moment: datetime) -> Lease:
        """The lease, or why there is none as a problem."""
        try:
            return checkout.place(
                organization=self.principal.organization,
                actor=self.principal.actor,
                created_by=self.principal.user,
                quote=quote,
                setup=setup,
                now=moment,
            )
        except Quote.DoesNotExist as error:
            raise bad_field("quote", "There is no such quote. POST quotes makes one.") from error
        except checkout.InsufficientFunds as error:
            raise problems.insufficient_funds(error, self.principal.organization) from error
        except checkout.CAPS as error:
            raise problems.capped(error) from error
        except NodesTaken as error:
            raise problems.nodes_taken(error) from error
        except quotes.QuoteUsed as error:
            raise problems.quote_used(error) from error
        except quotes.QuoteExpired as error:
            raise problems.quote_expired(error) from error


def setup_of(own: Organization, values: dict[str, Any]) -> Setup:
    """What an organization wants to find on its nodes. Raises ValidationError, naming the field."""
    wanted = {f"key{number}": key for number, key in enumerate(values["ssh_keys"])}
    keys = _keys(len(wanted)).rows(organization=own.pk, **wanted)
    image = IMAGE.first(slug=values["image"])
    missing = sorted(set(values["ssh_keys"]) - {key.public_id for key in keys})
    if missing:
        raise bad_field("ssh_keys", f"There is no SSH key {missing[0]}. GET ssh-keys lists yours.")
    if image is None:
        raise bad_field("image", "There is no such image. GET images lists them.")
    return Setup(
        name=values["name"],
        project=values.get("project", ""),
        ssh_keys=keys,
        image=image,
        startup_script=values["startup_script"],
        environment=values["environment"],
        on_failure=values["on_failure"],
    )


NEW_LEASE = NewLease()  # it keeps nothing of what it validates, and making it costs more than using it
OWN = Given("organization", BigIntegerField())
IMAGE = Statement(lambda: Image.objects.filter(slug=Given("slug", CharField())).annotate(read_at=Instant()))


@functools.cache
def _keys(count: int) -> Statement[SSHKey]:
    given = [Given(f"key{number}", CharField()) for number in range(count)]
    return Statement(lambda: SSHKey.objects.filter(organization=OWN, public_id__in=given))


class OneLease(LeaseView):
    """One lease."""

    @extend_schema(operation_id="leases_get", summary="Show a lease")
    def get(self, request: Request, id: str) -> Response:
        """State, machines with their SSH addresses, and what it costs up to now."""
        return Response(self.get_serializer(self.get_object()).data)


class LeaseUsage(LeaseView):
    """The metered slices of a lease."""

    serializer_class = UsageShown
    ordering = ("from_at", "pk")

    @extend_schema(operation_id="leases_usage", summary="List a lease's usage", responses=UsageShown(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What was charged, oldest first: each UTC hour once it is full, and the rest when the lease is over.

        For what that time was, free time included, see `leases/{id}/intervals`.
        """
        page = self.paginate_queryset(self.get_object().usage.select_related("corrects"))
        return self.get_paginated_response(UsageShown(page, many=True).data)


class LeaseIntervals(LeaseView):
    """The life of a lease as intervals."""

    serializer_class = IntervalsShown

    @extend_schema(operation_id="leases_intervals", summary="List a lease's intervals", parameters=[IntervalFilter])
    def get(self, request: Request, id: str) -> Response:
        """
        What its nodes did, in two streams: `allocation`, kept for the lease until they are free again, and
        `consumption`, serving, which is what is charged. Free time says why it is free.
        """
        wanted = filters(IntervalFilter, request.query_params)
        return Response(IntervalsShown(intervals(lease=self.get_object(), at=now()), context=wanted).data)


class LeaseReceipt(LeaseView):
    """The receipt of a lease."""

    serializer_class = ReceiptShown

    @extend_schema(operation_id="leases_receipt", summary="Show a lease's receipt")
    def get(self, request: Request, id: str) -> Response:
        """What it costs up to now, and why; `final` once the lease is over."""
        return Response(ReceiptShown(receipt(lease=self.get_object(), now=now())).data)
