"""The base of API views that show or change what an organization owns."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.generics import GenericAPIView

from accounts.access import Principal, principal_of
from accounts.http.permissions import Allowed

Row = TypeVar("Row", bound=Model, covariant=True)


class OrganizationView(GenericAPIView[Any]):
    """Sees only rows whose `organization` is the caller's; another's row is 404, exactly as one that never was.

    Subclasses set `queryset`, `serializer_class` and `required` (method -> action). Addresses carry public ids as `id`.
    """

    required: ClassVar[Mapping[str, str]] = {}
    permission_classes = [Allowed]
    lookup_field = "public_id"
    lookup_url_kwarg = "id"

    @property
    def principal(self) -> Principal:
        """Who is calling."""
        return principal_of(self.request)

    def get_queryset(self) -> QuerySet[Any]:
        """The rows of the caller's organization."""
        return super().get_queryset().filter(organization=self.principal.organization)
