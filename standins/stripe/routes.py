"""Which endpoints there are: method, path, the SDK's parameter type, handler, and which parameters it acts on."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from standins.stripe import (
    balance,
    charges,
    checkout,
    contract,
    customers,
    disputes,
    intents,
    methods,
    refunds,
    setups,
    tax_ids,
    webhook_endpoints,
)
from standins.stripe.errors import ApiError
from standins.stripe.lists import Handler, listing, retrieve
from standins.stripe.store import JSON


@dataclass(frozen=True)
class Route:
    """`path` may hold {id}, and {names} of parameters; `contract` is relative to the SDK's `stripe.params`; `takes`
    names the parameters that do something (all, when empty); `alone` names what one request at a time may touch."""

    method: str
    path: str
    contract: str
    handler: Handler
    takes: str = ""
    alone: Callable[[JSON], str | None] = field(default=lambda params: None)

    @cached_property
    def resource(self) -> str:
        """What a restricted key is given rights on: `customer`, `checkout_session`, `billing_meter_event`, …"""
        names = self.path.removeprefix("/v1/").partition("/{")[0].split("/")
        return "_".join(name.removesuffix("s") for name in names)

    @cached_property
    def taken(self) -> frozenset[str]:
        """The parameters that do something."""
        return frozenset((self.takes or " ".join(contract.fields(contract.load(self.contract)))).split())


def _reads(kind: str, path: str, module: str, name: str) -> list[Route]:
    """Retrieve and list of one kind."""
    return [
        Route("GET", path, f"{module}_list_params.{name}ListParams", listing(kind, path)),
        Route("GET", path + "/{id}", f"{module}_retrieve_params.{name}RetrieveParams", retrieve(kind)),
    ]


def _writes(path: str, module: str, name: str, verbs: dict[str, tuple[Handler, str]]) -> list[Route]:
    """`create`, `update`, `delete`, and every other verb as POST path/{id}/verb."""
    found = []
    for verb, (handler, takes) in verbs.items():
        method = "DELETE" if verb == "delete" else "POST"
        below = "" if verb == "create" else "/{id}" if verb in ("update", "delete") else "/{id}/" + verb
        camel = verb.title().replace("_", "")
        declared = f"{module}_{verb}_params.{name}{camel}Params"
        found.append(Route(method, path + below, declared, handler, takes))
    return found


_CHECKOUT = (
    "mode ui_mode line_items success_url cancel_url client_reference_id customer customer_email customer_creation "
    "expires_at metadata allowed_payment_method_types payment_intent_data setup_intent_data currency"
)
_PAYMENT = (
    "amount currency confirm customer payment_method off_session error_on_requires_action return_url "
    "automatic_payment_methods allowed_payment_method_types description metadata receipt_email setup_future_usage "
    "statement_descriptor statement_descriptor_suffix"
)
_CUSTOMER = (
    "address balance description email invoice_prefix invoice_settings metadata name phone preferred_locales shipping "
    "tax_exempt"
)
_SETUP = (
    "automatic_payment_methods allowed_payment_method_types confirm customer description metadata payment_method "
    "return_url usage"
)
_OF_CUSTOMER = "/v1/customers/{customer}"

ROUTES = [
    *_writes(
        "/v1/customers",
        "_customer",
        "Customer",
        {
            "create": (customers.create, _CUSTOMER + " payment_method tax_id_data test_clock"),
            "update": (customers.update, _CUSTOMER),
            "delete": (customers.delete, ""),
        },
    ),
    Route("GET", "/v1/customers", "_customer_list_params.CustomerListParams", listing("customer", "/v1/customers")),
    Route("GET", "/v1/customers/{id}", "_customer_retrieve_params.CustomerRetrieveParams", customers.retrieve),
    *_reads("tax_id", _OF_CUSTOMER + "/tax_ids", "_customer_tax_id", "CustomerTaxId"),
    *_writes(
        _OF_CUSTOMER + "/tax_ids",
        "_customer_tax_id",
        "CustomerTaxId",
        {"create": (tax_ids.create, ""), "delete": (tax_ids.delete, "")},
    ),
    *_reads(
        "customer_balance_transaction",
        _OF_CUSTOMER + "/balance_transactions",
        "_customer_balance_transaction",
        "CustomerBalanceTransaction",
    ),
    Route(
        "POST",
        _OF_CUSTOMER + "/balance_transactions",
        "_customer_balance_transaction_create_params.CustomerBalanceTransactionCreateParams",
        customers.adjust_balance,
    ),
    *_reads("payment_method", _OF_CUSTOMER + "/payment_methods", "_customer_payment_method", "CustomerPaymentMethod"),
    *_reads("payment_method", "/v1/payment_methods", "_payment_method", "PaymentMethod"),
    *_writes(
        "/v1/payment_methods",
        "_payment_method",
        "PaymentMethod",
        {
            "create": (methods.create, "type card billing_details metadata"),
            "update": (methods.update, "card billing_details metadata"),
            "attach": (methods.attach, "customer"),
            "detach": (methods.detach, ""),
        },
    ),
    *_reads("setup_intent", "/v1/setup_intents", "_setup_intent", "SetupIntent"),
    *_writes(
        "/v1/setup_intents",
        "_setup_intent",
        "SetupIntent",
        {
            "create": (setups.create, _SETUP),
            "update": (setups.update, "description metadata"),
            "confirm": (setups.confirm, "payment_method return_url"),
            "cancel": (setups.cancel, "cancellation_reason"),
        },
    ),
    *_reads("payment_intent", "/v1/payment_intents", "_payment_intent", "PaymentIntent"),
    *_writes(
        "/v1/payment_intents",
        "_payment_intent",
        "PaymentIntent",
        {
            "create": (intents.create, _PAYMENT),
            "update": (
                intents.update,
                "amount payment_method description metadata receipt_email setup_future_usage statement_descriptor "
                "statement_descriptor_suffix",
            ),
            "confirm": (
                intents.confirm,
                "payment_method off_session error_on_requires_action return_url setup_future_usage",
            ),
            "cancel": (intents.cancel, "cancellation_reason"),
        },
    ),
    *_reads("checkout.session", "/v1/checkout/sessions", "checkout._session", "Session"),
    *_writes(
        "/v1/checkout/sessions",
        "checkout._session",
        "Session",
        {"create": (checkout.create, _CHECKOUT), "expire": (checkout.expire, "")},
    ),
    *_reads("charge", "/v1/charges", "_charge", "Charge"),
    *_writes("/v1/charges", "_charge", "Charge", {"update": (charges.update, "description metadata")}),
    *_reads("refund", "/v1/refunds", "_refund", "Refund"),
    *_writes(
        "/v1/refunds",
        "_refund",
        "Refund",
        {
            "create": (refunds.create, "amount charge payment_intent metadata reason"),
            "update": (refunds.update, "metadata"),
        },
    ),
    *_reads("dispute", "/v1/disputes", "_dispute", "Dispute"),
    *_writes(
        "/v1/disputes",
        "_dispute",
        "Dispute",
        {"update": (disputes.update, "evidence metadata submit"), "close": (disputes.close, "")},
    ),
    *_reads(
        "radar.early_fraud_warning", "/v1/radar/early_fraud_warnings", "radar._early_fraud_warning", "EarlyFraudWarning"
    ),
    *_reads("balance_transaction", "/v1/balance_transactions", "_balance_transaction", "BalanceTransaction"),
    Route("GET", "/v1/balance", "_balance_retrieve_params.BalanceRetrieveParams", balance.retrieve),
    *_reads("event", "/v1/events", "_event", "Event"),
    *_reads("webhook_endpoint", "/v1/webhook_endpoints", "_webhook_endpoint", "WebhookEndpoint"),
    *_writes(
        "/v1/webhook_endpoints",
        "_webhook_endpoint",
        "WebhookEndpoint",
        {
            "create": (webhook_endpoints.create, "api_version description enabled_events metadata url"),
            "update": (webhook_endpoints.update, "description disabled enabled_events metadata url"),
            "delete": (webhook_endpoints.delete, ""),
        },
    ),
]


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route and what stands in its path. Raises ApiError 404."""
    for route in ROUTES:
        match = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>\\w+)", route.path), path)
        if match and route.method == method:
            return route, match.groupdict()
    raise ApiError(404, f"Unrecognized request URL ({method}: {path}).")


def check(route: Route, params: JSON) -> JSON:
    """The parameters in their declared types. Raises ApiError 400 as Stripe would, and for those of Stripe's that do
    nothing here: better refused than ignored."""
    checked = contract.check(route.contract, params)
    for name in checked:
        if name not in route.taken and name != "expand":
            raise ApiError(400, f"The Stripe stand-in does not have this parameter: {name}", param=name)
    return checked
