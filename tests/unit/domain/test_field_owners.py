"""Who owns a field, as people set it."""

from __future__ import annotations

import pytest

from domain.field_owners import NoSuchOwner, with_owners


def test_fields_that_belong_together_move_together() -> None:
    """To name one field of an address is enough; what is the default is not kept."""
    own = with_owners({"vat": "crm"}, {"zip": "e-conomic", "phone": "crm"})
    assert own == {
        "vat": "crm",
        **dict.fromkeys(("street", "zip", "city", "country"), "e-conomic"),
        "phone": "crm",
    }
    assert with_owners(own, {"city": "newest", "phone": "newest", "vat": "e-conomic"}) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cvr": "crm"}, "no field 'cvr', only name"),
        ({"vat": "me"}, "vat cannot belong to 'me', only to e-conomic, crm, newest"),
        ({"zip": "crm", "street": "newest"}, "zip and street are decided on together"),
    ],
)
def test_what_cannot_be(changes: dict[str, str], said: str) -> None:
    """The message names the field and what there is."""
    with pytest.raises(NoSuchOwner, match=said):
        with_owners({}, changes)
