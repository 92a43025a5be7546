"""One edit from its request to its end, and what may come between."""

from __future__ import annotations

import pytest

from domain.accounting_api import DebtorBody
from domain.debtors import Debtor
from domain.edit_requests import BadChange, EditsOff, NoDebtor
from domain.errors import RateLimited, Unavailable
from domain.hints import Kind
from infra.database import failure_list
from tests.integration.edits.conftest import NORDVIND, Firm
from tests.support.databases import AGREEMENT, add_hints, do, rows, scalar
from tests.support.economic import lost, once


def test_only_what_is_asked_for_changes(firm: Firm) -> None:
    """In two calls; the mirror has it at once, what Debitor does not know of stays, and nothing is kept of the body."""
    firm.ledger.beside[4711] = {"attention": {"customerContactNumber": 7}}
    firm.ask(phone="76 00 00 01", email=None)

    firm.work()

    expected = NORDVIND._replace(phone="76 00 00 01", email=None)
    assert firm.ledger.books[4711] == expected
    assert firm.ledger.beside[4711] == {"attention": {"customerContactNumber": 7}}
    assert firm.ledger.calls[-2:] == ["body", "replace"]
    assert firm.states() == ["written"]
    assert firm.mirrored()._replace(barred=False, e_invoicing_disabled=False) == expected
    assert firm.edit().body is None
    assert firm.failures() == []


def test_what_was_changed_meanwhile_is_left_alone(firm: Firm) -> None:
    """Seen, now and wanted are kept and shown, nothing is written, and the mirror knows better."""
    firm.ask(phone="76000001", zip="8701")
    firm.ledger.books[4711] = NORDVIND._replace(phone="76999999", city="Vejle")

    firm.work()

    edit = firm.edit()
    assert firm.ledger.books[4711].phone == "76999999"
    assert firm.ledger.calls.count("replace") == 0
    assert (edit.state, edit.found) == ("refused", {"phone": "76999999", "zip": "8700"})
    assert '"76000000" when it was asked for, "76999999" now, wanted "76000001"' in str(edit.message)
    assert (firm.mirrored().phone, firm.mirrored().city) == ("76999999", "Vejle")
    assert firm.failures() == [("1", "changed_meanwhile", "open")]


def test_saying_what_was_seen(firm: Firm) -> None:
    """What the editor saw counts, not what the mirror has; a newer change closes the failure of the older one."""
    firm.ledger.books[4711] = NORDVIND._replace(phone="76999999")
    firm.ask(phone="76000001")
    firm.work()

    firm.ask(phone="76000001", was={"phone": "76999999"})
    firm.ask(city="Vejle", was={"city": "Odense"})
    firm.work()

    assert firm.states() == ["refused", "written", "refused"]
    assert firm.ledger.books[4711].phone == "76000001"
    assert firm.failures() == [("1", "changed_meanwhile", "resolved"), ("3", "changed_meanwhile", "open")]


def test_one_after_the_other(firm: Firm) -> None:
    """Two changes of a field in a row: the second was asked for with the first in sight."""
    firm.ask(phone="76000001")
    firm.ask(phone="76000002")
    firm.ask(name="Nordvind A/S")

    firm.work()

    assert firm.states() == ["written"] * 3
    assert (firm.ledger.books[4711].phone, firm.ledger.books[4711].name) == ("76000002", "Nordvind A/S")


def test_it_is_so_already(firm: Firm) -> None:
    """Nothing is written that is there, however it is spelt."""
    firm.ask(phone=" 76000000", country="DK", address="Industrivej  7")

    firm.work()

    assert firm.states() == ["written"]
    assert "replace" not in firm.ledger.calls


@pytest.mark.parametrize("came_through", [True, False], ids=["it came through", "it did not"])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "an hour later"])
def test_an_answer_is_lost(firm: Firm, came_through: bool, late: bool) -> None:
    """The debtor is read again: written once, whether or not the first call took effect."""
    once("replace done" if came_through else "replace", lost(), ledger=firm.ledger)
    firm.ask(phone="76000001")
    firm.work()
    waiting = firm.edit()
    assert (waiting.state, waiting.reason) == ("writing", "answer_lost")

    firm.an_hour_passes() if late else firm.time_passes()
    firm.work()

    assert firm.states() == ["written"]
    assert firm.ledger.books[4711] == NORDVIND._replace(phone="76000001")
    assert firm.ledger.calls.count("replace") == (1 if came_through else 2)
    assert (firm.edit().key == waiting.key) is (came_through or not late)
    assert firm.failures() == []


def test_an_answer_is_lost_and_somebody_else_writes(firm: Firm) -> None:
    """What they wrote over ours is not written over; what they wrote beside it stays."""
    firm.knows(NORDVIND._replace(number=4712, cvr="25511484"))
    for number in (4711, 4712):
        once("replace done" if number == 4711 else "replace", lost(), ledger=firm.ledger)
        firm.ask(number, phone="76000001")
        firm.work()
    firm.ledger.books[4711] = firm.ledger.books[4711]._replace(phone="76999999")
    firm.ledger.books[4712] = firm.ledger.books[4712]._replace(city="Vejle")

    firm.time_passes()
    firm.work()

    assert firm.states() == ["refused", "written"]
    assert firm.ledger.books[4711].phone == "76999999"
    assert (firm.ledger.books[4712].phone, firm.ledger.books[4712].city) == ("76000001", "Vejle")


