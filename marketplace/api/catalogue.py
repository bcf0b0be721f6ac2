"""What offers are made of: sites, GPU models, node types, images, plans."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_of
from accounts.clock import now
from marketplace.api.pages import BySlug
from marketplace.models import GPUModel, Image, NodeType, Plan, Site
from marketplace.queries import all_announced, all_terms, plans_open_to, with_power
from marketplace.serializers import GPUModelShown, ImageShown, NodeTypeShown, PlanShown, SiteWithPower


class Listed(ListAPIView[Any]):
    """A list that anybody may read, logged in or not."""

    permission_classes = [AllowAny]
    pagination_class = BySlug


class Sites(Listed):
    """Places with power and nodes."""

    queryset = Site.objects.select_related("grid_zone")
    serializer_class = SiteWithPower

    @extend_schema(operation_id="sites_list", summary="List sites")
    def get(self, request: Request) -> Response:
        """Every site, with the carbon and the renewable share of its grid, and what it may sell of firm power now."""
        return self.list(request)

    def get_queryset(self) -> QuerySet[Site]:
        """With the power of this moment."""
        return with_power(super().get_queryset(), at=now())


class GPUModels(Listed):
    """GPUs."""

    queryset = GPUModel.objects.all()
    serializer_class = GPUModelShown

    @extend_schema(operation_id="gpu_models_list", summary="List GPU models")
    def get(self, request: Request) -> Response:
        """Every GPU model, with its maker's figures."""
        return self.list(request)


class NodeTypes(Listed):
    """Machines."""

    queryset = NodeType.objects.select_related("gpu_model")
    serializer_class = NodeTypeShown

    @extend_schema(operation_id="node_types_list", summary="List node types")
    def get(self, request: Request) -> Response:
        """Every kind of node: always a whole machine."""
        return self.list(request)


class Images(Listed):
    """System images."""

    queryset = Image.objects.all()
    serializer_class = ImageShown

    @extend_schema(operation_id="images_list", summary="List images")
    def get(self, request: Request) -> Response:
        """Every system image that a lease may start with."""
        return self.list(request)


class Plans(Listed):
    """Plans and their terms."""

    queryset = Plan.objects.filter(private=False)
    serializer_class = PlanShown
    ordering = ("position", "slug")

    @extend_schema(operation_id="plans_list", summary="List plans")
    def get(self, request: Request) -> Response:
        """Every plan that is open to all or to the caller's organization, and its terms, now and as announced."""
        return self.list(request)

    def get_queryset(self) -> QuerySet[Plan]:
        """What the caller may know of."""
        return plans_open_to(organization_of(self.request))

    def get_serializer_context(self) -> dict[str, Any]:
        """Terms are those of this moment."""
        instant = now()
        return {
            **super().get_serializer_context(),
            "terms": all_terms(at=instant),
            "announced": all_announced(at=instant),
        }
