"""
The one place that wires a process together.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass, field

from dramatiq import Broker

from domain.accounting_api import Accounting
from domain.hints import Kind, NewHint, Source
from domain.reference import Listing, Why, wanted
from domain.trust import confirmed
from infra.broker.brokers import WakeUpPublisher, make_broker
from infra.broker.intake_queue import IntakeQueue
from infra.budget import SharedBudget
from infra.conversion_desk import ConversionDesk
from infra.conversion_office import ConversionOffice
from infra.database.agreements import Agreements
from infra.database.crm_secrets import CrmSecrets
from infra.database.deliveries import Deliveries
from infra.database.endpoints import Endpoints
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.database.mails import Mails
from infra.database.runs import Runs
from infra.database.work import WorkRows, asked_for
from infra.economic.client import EconomicClient
from infra.economic.config import EconomicConfig
from infra.encryption import SecretBox
from infra.form_links import FormLinks
from infra.intake.hook_keys import HookKeys
from infra.intake.intake import Intake
from infra.intake.remembered import Remembered
from infra.intake.stores import EventStore, PostgresEvents, SqliteEvents
from infra.intake.wake_ups import WakeUps
from infra.settings import Settings, secret_keys

COLLECT_AT = (20_000, 20, 20)
"""
Python looks for circles of objects after so many new ones (its default is 700): a storm's events, a page's rows are
hundreds of thousands, and none of them in a circle.
"""


@dataclass(slots=True)
class Services:
    """What the entry points share; made once per process, after forking."""

    settings: Settings
    keys: list[str] = field(repr=False)
    secrets: SecretBox
    database: Database
    agreements: Agreements
    crm_secrets: CrmSecrets
    endpoints: Endpoints
    deliveries: Deliveries
    mails: Mails
    work: WorkRows
    runs: Runs
    budget: SharedBudget
    client: EconomicClient
    broker: Broker
    wake_ups: WakeUps
    office: ConversionOffice
    forms: FormLinks
    desk: ConversionDesk
    granted: dict[int, str] = field(default_factory=dict, repr=False)  # tokens given for this run only
    held: object = None  # whatever must stay open as long as the process lives

    def economic(self, agreement: int, grant: str | None = None) -> Accounting:
        """
        An agreement's e-conomic, once /self has named the agreement expected.

        Args:
            grant: its sealed token, where that is known, and known to belong to it.

        Raises:
            CredentialsMissing: no grant token is stored.
            WrongAgreement: the tokens belong to another agreement.
            TransientError: /self could not be read.
        """
        if grant is not None and agreement not in self.granted:
            return self.client.agreement(agreement, self.secrets.open(grant))
        if token := self.granted.get(agreement):
            stored = self.agreements.get(agreement)
        else:
            stored, token = self.agreements.with_token(agreement)
        api = self.client.agreement(agreement, token)
        if stored.checked_at is None or agreement in self.granted:
            identity = confirmed(api, agreement)
            self.agreements.identified(agreement, identity)
        return api

    def ask(self, agreement: int, debtor: int) -> str:
        """A person wants a debtor read anew ("Sync now"); returns the correlation id."""
        return self.add_hint(agreement, Kind.DEBTORS, debtor)

    def add_hint(self, agreement: int, kind: Kind, number: int | None) -> str:
        """Look at this number now, on a person's word; returns the correlation id."""
        correlation_id = os.urandom(8).hex()
        with self.database.write() as connection:
            hint = NewHint(agreement, kind, Source.SYNC, correlation_id, number, number)
            SqlInbox(connection, self.database.sql).add([hint])
            asked_for(connection, agreement, kind)
        self.wake_ups.note(agreement, kind)
        return correlation_id

    def ask_for_names(self, agreement: int, why: Why) -> None:
        """A person wants every list of names read."""
        correlation_id = os.urandom(8).hex()
        with self.database.write() as connection:
            SqlInbox(connection, self.database.sql).add(
                [wanted(agreement, which, why, correlation_id) for which in Listing]
            )

    def close(self) -> None:
        self.wake_ups.close()
        self.client.close()
        self.broker.close()
        self.database.close()


def connect(settings: Settings) -> Services:
    """Open everything a process shares; no thread consumes or schedules yet."""
    gc.set_threshold(*COLLECT_AT)
    keys = secret_keys(settings)
    box = SecretBox(keys)
    database = Database(settings.database_url)
    budget = SharedBudget(database)
    broker = make_broker(settings.broker_url)
    secret = settings.economic_app_secret_token
    client = EconomicClient(
        EconomicConfig(
            rest_url=settings.economic_rest_url,
            q2c_url=settings.economic_q2c_url,
            webhooks_url=settings.economic_webhooks_url,
            app_secret_token=secret.get_secret_value() if secret else "",
        ),
        meter=budget,
    )
    forms = FormLinks(keys, settings.public_url)
    wake_ups = WakeUps(WakeUpPublisher(broker))
    return Services(
        settings=settings,
        keys=keys,
        secrets=box,
        database=database,
        agreements=Agreements(database, box),
        crm_secrets=CrmSecrets(database, box),
        endpoints=Endpoints(database, box),
        deliveries=Deliveries(database),
        mails=Mails(database),
        work=WorkRows(database, mail_domain=settings.mail_domain),
        runs=Runs(database),
        budget=budget,
        client=client,
        broker=broker,
        wake_ups=wake_ups,
        office=ConversionOffice(forms),
        forms=forms,
        desk=ConversionDesk(database, wake_ups.note, forms),
    )


@dataclass(slots=True)
class Reception:
    """What taking in hooks needs, in web processes only."""

    intake: Intake
    keys: HookKeys
    crm_keys: Remembered[tuple[bytes, ...]]


def open_reception(services: Services) -> Reception:
    """The intake with the store that fits the database; RabbitMQ stands by when it is configured."""
    settings, database = services.settings, services.database
    store: EventStore
    if database.sql.postgresql:
        store = PostgresEvents(settings.database_url)
    else:
        path = database.engine.url.database
        assert path is not None
        assert database.writing is not None
        store = SqliteEvents(path, database.writing)
    fallback = None if settings.embedded else IntakeQueue(settings.broker_url)
    return Reception(
        intake=Intake(store, services.wake_ups, fallback),
        keys=HookKeys(services.agreements.hook_secret, services.agreements.hook_secrets()),
        crm_keys=Remembered(services.crm_secrets.keys, services.crm_secrets.all_keys()),
    )
