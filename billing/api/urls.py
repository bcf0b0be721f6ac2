"""Addresses below /api/v1/."""

from django.urls import path

from billing.api import accounts, budgets, handing_back, money, orders, standing_orders, statements, tagging, windows

urlpatterns = [
    path("quotes", orders.Quotes.as_view(), name="api_quotes"),
    path("quotes/<str:id>", orders.OneQuote.as_view(), name="api_quote"),
    path("quotes/<str:id>/budgets", budgets.QuoteBudgets.as_view(), name="api_quote_budgets"),
    path("leases", orders.Leases.as_view(), name="api_leases"),
    path("leases/<str:id>", orders.OneLease.as_view(), name="api_lease"),
    path("leases/<str:id>/usage", orders.LeaseUsage.as_view(), name="api_lease_usage"),
    path("leases/<str:id>/intervals", orders.LeaseIntervals.as_view(), name="api_lease_intervals"),
    path("leases/<str:id>/project", tagging.Project.as_view(), name="api_lease_project"),
    path("leases/<str:id>/receipt", orders.LeaseReceipt.as_view(), name="api_lease_receipt"),
    path("leases/<str:id>/extension", windows.Extension.as_view(), name="api_lease_extension"),
    path("leases/<str:id>/extend", windows.Extend.as_view(), name="api_lease_extend"),
    path("leases/<str:id>/auto-extend", windows.AutoExtension.as_view(), name="api_lease_auto_extend"),
    path("standing-orders", standing_orders.StandingOrders.as_view(), name="api_standing_orders"),
    path("standing-orders/<str:id>", standing_orders.OneStandingOrder.as_view(), name="api_standing_order"),
    path("standing-orders/<str:id>/cancel", standing_orders.Cancel.as_view(), name="api_standing_order_cancel"),
    path("leases/<str:id>/move", windows.Move.as_view(), name="api_lease_move"),
    path("leases/<str:id>/hand-back", handing_back.Value.as_view(), name="api_lease_hand_back"),
    path("leases/<str:id>/return", handing_back.Return.as_view(), name="api_lease_return"),
    path("leases/<str:id>/shorten", handing_back.Shorten.as_view(), name="api_lease_shorten"),
    path("wallet", money.OwnWallet.as_view(), name="api_wallet"),
    path("ledger", statements.Ledger.as_view(), name="api_ledger"),
    path("ledger/<str:id>", statements.OneMovement.as_view(), name="api_movement"),
    path("statements", statements.Statements.as_view(), name="api_statements"),
    path("statements.csv", statements.StatementFile.as_view(), name="api_statements_csv"),
    path("budgets", budgets.Budgets.as_view(), name="api_budgets"),
    path("budgets/<str:id>", budgets.OneBudget.as_view(), name="api_budget"),
    path("limits", budgets.Limits.as_view(), name="api_limits"),
    path("invoices", money.Invoices.as_view(), name="api_invoices"),
    path("operations/accounts/<str:id>", accounts.OneAccount.as_view(), name="api_operations_account"),
    path("card-invoices", money.CardInvoices.as_view(), name="api_card_invoices"),
    path("invoices/preview", money.InvoicePreview.as_view(), name="api_invoice_preview"),
    path("invoices/<str:id>", money.OneInvoice.as_view(), name="api_invoice"),
    path("top-ups", money.TopUps.as_view(), name="api_top_ups"),
    path("top-ups/<str:id>", money.OneTopUp.as_view(), name="api_top_up"),
    path("refunds", money.Refunds.as_view(), name="api_refunds"),
]
