"""The bodies that docs/recipes/ tells people to send."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from infra.bootstrap import Services
from tests.integration.api.conftest import Caller
from tests.integration.console.world import World
from tests.support.companies import crm, take

RECIPES = Path(__file__).parents[3] / "docs/recipes/won-deal.md"
BODIES = re.findall(r"^## (.+?)\n.*?```json\n(.*?)```", RECIPES.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("tool", "body"), BODIES, ids=[tool for tool, _ in BODIES])
def test_a_recipe_asks_for_a_debtor(api: Caller, services: Services, world: World, tool: str, body: str) -> None:
    """What each recipe sends is taken as it stands, and once."""
    take(services.database, crm())

    asked = api.post("/conversions", json.loads(body), 201)

    assert (asked["state"], asked["company"]["id"]) == ("requested", "crm-17")
    assert api.post("/conversions", json.loads(body))["id"] == asked["id"]


def test_every_tool_has_its_recipe() -> None:
    """None is passed over because its body is written otherwise."""
    assert [tool for tool, _ in BODIES] == ["curl", "Zapier", "Make", "Power Automate"]
