"""Offers: search, one of them, and when its nodes are free."""

from datetime import datetime
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_of
from accounts.clock import now
from marketplace.api.pages import Ranked
from marketplace.models import Rate
from marketplace.queries import bookable_windows, find, free_windows, listed_offers, offer_row, terms_of
from marketplace.serializers import Availability, OfferFilter, OfferShown, WindowsAsked, WindowsShown, listing


def asked_by(request: Request, instant: datetime) -> dict[str, Any]:
    """What a question depends on besides its parameters."""
    return {"now": instant, "organization": organization_of(request)}


class Offers(GenericAPIView[Any]):
    """What can be leased."""

    permission_classes = [AllowAny]
    pagination_class = Ranked
    serializer_class = OfferShown

    @extend_schema(
        operation_id="offers_list",
        summary="Search offers",
        parameters=[OfferFilter],
        responses=OfferShown(many=True),
    )
    def get(self, request: Request) -> Response:
        """Offers that match, those with enough free nodes for the whole period first, then the cheapest per GPU.

        With a token or a session, the private plans and prices of its organization count too. Left out are offers that
        could never serve: too few nodes, or a plan that does not allow the period (on-demand leases start now).
        """
        instant = now()
        asked = OfferFilter(data=request.query_params, context=asked_by(request, instant))
        asked.is_valid(raise_exception=True)
        criteria = asked.criteria()
        hits = find(criteria=criteria, now=instant, sort=asked.validated_data["sort"])
        page = self.paginate_queryset(hits)
        return self.get_paginated_response(listing(hits=page or [], criteria=criteria, now=instant))


class OneOffer(GenericAPIView[Any]):
    """One offer."""

    permission_classes = [AllowAny]
    queryset = listed_offers()
    serializer_class = OfferShown

    @extend_schema(operation_id="offers_get", summary="Show an offer", parameters=[Availability])
    def get(self, request: Request, id: str) -> Response:
        """One offer, with how many of its nodes are free for the asked period."""
        instant = now()
        asked = Availability(data=request.query_params, context=asked_by(request, instant))
        asked.is_valid(raise_exception=True)
        offer = get_object_or_404(listed_offers(organization_of(request)), public_id=id)
        try:
            row = offer_row(offer=offer, criteria=asked.criteria(), now=instant)
        except Rate.DoesNotExist as error:
            raise Http404 from error
        return Response(OfferShown(row).data)


class OfferWindows(GenericAPIView[Any]):
    """When an offer's nodes are free."""

    permission_classes = [AllowAny]
    queryset = listed_offers()
    serializer_class = WindowsShown

    @extend_schema(operation_id="offers_windows", summary="Show free windows of an offer", parameters=[WindowsAsked])
    def get(self, request: Request, id: str) -> Response:
        """Periods in which as many nodes of the offer as asked are free from end to end.

        Each can be quoted as it stands: it starts and ends when leases on the plan may, and is no longer than they are.
        """
        instant = now()
        asked = WindowsAsked(data=request.query_params, context={"now": instant})
        asked.is_valid(raise_exception=True)
        offer = get_object_or_404(listed_offers(organization_of(request)), public_id=id)
        terms = terms_of(plan=offer.plan, at=instant)
        free = free_windows(offer=offer, terms=terms, **asked.validated_data, now=instant)
        windows = list(bookable_windows(terms, free, instant))
        return Response(WindowsShown({"offer": offer.public_id, **asked.validated_data, "windows": windows}).data)
