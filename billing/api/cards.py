"""Saved cards, automatic top-up and promotional credit."""

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.idempotency import idempotent
from accounts.http.problems import Problem, bad_field
from accounts.http.views import OrganizationView
from billing import automatic, cards
from billing.models import AutoTopUp, CardPage, CreditGrant, SavedCard
from billing.serializers.cards import AutoTopUpShown, CardPageShown, CardShown, CreditGrantShown, NewAutoTopUp


class CardView(OrganizationView):
    """Cards of the caller's organization that are saved."""

    queryset = SavedCard.objects.filter(removed_at=None)
    serializer_class = CardShown


class Cards(ListModelMixin, CardView):
    """Saved cards."""

    required = {"GET": "money:read"}

    @extend_schema(operation_id="cards_list", summary="List saved cards")
    def get(self, request: Request) -> Response:
        """Every saved card, newest first. Numbers are the card processor's alone."""
        return self.list(request)


class OneCard(CardView):
    """One saved card."""

    required = {"GET": "money:read", "DELETE": "money:write"}

    @extend_schema(operation_id="cards_get", summary="Show a saved card")
    def get(self, request: Request, id: str) -> Response:
        """Its brand, last digits and expiry."""
        return Response(CardShown(self.get_object()).data)

    @extend_schema(operation_id="cards_remove", summary="Remove a saved card", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """It is not charged any more. 409 `card_needed`: automatic top-up is on and there is no other card."""
        try:
            cards.remove(card=self.get_object(), actor=self.principal.actor, now=now())
        except cards.CardNeeded as error:
            raise Problem(409, "card_needed", "Automatic top-up needs it", str(error)) from error
        return Response(status=204)


class MakeDefault(CardView):
    """The card that is charged where none is named."""

    required = {"POST": "money:write"}

    @extend_schema(
        operation_id="cards_make_default", summary="Make a card the default", request=None, responses={200: CardShown}
    )
    def post(self, request: Request, id: str) -> Response:
        """Automatic top-up charges this card from now on."""
        card = self.get_object()
        cards.make_default(card=card, actor=self.principal.actor, now=now())
        return Response(CardShown(card).data)


class CardPages(OrganizationView):
    """The saving of cards."""

    queryset = CardPage.objects.all()
    serializer_class = CardPageShown
    required = {"POST": "money:write"}

    @extend_schema(
        operation_id="card_pages_create", summary="Save a card", request=None, responses={201: CardPageShown}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Begin to save a card: open `url` in a browser, logged in. The card is there once `state` is `saved`."""
        who = self.principal
        page = cards.request_page(organization=who.organization, actor=who.actor, created_by=who.user, now=now())
        return Response(CardPageShown(page).data, status=201)


class OneCardPage(OrganizationView):
    """The saving of one card."""

    queryset = CardPage.objects.select_related("card")
    serializer_class = CardPageShown
    required = {"GET": "money:read"}

    @extend_schema(operation_id="card_pages_get", summary="Show how far the saving of a card is")
    def get(self, request: Request, id: str) -> Response:
        """Its state, and the card once that is saved."""
        return Response(CardPageShown(self.get_object()).data)


class AutomaticTopUp(OrganizationView):
    """The wallet's automatic top-up."""

    queryset = AutoTopUp.objects.all()
    serializer_class = AutoTopUpShown
    required = {"GET": "money:read", "PUT": "money:write", "DELETE": "money:write"}

    @extend_schema(operation_id="automatic_top_up_get", summary="Show automatic top-up")
    def get(self, request: Request) -> Response:
        """Its rules and how it goes. 404 if it was never switched on."""
        row = automatic.rules_of(self.principal.organization)
        if row is None:
            raise Http404
        return self._shown(row)

    @extend_schema(operation_id="automatic_top_up_set", summary="Switch automatic top-up on", request=NewAutoTopUp)
    def put(self, request: Request) -> Response:
        """Charge the default card by these rules from now on; nothing while you pay invoices by transfer. Earlier
        failures are forgotten."""
        wanted = NewAutoTopUp(data=request.data)
        wanted.is_valid(raise_exception=True)
        who, rules = self.principal, automatic.Rules(**wanted.validated_data)
        try:
            row = automatic.switch_on(organization=who.organization, rules=rules, actor=who.actor, now=now())
        except automatic.BadRule as error:
            if error.field == "active":
                raise Problem(409, "no_card", "There is no card to charge", str(error)) from error
            raise bad_field(error.field, str(error)) from error
        return self._shown(row)

    @extend_schema(operation_id="automatic_top_up_off", summary="Switch automatic top-up off", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Nothing is charged by itself any more; a charge that is under way goes on."""
        automatic.switch_off(organization=self.principal.organization, actor=self.principal.actor, now=now())
        return Response(status=204)

    def _shown(self, row: AutoTopUp) -> Response:
        used = automatic.used_cents(organization=self.principal.organization, now=now())
        return Response(AutoTopUpShown(row, context={"used_cents": used}).data)


class PromotionalCredit(ListModelMixin, OrganizationView):
    """Promotional credit."""

    queryset = CreditGrant.objects.all()
    serializer_class = CreditGrantShown
    required = {"GET": "money:read"}

    @extend_schema(operation_id="promotional_credit_list", summary="List promotional credit")
    def get(self, request: Request) -> Response:
        """Every gift of credit, newest first, with what is left of it."""
        return self.list(request)
