"""The API of this app: what happens to a lease, giving it back, and the proof of its wipe."""
