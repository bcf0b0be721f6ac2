"""The Celery application and the whole schedule.

Sweeps over rows are the truth and messages only speed them up, so a message may be lost, doubled or late. Beat may
run twice. A sweep's message expires when the next is due, so a backlog evaporates. Work on machines goes to the queue
of their site (`site.<slug>`, sent explicitly); what asks the card processor to `payments` and webhooks to `webhooks`,
since either may be slow or hang. Counting and planning every site's energy takes minutes after a standstill: it goes to
`energy`. All else goes to `default`, where leases end and wallets are watched.
"""

import os
from typing import Any

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def every(seconds: float, task: str) -> dict[str, Any]:
    """A schedule entry."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


app = Celery("gridlease", broker=settings.CELERY_BROKER_URL)
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_default_queue="default",
    task_routes={
        "accounts.tasks.deliver_webhooks": {"queue": "webhooks"},
        "billing.tasks.settle": {"queue": "payments"},
        "billing.tasks.poll": {"queue": "payments"},
        "billing.tasks.reconcile": {"queue": "payments"},
        "billing.tasks.check_tax_ids": {"queue": "payments"},
        "billing.tasks.send_calls": {"queue": "payments"},
        "billing.tasks.bill_monthly": {"queue": "payments"},
        "billing.tasks.tie_out": {"queue": "payments"},
        "billing.tasks.refunds": {"queue": "payments"},
        "energy.tasks.count_energy": {"queue": "energy"},
        "energy.tasks.plan_sites": {"queue": "energy"},
        "energy.tasks.write_power": {"queue": "energy"},
        "energy.tasks.fetch_feeds": {"queue": "energy"},
    },
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_time_limit=1800,
    task_soft_time_limit=1740,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=10,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 3600,  # longer than any task: else it is delivered twice
        "socket_timeout": 3,
        "socket_connect_timeout": 2,
    },
    task_publish_retry=False,  # a message only speeds things up: a hung broker must not hold up an order
    timezone="UTC",
    beat_schedule={
        "leases": every(2, "leasing.tasks.sweep"),
        "telemetry": every(60, "leasing.tasks.keep_telemetry"),
        "usage": every(5, "billing.tasks.meter"),
        "recount": every(60, "billing.tasks.recount_usage"),
        "resales": every(60, "billing.tasks.credit_resales"),
        "promises": every(60, "billing.tasks.credit_promises"),
        "payments": every(5, "billing.tasks.settle"),
        "reconciliation": every(3600, "billing.tasks.reconcile"),
        "objects": every(3600, "billing.tasks.poll"),
        "tax_ids": every(60, "billing.tasks.check_tax_ids"),
        "adjustments": every(600, "billing.tasks.expire_adjustments"),
        "calls": every(5, "billing.tasks.send_calls"),
        "monthly": every(60, "billing.tasks.bill_monthly"),
        "tie_out": every(3600, "billing.tasks.tie_out"),
        "refunds": every(10, "billing.tasks.refunds"),
        "top_ups": every(15, "billing.tasks.top_up_wallets"),
        "credit": every(60, "billing.tasks.lapse_credit"),
        "cards": every(3600, "billing.tasks.tell_of_expiring_cards"),
        "standing": every(15, "billing.tasks.enforce_standing"),
        "extensions": every(20, "billing.tasks.extend_leases"),
        "standing_orders": every(10, "billing.tasks.fill_standing_orders"),
        "invoices": every(3600, "billing.tasks.close_invoices"),
        "receivables": every(3600, "billing.tasks.collect_receivables"),
        "power": every(300, "energy.tasks.write_power"),
        "energy": every(300, "energy.tasks.count_energy"),
        "plans": every(60, "energy.tasks.plan_sites"),
        "commands": every(5, "energy.tasks.command_sites"),
        "feeds": every(10, "energy.tasks.fetch_feeds"),
        "mining": every(60, "energy.tasks.tell_mining"),
        "batteries": every(60, "energy.tasks.look_at_batteries"),
        "miners": every(240, "energy.tasks.look_at_miners"),
        "notices": every(10, "accounts.tasks.deliver_notices"),
        "webhooks": every(5, "accounts.tasks.deliver_webhooks"),
        "late_webhooks": every(600, "accounts.tasks.catch_up_webhooks"),
        "retries": every(3600, "accounts.tasks.forget_idempotency_keys"),
    },
)
app.autodiscover_tasks()
