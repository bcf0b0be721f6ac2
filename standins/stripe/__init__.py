"""A Stripe stand-in: a small, stateful, persistent server that the official Stripe SDK talks to. No real money.

`python -m standins.stripe --port N --state DIR [--webhook-url URL --webhook-secret whsec_…]`, on 127.0.0.1 only.
Requests are checked against the SDK's own parameter types; answers have the keys of Stripe's published fixtures.
"""
