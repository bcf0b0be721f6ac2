"""Which endpoints there are: method, path, the SDK's parameter type, handler."""

import re
from dataclasses import dataclass

from standins.stripe import checkout, payments, refunds
from standins.stripe.errors import ApiError
from standins.stripe.lists import Handler, listing, retrieve


@dataclass(frozen=True)
class Route:
    """`path` may hold {id}; `contract` is relative to the SDK's `stripe.params`."""

    method: str
    path: str
    contract: str
    handler: Handler


def _reads(kind: str, path: str, module: str, name: str) -> list[Route]:
    """Retrieve and list of one kind."""
    return [
        Route("GET", path, f"{module}_list_params.{name}ListParams", listing(kind, path)),
        Route("GET", path + "/{id}", f"{module}_retrieve_params.{name}RetrieveParams", retrieve(kind)),
    ]


_SESSIONS = "/v1/checkout/sessions"
ROUTES = [
    Route("POST", "/v1/customers", "_customer_create_params.CustomerCreateParams", payments.create_customer),
    Route("POST", "/v1/customers/{id}", "_customer_update_params.CustomerUpdateParams", payments.update_customer),
    *_reads("customer", "/v1/customers", "_customer", "Customer"),
    Route("POST", _SESSIONS, "checkout._session_create_params.SessionCreateParams", checkout.create),
    Route("POST", _SESSIONS + "/{id}/expire", "checkout._session_expire_params.SessionExpireParams", checkout.expire),
    *_reads("checkout.session", _SESSIONS, "checkout._session", "Session"),
    *_reads("payment_intent", "/v1/payment_intents", "_payment_intent", "PaymentIntent"),
    *_reads("charge", "/v1/charges", "_charge", "Charge"),
    Route("POST", "/v1/refunds", "_refund_create_params.RefundCreateParams", refunds.create),
    *_reads("refund", "/v1/refunds", "_refund", "Refund"),
    *_reads("event", "/v1/events", "_event", "Event"),
    *_reads("payment_method", "/v1/payment_methods", "_payment_method", "PaymentMethod"),
]


def find(method: str, path: str) -> tuple[Route, str]:
    """The route and the {id} in its path ("" when it has none). Raises ApiError 404."""
    for route in ROUTES:
        match = re.fullmatch(route.path.replace("{id}", r"(?P<id>\w+)"), path)
        if match and route.method == method:
            return route, match.groupdict().get("id", "")
    raise ApiError(404, f"Unrecognized request URL ({method}: {path}).")
