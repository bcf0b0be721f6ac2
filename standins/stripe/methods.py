"""Payment methods: the cards that were saved, attached to customers and let go again."""

from standins.stripe.cards import BY_LAST4, CARDS, TOKENS, Card, card_of, digits_of
from standins.stripe.errors import ApiError, no_such
from standins.stripe.objects import World
from standins.stripe.shapes import FIXTURES, merged
from standins.stripe.store import JSON

_CARD_EXPIRY = (2034, 12)


def card_behind(method: JSON) -> Card:
    """How the card behaves: test cards are known by their last four digits."""
    number = next((n for n, card in CARDS.items() if BY_LAST4.get(method["card"]["last4"]) is card), "")
    return card_of(number)


def make(world: World, number: str, expiry: tuple[int, int], billing: JSON | None = None, **members: object) -> JSON:
    """A card that belongs to nobody yet; `expiry` is (year, month)."""
    brand, (year, month) = card_of(number).brand, expiry
    face = {"brand": brand, "last4": number[-4:], "exp_year": year, "exp_month": month, "display_brand": brand}
    face |= {"generated_from": None, "wallet": None, "networks": {"available": [brand], "preferred": None}}
    details = {**FIXTURES["charge"]["billing_details"], "name": None, **(billing or {})}
    card = {**FIXTURES["payment_method"]["card"], **face}
    return world.create("payment_method", billing_details=details, card=card, **members)


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/payment_methods: a card number, as Stripe's test mode allows it."""
    card = params.get("card")
    if params.get("type", "card") != "card" or card is None:
        raise ApiError(400, "The Stripe stand-in has payment methods of type=card only.", param="type")
    if "token" in card:
        number, expiry = TOKENS.get("pm_card_" + card["token"].removeprefix("tok_")), _CARD_EXPIRY
        if number is None:
            raise no_such("token", card["token"], "card[token]")
    else:
        number, expiry = digits_of(card["number"]), (card["exp_year"], card["exp_month"])
    return make(world, number, expiry, params.get("billing_details"), metadata=merged(None, params.get("metadata")))


def take(world: World, reference: str, param: str = "payment_method") -> JSON:
    """The payment method of this name; each use of a token such as pm_card_visa makes a new one."""
    if reference in TOKENS:
        return make(world, TOKENS[reference], _CARD_EXPIRY)
    return world.get("payment_method", reference, param)


def usable(world: World, reference: str, customer: str | None) -> JSON:
    """The payment method for this customer to pay or be set up with. Raises ApiError 400 when it is not theirs."""
    method = take(world, reference)
    if method["customer"] is not None and method["customer"] != customer:
        message = (
            "The payment method supplied belongs to a Customer. Please include it in the `customer` parameter."
            if customer is None
            else "The payment method you provided is attached to another customer."
        )
        raise ApiError(400, message, code="payment_method_unexpected_state", param="payment_method")
    if world.recall(method["id"]).get("spent"):
        message = (
            "The provided PaymentMethod was previously used without being attached to a Customer, or was detached from "
            "one, and may not be used again."
        )
        raise ApiError(400, message, code="payment_method_unexpected_state", param="payment_method")
    return method


def owned(world: World, reference: str, customer: str) -> JSON:
    """The customer's own payment method. Raises ApiError 404 for any other."""
    method = world.get("payment_method", reference, "payment_method")
    if method["customer"] != customer:
        message = (
            f"The customer does not have a payment method with the ID {reference}. "
            "The payment method must be attached to the customer."
        )
        raise ApiError(404, message, code="resource_missing", param="payment_method")
    return method


def attach(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/payment_methods/{id}/attach. Raises ApiError 402 when the card refuses to be saved."""
    customer = params.get("customer")
    if customer is None:
        raise ApiError(400, "Missing required param: customer.", code="parameter_missing", param="customer")
    world.get("customer", customer, "customer")
    method = usable(world, reference, customer)
    card = card_behind(method)
    if card.decline and not card.saves:
        code, decline_code, message = card.decline
        raise ApiError(402, message, type="card_error", code=code, decline_code=decline_code)
    return save(world.of(customer), method, customer)


def save(world: World, method: JSON, customer: str) -> JSON:
    """The method is the customer's from now on."""
    if method["customer"] == customer:
        return method
    return world.change(method, "payment_method.attached", customer=customer)


def detach(world: World, _: JSON, reference: str) -> JSON:
    """POST /v1/payment_methods/{id}/detach."""
    method = world.get("payment_method", reference)
    if method["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise ApiError(400, message, param="payment_method")
    owner = world.store.find(method["customer"], "customer")
    if owner and not owner.get("deleted") and owner["invoice_settings"]["default_payment_method"] == reference:
        world.change(owner, invoice_settings={**owner["invoice_settings"], "default_payment_method": None})
    world.remember(reference, spent=True)
    return world.change(method, "payment_method.detached", customer=None)


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/payment_methods/{id}."""
    method = world.get("payment_method", reference)
    card = {**method["card"], **(params.get("card") or {})}
    billing = {**method["billing_details"], **(params.get("billing_details") or {})}
    metadata = merged(method["metadata"], params.get("metadata"))
    return world.change(method, "payment_method.updated", card=card, billing_details=billing, metadata=metadata)
