"""`debitor agreement`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.database.agreements import Agreements
from infra.database.engine import Database
from infra.encryption import SecretBox
from tests.integration.cli.conftest import GRANT, Debitor, StandIn
from tests.support.databases import AGREEMENT, KEY, rows, scalar
from webhooks.hook_numbers import read_numbers


def stored_grant(database: Database) -> str:
    return Agreements(database, SecretBox([KEY])).grant_token(AGREEMENT)


def test_add(debitor: Debitor, database: Database) -> None:
    """A token from standard input is stored encrypted; the first firm is made; the addresses are printed."""
    result = debitor(
        "agreement", "add", AGREEMENT, "--user-id", "MLJ", "--grant-token", "-", "--webhook-secret", "kept-secret-1",
        stdin="the-grant\n",
    )  # fmt: skip

    assert stored_grant(database) == "the-grant"
    assert "the-grant" not in result.output
    assert scalar(database, "SELECT count(*) FROM firm") == 1
    assert f"http://127.0.0.1:8000/webhooks/e-conomic/{AGREEMENT}/kept-secret-1/customer" in result.stdout
    assert "DEBITOR_PUBLIC_URL" in result.stderr


def test_add_without_a_token(debitor: Debitor, database: Database) -> None:
    """An agreement can be connected first and get its token later."""
    result = debitor("agreement", "add", AGREEMENT)

    assert f"debitor agreement credentials {AGREEMENT}" in result.stdout
    assert debitor.json("agreement", "show", AGREEMENT)["grant_token"] == "missing"


@pytest.mark.parametrize(
    "options",
    [
        ("--grant-token", "a-token-in-the-list-of-processes"),
        ("--grant-token", "-", "--ask-every-time"),
    ],
)
def test_add_used_wrongly(debitor: Debitor, database: Database, options: tuple[str, ...]) -> None:
    """A token as an argument, or a token that is stored and asked for, is wrong usage; nothing is stored."""
    result = debitor("agreement", "add", AGREEMENT, *options, stdin="x\n", status=2)

    assert "token" in result.stderr
    assert rows(database, "SELECT number FROM agreement") == []


def test_add_twice(debitor: Debitor) -> None:
    """An agreement is connected once."""
    debitor("agreement", "add", AGREEMENT)
    assert "already connected" in debitor("agreement", "add", AGREEMENT, status=1).stderr


def test_add_with_an_empty_token(debitor: Debitor, database: Database) -> None:
    """Nothing on standard input is said, and nothing is stored."""
    assert "standard input" in debitor("agreement", "add", AGREEMENT, "--grant-token", "-", status=1).stderr
    assert rows(database, "SELECT number FROM agreement") == []


def test_list_and_show(debitor: Debitor) -> None:
    """Agreements are listed for people and for scripts, never with a secret."""
    assert "agreement add" in debitor("agreement", "list").stdout
    debitor("agreement", "add", AGREEMENT, "--grant-token", "-", "--user-id", "MLJ", stdin="the-grant\n")
    debitor("agreement", "add", 1599004, "--ask-every-time")

    listed = debitor.json("agreement", "list")

    assert [(each["number"], each["grant_token"]) for each in listed] == [
        (AGREEMENT, "stored"),
        (1599004, "asked every time"),
    ]
    assert str(AGREEMENT) in debitor("agreement", "list").stdout
    assert "the-grant" not in debitor("agreement", "show", AGREEMENT).stdout
    assert debitor.json("agreement", "show", AGREEMENT)["user_id"] == "MLJ"
    assert "agreement add 7" in debitor("agreement", "show", 7, status=1).stderr


def test_credentials(debitor: Debitor, database: Database) -> None:
    """A new token replaces the old one, or is asked for from now on."""
    debitor("agreement", "add", AGREEMENT, "--grant-token", "-", stdin="old-grant\n")

    debitor("agreement", "credentials", AGREEMENT, stdin="new-grant\n")
    assert stored_grant(database) == "new-grant"

    debitor("agreement", "credentials", AGREEMENT, "--ask-every-time")
    assert debitor.json("agreement", "show", AGREEMENT)["grant_token"] == "asked every time"


def test_pause_resume_remove(debitor: Debitor, database: Database) -> None:
    """An agreement rests, goes on and leaves."""
    debitor("agreement", "add", AGREEMENT)

    debitor("agreement", "pause", AGREEMENT)
    assert debitor.json("agreement", "show", AGREEMENT)["paused_at"].endswith("Z")
    debitor("agreement", "resume", AGREEMENT)
    assert debitor.json("agreement", "show", AGREEMENT)["paused_at"] is None
    debitor("agreement", "remove", AGREEMENT)
    assert debitor.json("agreement", "list") == []
    debitor("agreement", "remove", AGREEMENT, status=1)


def test_test(debitor: Debitor, connected: Callable[..., None]) -> None:
    """The right agreement answers with user, roles and currency, which are remembered."""
    connected("--grant-token", "-", "--user-id", "mlj")

    found = debitor.json("agreement", "test", AGREEMENT)

    assert found == {
        "agreement": AGREEMENT,
        "company": "Fjordlys Energi ApS",
        "user_id": "MLJ",
        "user_matches": True,
        "roles": ["SuperUser"],
        "base_currency": "DKK",
    }
    shown = debitor.json("agreement", "show", AGREEMENT)
    assert (shown["name"], shown["base_currency"]) == ("Fjordlys Energi ApS", "DKK")
    assert shown["checked_at"] is not None


def test_test_with_another_user(debitor: Debitor, connected: Callable[..., None]) -> None:
    """Another user than expected is only warned of."""
    connected("--grant-token", "-", "--user-id", "somebody")

    assert "belongs to user MLJ, not somebody" in debitor("agreement", "test", AGREEMENT).stderr


def test_test_with_another_agreement(debitor: Debitor, stand_in: StandIn) -> None:
    """A token that opens another agreement is refused and never marked as checked."""
    debitor("agreement", "add", 1599004, "--grant-token", "-", stdin=GRANT)

    assert f"opens agreement {AGREEMENT}" in debitor("agreement", "test", 1599004, status=1).stderr
    assert debitor.json("agreement", "show", 1599004)["checked_at"] is None


def test_test_with_a_refused_token(debitor: Debitor, connected: Callable[..., None], stand_in: StandIn) -> None:
    """A revoked grant is said in one line."""
    connected()
    stand_in.books("DELETE", "grants")

    assert len(debitor("agreement", "test", AGREEMENT, status=1).stderr.splitlines()) == 1


def test_test_report(debitor: Debitor, connected: Callable[..., None], stand_in: StandIn) -> None:
    """The report counts and compares one invoice read both ways."""
    connected()
    stand_in.books("POST", "bulk", {"debtors": 7, "invoices": 11})

    found = debitor.json("agreement", "test", AGREEMENT, "--report")

    assert (found["debtors"], found["invoices"], found["unreadable"]) == (7, 11, 0)
    assert found["lines_agree"] is True


def test_test_report_of_an_empty_agreement(debitor: Debitor, connected: Callable[..., None]) -> None:
    """Without invoices there is nothing to compare."""
    connected()

    assert debitor.json("agreement", "test", AGREEMENT, "--report")["lines_agree"] is None


def test_test_report_without_the_line_service(
    debitor: Debitor, connected: Callable[..., None], stand_in: StandIn
) -> None:
    """A refused line service is a finding, not a failure."""
    connected()
    stand_in.books("POST", "bulk", {"debtors": 1, "invoices": 1})
    stand_in.control("POST", "faults", {"path": "/q2capi", "status": 403})

    assert "refused" in debitor.json("agreement", "test", AGREEMENT, "--report")["lines_agree"]


def test_test_asks_for_the_token(debitor: Debitor, connected: Callable[..., None], database: Database) -> None:
    """Where no token is stored it is asked for and kept for this command only."""
    connected("--ask-every-time")

    assert debitor.json("agreement", "test", AGREEMENT, stdin=f"{GRANT}\n")["agreement"] == AGREEMENT
    assert "standard input" in debitor("agreement", "test", AGREEMENT, status=1).stderr
    assert scalar(database, "SELECT grant_token FROM agreement") is None


def test_reference(debitor: Debitor, connected: Callable[..., None], stand_in: StandIn) -> None:
    """Lists of names are read on a person's word, twice if need be; a refused one is shown beside the others."""
    connected()
    assert debitor.json("agreement", "show", AGREEMENT)["names_read_at"] is None
    stand_in.control("POST", "faults", {"path": "/employees", "status": 403})

    lists = {each["list"]: each for each in debitor.json("agreement", "reference", AGREEMENT, "--read")}

    assert (lists["payment_terms"]["names"], lists["payment_terms"]["problem"]) == (8, None)
    assert "403" in lists["employees"]["problem"]
    assert "employees are not read as a whole" in debitor("agreement", "show", AGREEMENT).stdout

    stand_in.control("DELETE", "faults")
    stand_in.books("PUT", "reference/units", {"unitNumber": 1, "name": "stykker"})
    debitor("agreement", "reference", AGREEMENT, "--read")
    shown = debitor.json("agreement", "show", AGREEMENT)
    assert shown["names_read_at"].endswith("Z")
    assert [each["problem"] for each in shown["lists"]] == [None] * 8


