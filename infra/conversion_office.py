"""
What conversions need to know of an agreement's settings, e-conomic's lists, the mirror, and our own addresses.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from domain.companies import CompanyFields, StoredCompany
from domain.debtor_traces import traces
from domain.debtors import Debtor
from domain.new_debtor import Draft, Missing, draft
from domain.ports import UnitOfWork
from infra.form_links import FormLinks


class ConversionOffice:
    """`domain.conversion_turn.Office`."""

    def __init__(self, links: FormLinks) -> None:
        self._links = links

    def likely(self, uow: UnitOfWork, company: StoredCompany) -> Sequence[Debtor]:
        return uow.debtor_search.traced(traces(company.fields._asdict()))

    def draft(self, uow: UnitOfWork, company: CompanyFields, overrides: Mapping[str, str]) -> Draft | Missing:
        settings, lists = uow.new_debtors
        return draft(company, settings, lists, overrides)

    def policy(self, uow: UnitOfWork) -> str:
        return uow.new_debtors[0].policy

    def form_url(self, conversion: int) -> str:
        return self._links.url(conversion)

    def new_key(self) -> str:
        return uuid.uuid4().hex