def test_what_was_written_was_taken_back(firm: Firm) -> None:
    """The answer to a key is an old one: the debtor is looked at again, and written under another key."""
    once("replace done", lost(), ledger=firm.ledger)
    firm.ask(phone="76000001")
    firm.work()
    firm.ledger.books[4711] = NORDVIND

    firm.time_passes()
    firm.work()

    assert firm.states() == ["written"]
    assert firm.ledger.books[4711].phone == "76000001"
    assert firm.ledger.calls.count("replace") == 3


def test_writes_that_never_get_an_answer(sqlite_firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    """E-conomic can be read all the same: in the end a person is told, who may have it tried again."""
    firm = sqlite_firm
    monkeypatch.setattr("domain.write_edits.MOST_SENDS", 3)
    for _ in range(3):
        once("replace", lost(), ledger=firm.ledger)
    firm.ask(phone="76000001")
    for _ in range(4):
        firm.time_passes()
        firm.work()
    assert firm.failures() == [("1", "no_answer", "open")]

    failure_list.replay(firm.database, [1])
    firm.work()
    assert firm.states() == ["written"]


def test_a_process_that_was_asleep(sqlite_firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it read is too old to be written upon: it reads anew."""
    firm = sqlite_firm
    firm.ask(phone="76000001")
    clock = iter([0.0, 60.0])
    monkeypatch.setattr("domain.write_edits.boot_time", lambda: next(clock))
    firm.work()
    monkeypatch.undo()
    assert "replace" not in firm.ledger.calls
    firm.ledger.books[4711] = NORDVIND._replace(phone="76999999")

    firm.time_passes()
    firm.work()

    assert firm.states() == ["refused"]


def test_a_mistake_of_ours(sqlite_firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that makes Debitor fail is set aside, the others go on, and a person is told in the end."""
    firm = sqlite_firm
    monkeypatch.setattr("domain.write_edits.MOST_BUGS", 1)
    firm.knows(NORDVIND._replace(number=4712, cvr="25511484"))
    firm.ask(4711, phone="76000001")
    firm.ask(4712, phone="76000001")
    replacement = firm.ledger.replacement

    def broken(body: DebtorBody, changes: dict[str, str]) -> str:
        if body.debtor.number == 4711:
            raise ZeroDivisionError
        return replacement(body, changes)

    monkeypatch.setattr(firm.ledger, "replacement", broken)
    for _ in range(2):
        firm.time_passes()
        with pytest.raises(ZeroDivisionError):
            firm.work()
    firm.time_passes()
    firm.work()

    assert firm.states() == ["failed", "written"]
    assert firm.failures() == [("1", "bug", "open")]


@pytest.mark.parametrize("error", [RateLimited("wait", retry_after_s=7), Unavailable("down")])
def test_trouble_of_the_agreement_is_waited_for(firm: Firm, error: Exception) -> None:
    """It is no failure, whether it shows when reading or when writing, and says why it waits."""
    for moment in ("body", "replace"):
        once(moment, error, ledger=firm.ledger)
        firm.ask(phone=f"7600000{len(firm.states()) + 1}")
        if isinstance(error, RateLimited):
            with pytest.raises(RateLimited):
                firm.work()
        else:
            firm.work()
        assert firm.edit(len(firm.states())).reason == error.reason  # type: ignore[attr-defined]
        firm.time_passes()
        firm.work()

    assert firm.states() == ["written", "written"]
    assert firm.failures() == []


def test_refused_for_good(firm: Firm) -> None:
    """A failure with field and reason; its replay goes on once that is mended, and the failure is over."""
    firm.ledger.refuse = "zip is not known"
    firm.ask(zip="0000")
    firm.work()
    assert firm.failures() == [("1", "rejected", "open")]
    [row] = rows(firm.database, "SELECT id, message FROM failure")
    assert row.message == "Debtor 4711 was not changed. e-conomic refused the change: zip: zip is not known"

    firm.ledger.refuse = None
    [replayed] = failure_list.replay(firm.database, [row.id])
    assert replayed.refusal is None
    firm.work()

    assert firm.states() == ["written"]
    assert firm.ledger.books[4711].zip == "0000"
    assert firm.failures() == [("1", "rejected", "replayed")]


def test_a_replay_changes_nothing_unseen(firm: Firm) -> None:
    """A refused edit that is replayed is held against what was seen at first; once that is back, it is written."""
    firm.ask(phone="76000001")
    firm.ledger.books[4711] = NORDVIND._replace(phone="76999999")
    firm.work()

    failure_list.replay(firm.database, [1])
    firm.work()
    assert firm.states() == ["refused"]
    assert firm.failures() == [("1", "changed_meanwhile", "replayed"), ("1", "changed_meanwhile", "open")]

    firm.ledger.books[4711] = NORDVIND
    failure_list.replay(firm.database, [2])
    firm.work()
    assert firm.states() == ["written"]


def test_the_debtor_is_gone_or_another(firm: Firm) -> None:
    """Nothing is written under a number that is nobody's, or a stranger's."""
    firm.knows(NORDVIND._replace(number=4712, cvr="25511484"), Debtor(4713, "Sydvind"))
    for number in (4711, 4712, 4713):
        firm.ask(number, website="nordvind.example")
    del firm.ledger.books[4711]
    firm.ledger.books[4712] = Debtor(4712, "Vestvind", cvr="30303032")
    firm.ledger.books[4713] = Debtor(4713, "Østvind")

    firm.work()
    firm.drain(Kind.DEBTORS)

    assert "replace" not in firm.ledger.calls
    assert firm.states() == ["failed", "failed", "refused"]
    assert [reason for _, reason, _ in firm.failures()] == ["gone", "another_firm", "another_name"]
    assert scalar(firm.database, "SELECT count(*) FROM debtor WHERE gone_at IS NOT NULL") == 2
    with pytest.raises(NoDebtor, match="deleted"):
        firm.ask(4711, website="nordvind.example")


def test_a_renumbered_debtor_is_followed(firm: Firm) -> None:
    """It is the debtor that was meant, not the number."""
    firm.ask(phone="76000001")
    del firm.ledger.books[4711]
    firm.ledger.books[4800] = NORDVIND._replace(number=4800)
    do(
        firm.database,
        "INSERT INTO inbox (agreement, kind, source, old_number, new_number, correlation_id, received_at)"
        f" VALUES (:agreement, 'debtors', 'hook', 4711, 4800, 'c', {firm.database.sql.now})",
        agreement=AGREEMENT,
    )
    firm.drain(Kind.DEBTORS)

    firm.work()

    assert (firm.states(), firm.edit().number) == (["written"], 4800)
    assert firm.ledger.books[4800].phone == "76000001"


def test_a_debtor_deleted_at_that_moment(firm: Firm) -> None:
    """E-conomic makes it anew, which is said."""

    def deleted(moment: str) -> None:
        if moment == "replace":
            firm.ledger.books.pop(4711, None)

    firm.ledger.faults.append(deleted)
    firm.ask(phone="76000001")

    firm.work()

    assert firm.states() == ["failed"]
    assert firm.failures() == [("1", "made_anew", "open")]


def test_switched_off(firm: Firm) -> None:
    """Nothing is stored; what was asked for before is not written either, until it is on again and replayed."""
    firm.ask(phone="76000001")
    do(firm.database, "UPDATE agreement SET debtor_edits = false")

    with pytest.raises(EditsOff, match="--edits on"):
        firm.ask(phone="76000002")
    firm.work()

    assert firm.states() == ["failed"]
    assert "replace" not in firm.ledger.calls
    do(firm.database, "UPDATE agreement SET debtor_edits = true")
    failure_list.replay(firm.database, [1])
    firm.work()
    assert firm.states() == ["written"]


def test_what_cannot_be_written(sqlite_firm: Firm) -> None:
    """The field is named, and nothing is cut off."""
    for field, value, reason in (
        ("name", "", "must have a name"),
        ("name", "x" * 256, "takes 255"),
        ("city", "x" * 51, "51 characters, e-conomic takes 50"),
        ("ean", "5790000000013", "EAN number"),
        ("pno", "123", "10 digits"),
        ("barred", "true", "cannot be changed"),
        ("phone", 76000001, "must be text"),
        ("phone", "a\0b", "must be text"),
    ):
        with pytest.raises(BadChange, match=reason) as caught:
            sqlite_firm.ask(**{field: value})
        assert caught.value.field == field
    assert sqlite_firm.states() == []


def test_another_firm_is_no_edit(sqlite_firm: Firm) -> None:
    """Name and CVR number at once would be another firm; so what was seen elsewhere is no part of an edit."""
    with pytest.raises(BadChange, match="another firm"):
        sqlite_firm.ask(name="Sydvind", cvr="25511484")
    with pytest.raises(BadChange, match="not what it is to become"):
        sqlite_firm.ask(name="Sydvind", was={"zip": "8700"})
    sqlite_firm.ask(name="Sydvind")
    sqlite_firm.ask(vat="25511484")
    sqlite_firm.work()
    assert sqlite_firm.states() == ["written", "written"]


def test_a_hook_that_comes_first(firm: Firm) -> None:
    """E-conomic's own webhook may be handled before its answer is: the same edit, the same end."""
    once("replace done", lost(), ledger=firm.ledger)
    firm.ask(phone="76000001")
    firm.work()
    add_hints(firm.database, 4711)
    firm.drain(Kind.DEBTORS)

    firm.time_passes()
    firm.work()

    assert firm.states() == ["written"]
