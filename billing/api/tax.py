"""Who the organization is for the tax office."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import bad_field
from accounts.http.views import OrganizationView
from billing import taxing
from billing.models import TaxProfile
from billing.queries.taxes import profile_of, tax_at
from billing.serializers.tax import NewTaxProfile, TaxProfilesShown


class TaxProfiles(OrganizationView):
    """The tax profile."""

    queryset = TaxProfile.objects.all()
    serializer_class = TaxProfilesShown
    required = {"GET": "money:read", "PUT": "money:write"}

    @extend_schema(operation_id="tax_profile_get", summary="Show the tax profile")
    def get(self, request: Request) -> Response:
        """The version in force, how invoices are taxed by it, and the versions before."""
        return Response(self._shown())

    @extend_schema(
        operation_id="tax_profile_put",
        summary="Declare the tax profile",
        request=NewTaxProfile,
        responses=TaxProfilesShown,
    )
    def put(self, request: Request) -> Response:
        """
        A new version. A tax id is checked with its register; until it is `verified`, invoices are taxed as without one.
        The same again changes nothing, so a retry does no harm.
        """
        wanted = NewTaxProfile(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            taxing.declare(
                organization=self.principal.organization,
                fields=wanted.validated_data,
                actor=self.principal.actor,
                now=now(),
            )
        except taxing.BadTaxProfile as refused:
            raise bad_field(refused.field, refused.message) from refused
        return Response(self._shown())

    def _shown(self) -> dict[str, object]:
        own = self.principal.organization
        profile, tax = profile_of(own), tax_at(organization=own, end=now())
        history = self.get_queryset().exclude(pk=profile.pk if profile else None).order_by("-version")
        shown: dict[str, object] = TaxProfilesShown({"profile": profile, "tax": tax.rule, "history": history}).data
        return shown
