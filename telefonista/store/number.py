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


_COSTLY = frozenset(
    {
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.UAN,
    }
)


@lru_cache(maxsize=4096)
def is_of_the_country(number: str, *, country: str = DEFAULT_COUNTRY) -> bool:
    """Whether a number that a citizen gave is one of this country, and of a person: who answers for the bill dials no
    number abroad, and none that earns its owner money by the call, because a stranger typed it. Never raises."""
    known = e164(number, country=country)
    if known is None:
        return False
    parsed = phonenumbers.parse(known, country)
    at_home = parsed.country_code == phonenumbers.country_code_for_region(country)
    return at_home and phonenumbers.number_type(parsed) not in _COSTLY
