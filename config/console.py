"""How the admin looks and how its menu is laid out (django-unfold)."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def favicon(request: HttpRequest) -> str:
    """The site's own icon."""
    return static("img/icon.svg")


def group(title: str, *pages: tuple[str, str, str]) -> dict[str, Any]:
    """A part of the menu; each page is what people call it, an icon of Material Symbols, and app_model."""
    items = [
        {"title": name, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")} for name, icon, model in pages
    ]
    return {"title": title, "separator": True, "items": items}


UNFOLD = {
    "SITE_TITLE": "Gridlease operations",
    "SITE_HEADER": "Gridlease",
    "SITE_SUBHEADER": "Operations",
    "SITE_SYMBOL": "bolt",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": favicon}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "COLORS": {
        "primary": {
            "50": "236 253 245", "100": "209 250 229", "200": "167 243 208", "300": "110 231 183",
            "400": "52 211 153", "500": "16 185 129", "600": "5 150 105", "700": "4 120 87",
            "800": "6 95 70", "900": "6 78 59", "950": "2 44 34",
        }
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": True,
        "navigation": [
            group(
                "Leases",
                ("Leases", "contract", "leasing_lease"),
                ("Approvals", "approval", "leasing_approval"),
                ("Machines", "dns", "leasing_machine"),
                ("Claims", "event_busy", "leasing_claim"),
                ("Wipe records", "verified", "leasing_wiperecord"),
            ),
            group(
                "Inventory",
                ("Nodes", "memory", "marketplace_node"),
                ("Pools", "inventory_2", "marketplace_pool"),
                ("Sites", "location_on", "marketplace_site"),
                ("Node types", "developer_board", "marketplace_nodetype"),
                ("GPU models", "deployed_code", "marketplace_gpumodel"),
                ("Images", "album", "marketplace_image"),
            ),
            group(
                "Prices",
                ("Offers", "sell", "marketplace_offer"),
                ("Rates", "price_change", "marketplace_rate"),
                ("Plans", "rule", "marketplace_plan"),
                ("Terms", "gavel", "marketplace_terms"),
                ("Quotes", "request_quote", "billing_quote"),
            ),
            group(
                "Money",
                ("Payments", "payments", "billing_payment"),
                ("Refunds", "undo", "billing_refund"),
                ("Invoices", "receipt_long", "billing_invoice"),
                ("Ledger", "account_balance", "billing_posting"),
                ("Usage", "timer", "billing_usage"),
                ("Stripe events", "webhook", "billing_gatewayevent"),
            ),
            group(
                "Power",
                ("Contracts", "electrical_services", "energy_powercontract"),
                ("Tariffs", "request_quote", "energy_tariff"),
                ("Sun and wind", "solar_power", "energy_generation"),
                ("Batteries", "battery_charging_full", "energy_battery"),
                ("Battery drivers", "settings_input_component", "energy_inverter"),
                ("Policies", "gavel", "energy_sitepolicy"),
                ("Feeds", "rss_feed", "energy_feed"),
                ("Readings", "monitoring", "energy_reading"),
                ("Miners", "precision_manufacturing", "energy_miner"),
                ("Miner classes", "category", "energy_minerclass"),
            ),
            group(
                "Customers",
                ("Organizations", "apartment", "accounts_organization"),
                ("People", "person", "accounts_user"),
                ("API tokens", "key", "accounts_apitoken"),
                ("Events", "history", "accounts_event"),
                ("Notices", "mail", "accounts_notice"),
                ("Webhooks", "webhook", "accounts_webhookendpoint"),
                ("Deliveries", "outbox", "accounts_webhookdelivery"),
            ),
        ],
    },
}  # fmt: skip
