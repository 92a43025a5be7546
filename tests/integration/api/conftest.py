"""The API over each database: a firm with an agreement and a token, and another firm beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from pydantic import SecretStr
from werkzeug.test import TestResponse

from infra.bootstrap import Services, connect
from infra.database.engine import Database
from infra.database.users import SCOPES, ApiTokens
from infra.settings import Settings
from tests.integration.console.world import World
from tests.support.databases import KEY
from webhooks.api import make_api

AGREEMENT = 1442871
STRANGERS = 1599004


class Caller:
    """A program that calls the API with a token."""

    def __init__(self, services: Services, token: str | None) -> None:
        self.app = Flask("api-of-the-tests")
        self.app.register_blueprint(make_api(services))
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, status: int = 200) -> Any:
        """The JSON of a GET, which must have this status."""
        return self.json(self.call("GET", path), status)

    def post(self, path: str, body: object = None, status: int = 200) -> Any:
        """The JSON of a POST, which must have this status."""
        return self.json(self.call("POST", path, json=body), status)

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = self._headers | options.pop("headers", {})
        return self.app.test_client().open(f"/api/v1{path}", method=method, headers=headers, **options)

    def walk(self, path: str) -> list[Any]:
        """The items of every page."""
        items, cursor = [], ""
        while True:
            page = self.get(path + cursor)
            items += page["items"]
            if "cursor" not in page:
                return items
            cursor = f"&cursor={page['cursor']}"

    @staticmethod
    def json(response: TestResponse, status: int) -> Any:
        assert response.status_code == status, response.get_data(as_text=True)
        expected = "application/json" if status < 400 else "application/problem+json"
        assert response.mimetype == expected
        return response.get_json()


@pytest.fixture
def services(database: Database) -> Iterator[Services]:
    opened = connect(Settings(database_url=database.url, secret_key=SecretStr(KEY)))
    yield opened
    opened.close()


@pytest.fixture
def world(database: Database) -> World:
    """Two firms with an agreement each; the first one's is AGREEMENT."""
    world = World(database)
    world.agreement(AGREEMENT, world.firm())
    world.agreement(STRANGERS, world.firm("Havgus"), base_currency="EUR")
    return world


@pytest.fixture
def api(services: Services, world: World) -> Caller:
    """Calls as the first firm with every scope."""
    return Caller(services, ApiTokens(services.database).create("everything", SCOPES))
