"""What each status becomes, and how e-conomic's explanations read."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from domain.errors import (
    Blocked,
    CredentialsRefused,
    DebitorError,
    PermanentError,
    Rejected,
    ServiceGone,
    TransientError,
    Unavailable,
)
from infra.economic.errors import MAX_EXPLANATION, explain
from tests.unit.economic.support import Answers, agreement, samples

NOT_FOUND, BAD_FILTER, INVALID = samples("errors_rest")
OPENAPI = samples("errors_openapi")


def failure(response: httpx.Response, method: str = "debtors_after") -> DebitorError:
    """The error one call raises on an answer."""
    with pytest.raises(DebitorError) as caught:
        getattr(agreement(Answers(response)), method)(1)
    return caught.value


@pytest.mark.parametrize("method", ["debtors_after", "debtor"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Rejected) for status in (400, 402, 403, 405, 406, 409, 413, 414, 415, 422, 431, 451, 501)),
        *((status, Unavailable) for status in (408, 425, 500, 502, 503, 504, 505, 507, 599)),
        *((status, Unavailable) for status in (201, 202, 204, 206, 301, 302, 304, 307, 308)),
        (401, CredentialsRefused),
        (410, ServiceGone),
    ],
)
def test_statuses(status: int, kind: type[DebitorError], method: str) -> None:
    """Every status other than 200 has one meaning, whatever was asked."""
    if method == "debtor" and status in (402, 403, 410):  # no single debtor is at fault
        kind = Blocked
    error = failure(httpx.Response(status, headers={"Location": "http://elsewhere.example/"}), method)

    assert isinstance(error, kind)
    assert isinstance(error, TransientError) is not isinstance(error, PermanentError)
    assert not isinstance(error, Rejected) or error.status == status


@pytest.mark.parametrize("method", ["debtors_after", "invoices_after", "unpaid_after"])
def test_list_that_is_gone(method: str) -> None:
    """A 404 of a whole list is a retired service, never an empty page."""
    assert isinstance(failure(httpx.Response(404, content=NOT_FOUND), method), ServiceGone)


def test_services_that_are_gone() -> None:
    """The line service and the identity are no single resources either."""
    answers = Answers(httpx.Response(404, content=OPENAPI[0]))

    with pytest.raises(ServiceGone, match="/v5/invoices/booked/lines"):
        agreement(answers).lines([1])
    with pytest.raises(ServiceGone):
        agreement(answers).lines_page(None)
    with pytest.raises(ServiceGone):
        agreement(answers).identity()


def test_redirects_are_not_followed() -> None:
    """The tokens go nowhere else."""
    answers = Answers(httpx.Response(302, headers={"Location": "http://elsewhere.example/"}))

    with pytest.raises(Unavailable):
        agreement(answers).debtors_after(0)
    assert len(answers.requests) == 1


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (NOT_FOUND, "Resource not found. (log id 8d79f54f226ebe44-CPH)"),
        (
            BAD_FILTER,
            "Could not parse query string filter.; Filtering is not allowed on property 'remainder'.; "
            "allowed: bookedInvoiceNumber, date, customer.customerNumber (log id a2a282a7…-CPH)",
        ),
        (
            INVALID,
            "Validation error.; currency: currency does not exist. [E06000]; paymentTerms: paymentTerms does not "
            "exist. [E06000]; lines[0].unit: unit does not exist. [E06000]; lines[0].unitNetPrice: …two decimal "
            "places. [E04740]; lines[1].product: No identifiers present on product… [E04500] (log id …)",
        ),
        (
            OPENAPI[0],
            "Resource not found.; The resource you have been looking for does not exist.; [ResourceNotFound] "
            "(log id a2a259bb…-CPH)",
        ),
        (
            OPENAPI[1],
            "One or more errors occurred; [BadFilterRequest]; Filtering is not allowed on property 'zz'. "
            "[BadFilterRequest] (log id …)",
        ),
        (OPENAPI[2], "The resource has been updated by another user; [UpdateConflict] (log id …)"),
        (OPENAPI[3], "Missing modules: Project; [AccessDeniedAgreementMissingModules] (log id …)"),
    ],
)
def test_recorded_explanations(body: bytes, line: str) -> None:
    """Every recorded error body reads as one line."""
    assert explain(body) == line


def test_newer_validation_body() -> None:
    """The form seen since 2020: objects in an array, with property names; values are not repeated (§8)."""
    error = {
        "propertyName": "customerGroup",
        "errorMessage": "no such group",
        "errorCode": "E07140",
        "inputValue": "x1",
    }
    body = {"message": "Validation", "errorCode": "E04300", "errorCount": 1, "errors": [error], "logId": "a-FRA"}

    assert explain(json.dumps(body).encode()) == (
        "Validation; [E04300]; customerGroup: no such group [E07140] (log id a-FRA)"
    )


@pytest.mark.parametrize("errors", ["null", "[]", "{}", '""', "7", "true", "[null,7]", '{"a":null}', "[[]]"])
def test_errors_of_no_use(errors: str) -> None:
    """An empty or odd `errors` leaves the message."""
    assert explain(b'{"message":"No.","errors":%s}' % errors.encode()) == "No."


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b"null", b"{", b'"text"', b"\xff", b"[" * 100_000])
def test_unexplained(body: bytes) -> None:
    """A body that is no JSON object explains nothing; the refusal stands."""
    error = failure(httpx.Response(400, content=body))

    assert isinstance(error, Rejected)
    assert (error.status, error.body) == (400, "")
    assert "no reason given" in str(error)


def test_long_explanation_is_cut() -> None:
    """At most 2,000 characters on one line, and the log id survives."""
    body = {"message": "x\r\n\x00" * 3_000, "errors": ["y" * 5_000] * 500, "logId": "z" * 900 + "-CPH"}

    error = failure(httpx.Response(400, content=json.dumps(body).encode()))

    assert isinstance(error, Rejected)
    assert len(error.body) == MAX_EXPLANATION
    assert error.body.isprintable()
    assert error.body.endswith("z)")


def test_deep_explanation_ends() -> None:
    """A body nested without end is walked only so far."""
    body: Any = {"errorCode": "E1"}
    for _ in range(400):
        body = {"inner": [body]}

    assert explain(json.dumps({"message": "m", "errors": body}).encode()) == "m"


def test_refused_tokens_do_not_quote_the_answer() -> None:
    """The body of a 401 is not confirmed, so it is neither believed nor shown."""
    error = failure(httpx.Response(401, content=b'{"message":"token grant-never-shown is bad"}'))

    assert "never-shown" not in str(error)
