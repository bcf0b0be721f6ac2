"""
Telling customers' own programs what happened. Read `endpoints` (where, and of what), `spreading` (from events to
deliveries), `sending` (take, act, apply), `signing` (how a receiver knows that it is us).
"""
