"""Numbers of identity documents, as people type them on a telephone: how long they are and whether they can be right.

In: digits (and for a RUT the asterisk that stands for its K). Out: true or false. Checks are of form alone: whether the
document exists is another's to say. Must never import another room.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

_CEDULA_WEIGHTS = (2, 9, 8, 7, 6, 3, 4)
_CUIT_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_RUT_WEIGHTS = (2, 3, 4, 5, 6, 7)
RUT_K_KEY = "*"
"""No telephone has a K."""


_RUT_CHECKS = f"0123456789{RUT_K_KEY}"


class Document(NamedTuple):
    """A kind of document; lengths in keys, check digit included."""

    least: int
    most: int
    is_valid: Callable[[str], bool]


def _is_cedula(digits: str) -> bool:
    """Cédula de identidad uruguaya: the check digit makes the weighted sum a multiple of ten; older ones have six
    digits before it, and count as if a zero stood first."""
    body, check = digits[:-1].rjust(len(_CEDULA_WEIGHTS), "0"), int(digits[-1])
    weighted = sum(int(digit) * weight for digit, weight in zip(body, _CEDULA_WEIGHTS, strict=True))
    return (weighted + check) % 10 == 0 and int(body) > 0


def _is_rut(keys: str) -> bool:
    """RUT chileno: modulo 11, weights 2 to 7 from the right; a rest of one is written K."""
    body, check = keys[:-1], keys[-1]
    if not body.isdigit() or not int(body):
        return False
    weighted = sum(int(digit) * _RUT_WEIGHTS[n % 6] for n, digit in enumerate(reversed(body)))
    return check == _RUT_CHECKS[-weighted % 11]


def _is_dni(digits: str) -> bool:
    """DNI argentino: it has no check digit."""
    return digits[0] != "0"


def _is_cuit(digits: str) -> bool:
    """CUIT or CUIL argentino: modulo 11; a number whose check would be ten is never given out."""
    weighted = sum(int(digit) * weight for digit, weight in zip(digits[:-1], _CUIT_WEIGHTS, strict=True))
    return int(digits) > 0 and -weighted % 11 == int(digits[-1])


DOCUMENTS: Mapping[str, Document] = {
    "cedula": Document(7, 8, _is_cedula),
    "rut": Document(8, 9, _is_rut),
    "dni": Document(7, 8, _is_dni),
    "cuit": Document(11, 11, _is_cuit),
}
"""By the word that a flow uses. `is_valid` takes keys of a length between the two."""


def written(keys: str) -> str:
    """The number as it is written on paper."""
    return keys.replace(RUT_K_KEY, "K")