def test_reference_with_deletions(
    debitor: Debitor, connected: Callable[..., None], stand_in: StandIn, database: Database
) -> None:
    """An empty list removes nothing until a person allows it."""
    connected()
    debitor("agreement", "reference", AGREEMENT, "--read")
    for number in range(1, 5):
        stand_in.books("DELETE", f"reference/units/{number}")

    def units(*options: str) -> int:
        lists = debitor.json("agreement", "reference", AGREEMENT, *options)
        return int(next(each["names"] for each in lists if each["list"] == "units"))

    assert units("--read") == 4
    assert scalar(database, "SELECT reason FROM failure WHERE state = 'open'") == "deletion_guard"
    assert units("--allow-deletions") == 0
    assert scalar(database, "SELECT count(*) FROM failure WHERE state = 'open'") == 0


def test_reference_that_has_to_wait(debitor: Debitor, connected: Callable[..., None], stand_in: StandIn) -> None:
    """While e-conomic refuses the token the command says so in one line, and shows what is stored."""
    connected()
    stand_in.books("DELETE", "grants")

    result = debitor("agreement", "reference", AGREEMENT, "--read", status=1)

    assert "refused the tokens" in result.stderr
    assert "payment terms" in result.stdout


def test_groups(debitor: Debitor, connected: Callable[..., None], stand_in: StandIn) -> None:
    """Groups are chosen by number once they are known, and all of them again; no call is made for it."""
    connected()
    assert "reference" in debitor("agreement", "groups", AGREEMENT, "--only", 2, status=1).stderr
    debitor("agreement", "reference", AGREEMENT, "--read")
    stand_in.control("DELETE", "calls")

    chosen = debitor.json("agreement", "groups", AGREEMENT, "--only", 1, "--only", 3)
    assert [group["synchronised"] for group in chosen] == [True, False, True, False]
    assert debitor.json("agreement", "show", AGREEMENT)["debtor_groups"] == [1, 3]
    assert "1, 3" in debitor("agreement", "show", AGREEMENT).stdout
    assert "no debtor group 9;" in debitor("agreement", "groups", AGREEMENT, "--only", 9, status=1).stderr
    assert debitor.json("agreement", "show", AGREEMENT)["debtor_groups"] == [1, 3]
    debitor("agreement", "groups", AGREEMENT, "--all", "--only", 1, status=2)

    assert "Offentlige" in debitor("agreement", "groups", AGREEMENT, "--all").stdout
    assert debitor.json("agreement", "show", AGREEMENT)["debtor_groups"] == "all"
    assert stand_in.control("GET", "calls")["calls"] == []


