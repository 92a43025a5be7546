"""Accepting events: durable before the sender gets its 2xx."""
