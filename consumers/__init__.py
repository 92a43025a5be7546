"""Dramatiq actors: take the lease, call a use case, log; the worker and the scheduler."""
