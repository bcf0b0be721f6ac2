"""Which endpoints there are, with the parameters that do something; any other of Stripe's is refused."""

from standins.stripe import (
    balance,
    calculations,
    charges,
    checkout,
    credit_notes,
    customers,
    disputes,
    intents,
    invoice_items,
    invoice_steps,
    invoices,
    meters,
    methods,
    products,
    refunds,
    reports,
    setups,
    subscriptions,
    tax_ids,
    tax_transactions,
    test_clocks,
    usage,
    webhook_endpoints,
)
from standins.stripe.lists import Handler, listing, retrieve
from standins.stripe.routes import Route


def _read(kind: str, path: str, module: str, name: str) -> Route:
    return Route("GET", path + "/{id}", f"{module}_retrieve_params.{name}RetrieveParams", retrieve(kind))


def _reads(kind: str, path: str, module: str, name: str) -> list[Route]:
    """Retrieve and list of one kind."""
    listed = Route("GET", path, f"{module}_list_params.{name}ListParams", listing(kind, path))
    return [listed, _read(kind, path, module, name)]


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
    "expires_at metadata allowed_payment_method_types payment_intent_data setup_intent_data currency automatic_tax"
)
_PAYMENT = (
    "amount currency confirm customer payment_method off_session error_on_requires_action return_url "
    "automatic_payment_methods allowed_payment_method_types description metadata receipt_email setup_future_usage "
    "statement_descriptor statement_descriptor_suffix"
)
_CUSTOMER = (
    "address balance description email invoice_prefix invoice_settings metadata name phone preferred_locales shipping "
    "tax tax_exempt"
)
_SETUP = (
    "automatic_payment_methods allowed_payment_method_types confirm customer description metadata payment_method "
    "return_url usage"
)
_ITEM = (
    "amount currency description discountable metadata period price_data pricing quantity quantity_decimal "
    "tax_behavior unit_amount_decimal"
)
_INVOICE = (
    "auto_advance automatic_tax automatically_finalizes_at collection_method custom_fields days_until_due "
    "default_payment_method description due_date effective_at footer metadata number"
)
_SUBSCRIPTION = (
    "automatic_tax cancel_at cancel_at_period_end collection_method days_until_due default_payment_method description "
    "metadata off_session"
)
_CLOCKS = "/v1/test_helpers/test_clocks"
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
    Route("GET", "/v1/account", "_account_retrieve_current_params.AccountRetrieveCurrentParams", balance.account),
    *_reads("product", "/v1/products", "_product", "Product"),
    *_writes(
        "/v1/products",
        "_product",
        "Product",
        {
            "create": (
                products.create_product,
                "id active description metadata name shippable statement_descriptor tax_code unit_label url",
            ),
            "update": (
                products.update_product,
                "active default_price description metadata name shippable statement_descriptor tax_code unit_label url",
            ),
            "delete": (products.delete_product, ""),
        },
    ),
    *_reads("price", "/v1/prices", "_price", "Price"),
    *_writes(
        "/v1/prices",
        "_price",
        "Price",
        {
            "create": (
                products.create_price,
                "active billing_scheme currency lookup_key metadata nickname product product_data recurring "
                "tax_behavior unit_amount unit_amount_decimal",
            ),
            "update": (products.update_price, "active lookup_key metadata nickname tax_behavior"),
        },
    ),
    *_reads("billing.meter", "/v1/billing/meters", "billing._meter", "Meter"),
    *_writes(
        "/v1/billing/meters",
        "billing._meter",
        "Meter",
        {
            "create": (meters.create, ""),
            "update": (meters.update, ""),
            "deactivate": (meters.deactivate, ""),
            "reactivate": (meters.reactivate, ""),
        },
    ),
    Route(
        "GET",
        "/v1/billing/meters/{id}/event_summaries",
        "billing._meter_event_summary_list_params.MeterEventSummaryListParams",
        usage.summaries,
    ),
    Route(
        "POST",
        "/v1/billing/meter_events",
        "billing._meter_event_create_params.MeterEventCreateParams",
        usage.create,
        alone=usage.customer_of,
    ),
    Route(
        "POST",
        "/v1/billing/meter_event_adjustments",
        "billing._meter_event_adjustment_create_params.MeterEventAdjustmentCreateParams",
        usage.adjust,
    ),
    *_reads("subscription", "/v1/subscriptions", "_subscription", "Subscription"),
    *_writes(
        "/v1/subscriptions",
        "_subscription",
        "Subscription",
        {
            "create": (
                subscriptions.create,
                _SUBSCRIPTION + " billing_cycle_anchor customer items payment_behavior proration_behavior",
            ),
            "update": (subscriptions.update, _SUBSCRIPTION),
        },
    ),
    Route(
        "DELETE",
        "/v1/subscriptions/{id}",
        "_subscription_cancel_params.SubscriptionCancelParams",
        subscriptions.cancel,
        "invoice_now prorate",
    ),
    *_reads("subscription_item", "/v1/subscription_items", "_subscription_item", "SubscriptionItem"),
    *_reads("invoiceitem", "/v1/invoiceitems", "_invoice_item", "InvoiceItem"),
    *_writes(
        "/v1/invoiceitems",
        "_invoice_item",
        "InvoiceItem",
        {
            "create": (invoice_items.create, _ITEM + " customer invoice"),
            "update": (invoice_items.update, _ITEM.replace("currency ", "")),
            "delete": (invoice_items.delete, ""),
        },
    ),
    *_reads("invoice", "/v1/invoices", "_invoice", "Invoice"),
    *_writes(
        "/v1/invoices",
        "_invoice",
        "Invoice",
        {
            "create": (invoices.create, _INVOICE + " currency customer pending_invoice_items_behavior"),
            "update": (invoices.update, _INVOICE),
            "delete": (invoices.delete, ""),
            "add_lines": (invoice_items.add_lines, "lines"),
            "pay": (invoice_steps.pay, "off_session paid_out_of_band payment_method"),
            "mark_uncollectible": (invoice_steps.mark_uncollectible, ""),
        },
    ),
    *[
        Route(
            "POST",
            f"/v1/invoices/{{id}}/{verb}",
            f"_invoice_{verb}_invoice_params.Invoice{verb.title()}InvoiceParams",
            act,
        )
        for verb, act in (
            ("finalize", invoice_steps.finalize),
            ("void", invoice_steps.void),
            ("send", invoice_steps.send),
        )
    ],
    Route(
        "GET",
        "/v1/invoices/{id}/lines",
        "_invoice_line_item_list_params.InvoiceLineItemListParams",
        invoices.list_lines,
    ),
    *_reads("invoice_payment", "/v1/invoice_payments", "_invoice_payment", "InvoicePayment"),
    Route(
        "GET", "/v1/credit_notes/preview", "_credit_note_preview_params.CreditNotePreviewParams", credit_notes.preview
    ),
    *_reads("credit_note", "/v1/credit_notes", "_credit_note", "CreditNote"),
    *_writes(
        "/v1/credit_notes",
        "_credit_note",
        "CreditNote",
        {
            "create": (
                credit_notes.create,
                "amount credit_amount effective_at invoice lines memo metadata out_of_band_amount reason refund_amount "
                "refunds",
            ),
            "update": (credit_notes.update, ""),
        },
    ),
    Route(
        "POST",
        "/v1/credit_notes/{id}/void",
        "_credit_note_void_credit_note_params.CreditNoteVoidCreditNoteParams",
        credit_notes.void,
    ),
    Route(
        "GET",
        "/v1/credit_notes/{id}/lines",
        "_credit_note_line_item_list_params.CreditNoteLineItemListParams",
        credit_notes.list_lines,
    ),
    *_reads("tax_rate", "/v1/tax_rates", "_tax_rate", "TaxRate"),
    Route(
        "POST",
        "/v1/tax/calculations",
        "tax._calculation_create_params.CalculationCreateParams",
        calculations.create,
        "currency customer_details line_items",
    ),
    *[
        Route(
            "POST",
            f"/v1/tax/transactions/{verb}",
            f"tax._transaction_{verb}_params.Transaction{verb.title().replace('_', '')}Params",
            act,
            takes + " metadata reference",
        )
        for verb, act, takes in (
            ("create_from_calculation", tax_transactions.record, "calculation"),
            ("create_reversal", tax_transactions.reverse, "flat_amount mode original_transaction"),
        )
    ],
    _read("tax.calculation", "/v1/tax/calculations", "tax._calculation", "Calculation"),
    _read("tax.transaction", "/v1/tax/transactions", "tax._transaction", "Transaction"),
    *_reads("test_helpers.test_clock", _CLOCKS, "test_helpers._test_clock", "TestClock"),
    *_writes(
        _CLOCKS,
        "test_helpers._test_clock",
        "TestClock",
        {
            "create": (test_clocks.create, "frozen_time name"),
            "advance": (test_clocks.advance, ""),
            "delete": (test_clocks.delete, ""),
        },
    ),
    *_reads("event", "/v1/events", "_event", "Event"),
    Route("GET", "/v2/core/events", "v2.core._event_list_params.EventListParams", reports.listing),
    Route("GET", "/v2/core/events/{id}", "v2.core._event_retrieve_params.EventRetrieveParams", reports.retrieve),
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
