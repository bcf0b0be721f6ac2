"""An endpoint with an effect that can be counted, for the tests of retries."""

from django.urls import include, path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.idempotency import idempotent
from accounts.http.problems import Problem
from accounts.http.views import OrganizationView
from accounts.models import Event
from accounts.operations import record
from accounts.serializers import EventShown


class Effects(OrganizationView):
    queryset = Event.objects.all()
    required = {"POST": "lease:write"}

    @extend_schema(request=None, responses={201: EventShown})
    @idempotent
    def post(self, request: Request) -> Response:
        organization, actor = self.principal.organization, self.principal.actor
        event = record(organization=organization, kind="effect", subject="le_1", actor=actor, at=now())
        outcome = dict(request.data).get("outcome", "made")
        if outcome == "crash":
            raise ZeroDivisionError
        if outcome == "declined":
            raise Problem(402, "declined", "Declined", "The card was declined. Try another.")
        return Response({"id": event.public_id, "at": event.at}, status=409 if outcome == "taken" else 201)


class UnguardedEffects(OrganizationView):
    queryset = Event.objects.all()
    required = {"POST": "lease:write"}

    @extend_schema(request=None, responses={201: EventShown})
    def post(self, request: Request) -> Response:
        organization, actor = self.principal.organization, self.principal.actor
        record(organization=organization, kind="effect", subject="le_1", actor=actor, at=now())
        return Response(status=201)


urlpatterns = [
    path("unguarded-effects", UnguardedEffects.as_view()),
    path("effects", Effects.as_view()),
    path("other-effects", Effects.as_view()),
    path("", include("config.urls")),
]
