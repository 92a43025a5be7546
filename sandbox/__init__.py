"""
A stand-in for Visma e-conomic: one process, on loopback, everything in memory.

It answers the REST API, the booked-invoice lines of quote-to-cash and the
webhooks service as the real ones do, sends webhooks, and has a control API
under `/_control` to edit records "as a person in e-conomic would", to seed
data and to inject faults. It imports nothing of the product.
"""
