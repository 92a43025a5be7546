"""The CRM as an outside thing: signatures, and the way to its addresses."""
