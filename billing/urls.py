"""Addresses of pages."""

from django.urls import path

from billing.views import handing_back, leases, order, papers, wallet, webhook

urlpatterns = [
    path("leases/", leases.leases, name="leases"),
    path("leases/<str:id>/", leases.lease, name="lease"),
    path("leases/<str:id>/panel/", leases.lease_panel, name="lease_panel"),
    path("leases/<str:id>/return/", handing_back.lease_return, name="lease_return"),
    path("leases/<str:id>/shorten/", handing_back.lease_shorten, name="lease_shorten"),
    path("leases/<str:id>/receipt/", papers.receipt, name="receipt"),
    path("order/", order.order, name="order"),
    path("wallet/", wallet.wallet, name="wallet"),
    path("wallet/top-up/", wallet.top_up, name="top_up"),
    path("wallet/refund/", wallet.refund, name="refund"),
    path("wallet/ledger/", wallet.ledger, name="ledger"),
    path("top-ups/<str:id>/", wallet.payment, name="payment"),
    path("top-ups/<str:id>/opening/", wallet.payment_opening, name="payment_opening"),
    path("top-ups/<str:id>/pay/", wallet.pay, name="pay"),
    path("invoices/", papers.invoices, name="invoices"),
    path("invoices/<str:id>/", papers.invoice, name="invoice"),
    path("stripe/webhook/", webhook.stripe, name="stripe-webhook"),
]
