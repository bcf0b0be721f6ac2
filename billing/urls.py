"""Addresses of pages."""

from django.urls import path

from billing.views import (
    budgets,
    extend,
    handing_back,
    leases,
    move,
    order,
    papers,
    standing_orders,
    wallet,
    webhook,
)

urlpatterns = [
    path("leases/", leases.leases, name="leases"),
    path("leases/<str:id>/", leases.lease, name="lease"),
    path("leases/<str:id>/panel/", leases.lease_panel, name="lease_panel"),
    path("leases/<str:id>/return/", handing_back.lease_return, name="lease_return"),
    path("leases/<str:id>/shorten/", handing_back.lease_shorten, name="lease_shorten"),
    path("leases/<str:id>/receipt/", papers.receipt, name="receipt"),
    path("leases/<str:id>/extend/", extend.lease_extend, name="lease_extend"),
    path("leases/<str:id>/auto-extend/", extend.lease_auto_extend, name="lease_auto_extend"),
    path("leases/<str:id>/move/", move.lease_move, name="lease_move"),
    path("order/", order.order, name="order"),
    path("standing-orders/", standing_orders.standing_orders, name="standing_orders"),
    path("standing-orders/new/", standing_orders.standing_order_new, name="standing_order_new"),
    path("standing-orders/<str:id>/", standing_orders.standing_order, name="standing_order"),
    path("standing-orders/<str:id>/cancel/", standing_orders.standing_order_cancel, name="standing_order_cancel"),
    path("wallet/", wallet.wallet, name="wallet"),
    path("wallet/top-up/", wallet.top_up, name="top_up"),
    path("wallet/refund/", wallet.refund, name="refund"),
    path("wallet/ledger/", wallet.ledger, name="ledger"),
    path("budgets/", budgets.budgets, name="budgets"),
    path("budgets/new/", budgets.create, name="budget-create"),
    path("budgets/<str:id>/", budgets.change, name="budget"),
    path("budgets/<str:id>/remove/", budgets.remove, name="budget-remove"),
    path("limits/", budgets.limits, name="limits"),
    path("top-ups/<str:id>/", wallet.payment, name="payment"),
    path("top-ups/<str:id>/opening/", wallet.payment_opening, name="payment_opening"),
    path("top-ups/<str:id>/pay/", wallet.pay, name="pay"),
    path("invoices/", papers.invoices, name="invoices"),
    path("invoices/<str:id>/", papers.invoice, name="invoice"),
    path("stripe/webhook/", webhook.stripe, name="stripe-webhook"),
]
