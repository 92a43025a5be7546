"""
Short texts that tell whether content became another one.
"""

from __future__ import annotations

from hashlib import blake2b


def spelling(record: type[tuple[object, ...]], first: int) -> str:
    """
    The %-format that writes a named tuple's fields from the `first` on; made once for a type, it is fast.

    Text is quoted: a comma in it ends nothing, and `None` is not what is absent.
    """
    kinds = list(record.__annotations__.values())[first:]
    return ",".join("%r" if "str" in str(kind) else "%s" for kind in kinds)


def fingerprint(content: str) -> str:
    """16 hexadecimal digits that differ when the content differs."""
    return blake2b(content.encode(), digest_size=8).hexdigest()
