"""Every address of the product, read from its URLconf, and the one table of who may open which.

The table names the kind of each route of ours. What lies below /account/ and /admin/ belongs to packages and is one
kind each. A route that is in no table fails `test_isolation.py` with what to do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.views import View

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE = {"GET", "HEAD", "OPTIONS"}
API = "api/v1/"
BELOW = {"account/": "allauth", "admin/": "staff"}
KINDS = {
    # For everybody, and without anybody's data. `pay` is open to whoever has the address: one can only pay there.
    "public": """
        home catalogue plans offer site find pay healthz mailbox mailbox_letter
        api_offers api_offer api_offer_windows api_offer_calendar api_earliest api_sites api_gpu_models
        api_node_types api_images api_plans api_certificate_keys promises api_promises carbon
    """,
    "schema": "schema docs",
    "webhook": "stripe-webhook",
    # For the operator's staff who hold a permission and have a second factor.
    "operator": """
        fleet fleet_nodes fleet_node fleet_plan fleet_change fleet_maintenance fleet_work fleet_interruption
        api_operations_capacity api_operations_blind_sites api_operations_nodes api_operations_node
        api_operations_cordon api_operations_uncordon
        api_operations_drain api_operations_quarantine api_operations_verify api_operations_work
        api_operations_finish api_operations_cancel api_operations_extend
        api_operations_interrupt api_operations_call_off api_operations_power_back
        reconciliation discrepancy api_operations_reconciliation api_operations_discrepancies api_operations_explain
        gifts api_operations_gifts customer_names customer_leases
        approvals approval api_operations_approvals api_operations_approve api_operations_decline
        disputes dispute suspensions suspension adjustments adjustment adjustment_new
        api_operations_adjustments api_operations_adjustment_approve api_operations_adjustment_refuse
        api_operations_disputes api_operations_dispute api_operations_suspension api_operations_hold
        metered metered_organization api_operations_account
        enrolments enrolment_new enrolment_file enrolment enrolment_panel enrolment_withdraw
        api_operations_feeds api_operations_feed_readings
        power_feeds power_feed power power_site power_event power_command
        api_operations_power api_operations_power_site api_operations_battery
        api_operations_grid_event api_operations_grid_event_confirm api_operations_grid_event_call_off
        api_operations_commands api_operations_command api_operations_command_approve api_operations_command_decline
        api_operations_command_undo
        api_operations_enrolments api_operations_enrolment api_operations_withdraw
        receivables transfer_new receivable receivable_pdf receivable_credit receivable_write_off
        parked_months parked_month
        api_operations_receivables api_operations_transfers api_operations_credit api_operations_write_off
        api_operations_parked_months api_operations_release
    """,
    # For people who are logged in, of whatever organization or none.
    "person": "organization-create settings",
    # For members; what has an id belongs to one organization.
    "member": """
        leases lease lease_panel lease_return lease_shorten lease_rename lease_usage receipt order
        lease_interruptions lease_interruption_answer
        api_lease_interruptions api_interruption_ready api_interruption_more_time
        lease_keys lease_key_remove lease_on_failure lease_extend lease_auto_extend lease_move lease_file api_lease_file
        machine machine_power_cycle machine_gpu_reset machine_rebuild machine_swap machine_move
        machine_startup_log machine_console_log
        wallet shares top_up refund ledger movement statement statement_csv statement_json payment payment_opening
        payment_confirm automatic automatic_charges
        cards card_new card_saving card_opening card_type card_default card_remove
        api_cards api_card api_card_default api_card_pages api_card_page api_automatic_top_up api_promotional_credit
        invoices invoice api_movement api_statements api_statements_csv
        invoices invoice invoice_details invoice_pdf credit_note_pdf api_invoice_details api_invoice_pdf
        invoice_energy_csv api_invoice_energy
        api_credit_notes api_credit_note_pdf api_movement api_statements api_statements_csv
        budgets budget-create budget budget-remove limits api_budgets api_budget api_quote_budgets api_limits
        tax_profile api_tax_profile
        ssh-keys ssh-key-add ssh-key-remove api-tokens api-token-create api-token-revoke organization activity
        lease_energy lease_energy_csv api_lease_energy
        api_leases api_lease api_lease_usage api_lease_credits api_lease_intervals api_lease_receipt api_lease_extension
        api_lease_extend api_lease_auto_extend api_lease_project api_lease_move
        api_lease_transitions api_lease_return api_lease_hand_back api_lease_shorten api_lease_rename
        api_lease_wipe_certificate
        api_lease_ssh_keys api_lease_ssh_key api_lease_on_failure api_lease_outages api_lease_events
        api_machine_power_cycle api_machine_gpu_reset api_machine_rebuild api_machine_swap api_machine_move
        api_machine_startup_log api_machine_console_log
        lease_wipe_certificate_json lease_wipe_certificate_pdf
        api_lease_wipe_certificate_json api_lease_wipe_certificate_pdf
        leases lease lease_panel lease_return lease_rename lease_telemetry receipt order
        wallet top_up refund ledger payment payment_opening invoices invoice
        ssh-keys ssh-key-add ssh-key-remove api-tokens api-token-create api-token-revoke organization activity
        api_leases api_lease api_lease_usage api_lease_receipt
        api_lease_transitions api_lease_return api_lease_rename api_lease_wipe_certificate api_lease_telemetry
        standing_orders standing_order standing_order_new standing_order_cancel
        api_standing_orders api_standing_order api_standing_order_cancel
        api_quotes api_quote api_wallet api_ledger api_invoices api_invoice_preview api_invoice
        api_top_ups api_top_up api_refunds api_card_invoices
        api_ssh_keys api_ssh_key api_tokens api_token api_events api_organization
        webhooks webhook-create webhook webhook-change webhook-secret webhook-remove webhook-test webhook-send-again
        webhook-delivery webhook-delivery-send-again
        api_webhook_endpoints api_webhook_endpoint api_webhook_rotate_secret api_webhook_test api_webhook_send_again
        api_webhook_deliveries api_webhook_delivery api_webhook_delivery_send_again
    """,
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names.split()}


@dataclass(frozen=True)
class Route:
    """One address: `path` as the URLconf writes it, and what answers there."""

    name: str
    path: str
    view: Any

    @property
    def kind(self) -> str:
        """Who may open it; empty if no table says so."""
        return next((kind for start, kind in BELOW.items() if self.path.startswith(start)), KIND_OF.get(self.name, ""))

    @property
    def api(self) -> bool:
        return self.path.startswith(API)

    @property
    def has_id(self) -> bool:
        return "<" in self.path

    @property
    def methods(self) -> set[str]:
        """The methods that an API route has a handler for."""
        view: type[View] = self.view.cls
        return {method for method in METHODS if hasattr(view, method.lower())} - {"HEAD", "OPTIONS"}

    def address(self, id: str = "1") -> str:
        """The path with `id` in each place of a parameter; several ids, for one place each, are joined by "/"."""
        *first, last = id.split("/")
        rest = iter(first)
        plain = re.sub(r"\(\?P<\w+>[^)]*\)|<[^>]+>", lambda _: next(rest, last), self.path)
        return "/" + re.sub(r"[$^\\]", "", plain)


def _walk(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[Route]:
    for entry in patterns:
        path = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, path)
        else:
            yield Route(entry.name or path, path, entry.callback)


ROUTES = tuple(_walk(get_resolver().url_patterns))


def routes(*kinds: str, api: bool | None = None, has_id: bool | None = None) -> list[Route]:
    """The routes of these kinds; only those in the API or not, with an id or not, if that is said."""
    return [
        route for route in ROUTES if route.kind in kinds and api in (None, route.api) and has_id in (None, route.has_id)
    ]