def test_webhooks(debitor: Debitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses carry the public URL; what they make e-conomic send is what the receiver reads."""
    monkeypatch.setenv("DEBITOR_PUBLIC_URL", "https://debitor.example/")
    debitor("agreement", "add", AGREEMENT, "--webhook-secret", "kept-secret-1")

    printed = debitor("agreement", "webhooks", AGREEMENT, "--print")
    customer, invoice, daybook = debitor.json("agreement", "webhooks", AGREEMENT, "--print")

    base = f"https://debitor.example/webhooks/e-conomic/{AGREEMENT}/kept-secret-1"
    assert [each["address"] for each in (customer, invoice, daybook)] == [
        f"{base}/customer",
        f"{base}/invoice",
        f"{base}/daybook",
    ]
    sent = customer["body"].replace("[OLDNUMBER]", "100").replace("[NEWNUMBER]", "200")
    assert read_numbers("", sent) == (100, 200)
    assert read_numbers("", customer["body"].replace("[OLDNUMBER]", "").replace("[NEWNUMBER]", "7")) == (None, 7)
    assert read_numbers("", invoice["body"].replace("[INVOICENO]", "20417")) == (None, 20417)
    assert f"{base}/customer?old=[OLDNUMBER]&new=[NEWNUMBER]" in printed.stdout
    assert printed.stderr == ""
