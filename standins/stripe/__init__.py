"""A Stripe stand-in: a small, stateful, persistent server that the official Stripe SDK talks to. No real money.

`python -m standins.stripe --port N --state DIR [--webhook-url URL --webhook-secret whsec_…]`, on 127.0.0.1 only.
Requests are checked against the SDK's own parameter types; answers have the keys of Stripe's published fixtures.

Read in this order: `endpoints` (what there is), `app` (the way of a request), `objects` (the world it acts on), `due`
and `moments` (what time does), then the file of each kind of object. `controls` and `faults` are for tests and people.
"""
