"""A citizen's number as one spelling: E.164 (`+59899123456`), by which earlier calls are found.

In goes whatever the network gave as the caller, untrusted; out comes the number or None. Decides nothing else.
"""

import re
from functools import lru_cache

import phonenumbers

DEFAULT_COUNTRY = "UY"

_DIALLABLE = re.compile(r"\+?[0-9][0-9 ().-]{2,31}", re.ASCII)
"""Digits and the usual separators only: letters (`0800-INFO`), extensions and URIs name no citizen."""


@lru_cache(maxsize=4096)
def e164(caller: str, *, country: str = DEFAULT_COUNTRY) -> str | None:
    """The number in E.164, read as it would be dialled in `country` (ISO 3166, two letters).

    None for an anonymous, short, malformed or unassigned one. Never raises.
    """
    if not _DIALLABLE.fullmatch(caller):
        return None
    try:
        number = phonenumbers.parse(caller, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
