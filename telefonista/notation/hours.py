"""Whether a line's office is open at a given moment: weekly hours, days of its own, public holidays.

In: hours as a flow states them and a moment, an argument as everywhere. Out: true or false. Holidays come from the
library `holidays` and time zones from `zoneinfo`: both are tables, the same answer for the same question always, read
from disk once; they are kept here so that a call asks memory. Must never import a room.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import holidays
import msgspec

MINUTES_OF_DAY = 24 * 60
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Spans = tuple[tuple[int, int], ...]
"""Minutes of a day, from the first on, to the second but without it; none: closed."""


class OpeningHours(msgspec.Struct, frozen=True, kw_only=True):
    zone: str
    """A time zone of the IANA database."""
    weekly: tuple[Spans, ...]
    """From Monday to Sunday."""
    days: Mapping[date, Spans] = {}
    """These stand before holidays and weekdays."""
    country: str = ""
    """ISO 3166: whose public holidays are kept; empty: none."""
    subdivision: str = ""

    def is_open(self, at: float) -> bool:
        """At this moment, epoch seconds. A moment beyond the calendar counts as closed."""
        try:
            moment = datetime.fromtimestamp(at, tz=zone(self.zone))
        except (ValueError, OverflowError, OSError):
            return False
        minute = moment.hour * 60 + moment.minute
        return any(first <= minute < last for first, last in self.spans(moment.date()))

    def left_s(self, at: float) -> float | None:
        """For how many seconds from this moment (epoch seconds) it stays open, as far as to the end of the day; None
        while it is closed."""
        if not self.is_open(at):
            return None
        moment = datetime.fromtimestamp(at, tz=zone(self.zone))
        minute = moment.hour * 60 + moment.minute
        closing = minute
        while any(first <= closing < last for first, last in self.spans(moment.date())):
            closing = max(last for first, last in self.spans(moment.date()) if first <= closing < last)
        seconds = moment.second + moment.microsecond / 1e6
        return (closing - minute) * 60 - seconds

    def spans(self, day: date) -> Spans:
        if day in self.days:
            return self.days[day]
        if self.country and day in public_holidays(self.country, subdivision=self.subdivision, year=day.year):
            return ()
        return self.weekly[day.weekday()]


@cache
def zone(name: str) -> ZoneInfo:
    """Raises ValueError or KeyError (ZoneInfoNotFoundError) for a name that is none."""
    return ZoneInfo(name)


@lru_cache(maxsize=64)
def public_holidays(country: str, *, subdivision: str, year: int) -> frozenset[date]:
    """Raises NotImplementedError for a country or subdivision that the library does not know."""
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))
