"""Addresses below /api/v1/."""

from django.urls import path

from billing.api import handing_back, money, orders

urlpatterns = [
    path("quotes", orders.Quotes.as_view(), name="api_quotes"),
    path("quotes/<str:id>", orders.OneQuote.as_view(), name="api_quote"),
    path("leases", orders.Leases.as_view(), name="api_leases"),
    path("leases/<str:id>", orders.OneLease.as_view(), name="api_lease"),
    path("leases/<str:id>/usage", orders.LeaseUsage.as_view(), name="api_lease_usage"),
    path("leases/<str:id>/receipt", orders.LeaseReceipt.as_view(), name="api_lease_receipt"),
    path("leases/<str:id>/hand-back", handing_back.Value.as_view(), name="api_lease_hand_back"),
    path("leases/<str:id>/return", handing_back.Return.as_view(), name="api_lease_return"),
    path("leases/<str:id>/shorten", handing_back.Shorten.as_view(), name="api_lease_shorten"),
    path("wallet", money.OwnWallet.as_view(), name="api_wallet"),
    path("ledger", money.Ledger.as_view(), name="api_ledger"),
    path("invoices", money.Invoices.as_view(), name="api_invoices"),
    path("invoices/preview", money.InvoicePreview.as_view(), name="api_invoice_preview"),
    path("invoices/<str:id>", money.OneInvoice.as_view(), name="api_invoice"),
    path("top-ups", money.TopUps.as_view(), name="api_top_ups"),
    path("top-ups/<str:id>", money.OneTopUp.as_view(), name="api_top_up"),
    path("refunds", money.Refunds.as_view(), name="api_refunds"),
]
