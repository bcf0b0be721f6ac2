"""The caller's organization, and what happened in it."""

from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.http.views import OrganizationView
from accounts.models import Event, Membership, Organization
from accounts.serializers import EventFilter, EventShown, OrganizationShown, filters


class OwnOrganization(OrganizationView):
    """The organization that the caller acts for."""

    queryset = Organization.objects.all()
    serializer_class = OrganizationShown
    required = {"GET": "org:read"}

    @extend_schema(operation_id="organization_get", summary="Show the organization")
    def get(self, request: Request) -> Response:
        """Its name, its people and their roles, and how long data outlives a lease that ran out of money."""
        people = Prefetch("memberships", Membership.objects.select_related("user").order_by("id"))
        organization = Organization.objects.prefetch_related(people).get(pk=self.principal.organization.pk)
        return Response(OrganizationShown(organization).data)


class Events(ListModelMixin, OrganizationView):
    """What happened in the organization: who did what to what, and when."""

    queryset = Event.objects.all()
    serializer_class = EventShown
    ordering = ("-at", "-id")
    required = {"GET": "org:read"}

    @extend_schema(operation_id="events_list", summary="List events", parameters=[EventFilter])
    def get(self, request: Request) -> Response:
        """Events, newest first. They are never changed or removed."""
        return self.list(request)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Events of the wanted kind (`lease` means every `lease.…`) and subject."""
        wanted = filters(EventFilter, self.request.query_params)
        if kind := wanted.get("kind"):
            queryset = queryset.filter(Q(kind=kind) | Q(kind__startswith=f"{kind}."))
        return queryset.filter(subject=wanted["subject"]) if "subject" in wanted else queryset
