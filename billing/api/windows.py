"""A lease that grows or moves: how far it can go, at which price, and doing it."""

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import bad_field
from billing import extending, moving
from billing.api import problems
from billing.api.orders import LeaseView
from billing.checkout import CAPS, InsufficientFunds
from billing.models import Quote
from billing.quotes import QuoteExpired, QuoteUsed
from billing.serializers import PricedLease
from leasing.models import Lease
from leasing.operations import BookedBehind, NodesTaken, WindowRefused
from leasing.queries.extension import why_not_now
from leasing.serializers.windows import AutoExtend, ExtensionShown, NewEnd, NewWindow, WishedEnd
from leasing.tasks import nudge_sites


class WindowView(LeaseView):
    """Changes of a lease's window."""

    def shown(self, lease: Lease) -> Response:
        """The lease as it is now; hosts are told within seconds."""
        transaction.on_commit(nudge_sites, robust=True)
        return Response(self.get_serializer(self.get_queryset().get(pk=lease.pk)).data)


class Extension(LeaseView):
    """What an extension would be."""

    serializer_class = ExtensionShown

    @extend_schema(
        operation_id="leases_extension",
        summary="Show how far a lease can be extended, and at which price",
        parameters=[WishedEnd],
        responses=ExtensionShown,
    )
    def get(self, request: Request, id: str) -> Response:
        """The furthest end on the same nodes and why no further; with `ends_at`, the price of the time until then.

        409 `window_fixed` where the lease cannot be extended now.
        """
        wanted = WishedEnd(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        lease, moment = extending.extendable().get(pk=self.get_object().pk), now()
        try:
            if refusal := why_not_now(lease, now=moment):
                raise WindowRefused(refusal)
            ends_at = wanted.validated_data.get("ends_at")
            price = extending.price(lease=lease, ends_at=ends_at, now=moment) if ends_at else None
        except WindowRefused as error:
            raise problems.window_refused(error) from error
        found = extending.ahead(lease=lease, now=moment).reach
        answer = {
            "ends_at": lease.ends_at,
            "furthest_ends_at": found.ends_at,
            "why_not_further": found.why,
            "behind": found.behind,
            "price": price,
        }
        return Response(ExtensionShown(answer).data)


class Extend(WindowView):
    """More time."""

    required = {"POST": "lease:write"}

    @extend_schema(operation_id="leases_extend", summary="Extend a lease", request=NewEnd, responses=PricedLease)
    def post(self, request: Request, id: str) -> Response:
        """Let a reserved lease go on until `ends_at` on the machines that it has; asked for until its last second.

        The added time costs the rate in force, and is kept aside in the wallet. Quotes of yours that hold these
        machines then, on whichever plan, are no obstacle, and hold nothing any more. A retry changes nothing. 402
        `insufficient_funds` and `budget_exceeded`, 409 `booked_behind` and `power_taken` with the furthest end,
        `price_too_high`, `node_limit_reached` and `window_fixed`, 403 `ordering_blocked`.
        """
        lease = self.get_object()
        wanted = NewEnd(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            extending.extend(lease=lease, actor=self.principal.actor, now=now(), **wanted.validated_data)
        except WindowRefused as error:
            raise problems.window_refused(error) from error
        except BookedBehind as error:
            raise problems.booked_behind(error) from error
        except NodesTaken as error:
            raise problems.nodes_taken(error) from error
        except extending.PriceTooHigh as error:
            raise problems.price_too_high(error) from error
        except InsufficientFunds as error:
            raise problems.insufficient_funds(error, self.principal.organization) from error
        except CAPS as error:
            raise problems.capped(error) from error
        return self.shown(lease)


class AutoExtension(WindowView):
    """Extensions that nobody has to ask for."""

    required = {"POST": "lease:write"}

    @extend_schema(
        operation_id="leases_auto_extend",
        summary="Let a lease extend itself",
        request=AutoExtend,
        responses=PricedLease,
    )
    def post(self, request: Request, id: str) -> Response:
        """Extend it by `seconds` an hour before each end (before the last moment for it, where its terms set one).

        While a node-hour costs `max_micros_per_node_hour` at most, the wallet has the money and the nodes are free. You
        are told when it could not be, and why. Null for both turns it off. 409 `window_fixed` where the lease cannot be
        extended any more.
        """
        lease = self.get_object()
        wanted = AutoExtend(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            extending.extend_itself(lease=lease, actor=self.principal.actor, now=now(), **wanted.validated_data)
        except WindowRefused as error:
            raise problems.window_refused(error) from error
        return self.shown(lease)


class Move(WindowView):
    """Another window, or another offer."""

    required = {"POST": "lease:write"}

    @extend_schema(operation_id="leases_move", summary="Move a lease", request=NewWindow, responses=PricedLease)
    def post(self, request: Request, id: str) -> Response:
        """Move an agreed lease before its start to the window, offer and price of a quote, or change nothing.

        POST quotes for as many nodes first, with its `same_fabric`; the difference in price is kept aside or free
        again. It can be moved for as long as cancelling it costs nothing. A retry changes nothing.

        402 `insufficient_funds` and `budget_exceeded`, 409 `nodes_taken`, `nodes_scattered`, `power_taken`,
        `node_limit_reached`, `quote_used` and `window_fixed`, 410 `quote_expired`, 403 `ordering_blocked`.
        """
        lease = self.get_object()
        wanted = NewWindow(data=request.data)
        wanted.is_valid(raise_exception=True)
        own = Quote.objects.filter(organization=self.principal.organization)
        quote = own.filter(public_id=wanted.validated_data["quote"]).first()
        if quote is None:
            raise bad_field("quote", "There is no such quote. POST quotes makes one.")
        try:
            moving.move(lease=lease, quote=quote, actor=self.principal.actor, now=now())
        except WindowRefused as error:
            raise problems.window_refused(error) from error
        except InsufficientFunds as error:
            raise problems.insufficient_funds(error, self.principal.organization) from error
        except CAPS as error:
            raise problems.capped(error) from error
        except NodesTaken as error:
            raise problems.nodes_taken(error) from error
        except QuoteUsed as error:
            raise problems.quote_used(error) from error
        except QuoteExpired as error:
            raise problems.quote_expired(error) from error
        return self.shown(lease)
