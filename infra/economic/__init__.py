"""
The e-conomic client: reads one agreement's debtors, booked invoices and lines over both hosts, and writes
debtors (e-conomic.md §§2, 3).
"""

from infra.economic.client import EconomicAgreement, EconomicClient
from infra.economic.config import Q2C_URL, REST_URL, WEBHOOKS_URL, EconomicConfig
from infra.economic.rates import Meter, NoMeter, RateSeen

__all__ = [
    "Q2C_URL",
    "REST_URL",
    "WEBHOOKS_URL",
    "EconomicAgreement",
    "EconomicClient",
    "EconomicConfig",
    "Meter",
    "NoMeter",
    "RateSeen",
]
