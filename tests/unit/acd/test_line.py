"""A line: the smallest is first, whoever left is gone, and it stays as small as those who are in it."""

from hypothesis import given
from hypothesis import strategies as st

from acd.core.line import Line, Ticket


def ticket(key: float, order: int = 0) -> Ticket:
    return Ticket(key, order, None)


def test_first_of_a_line_is_the_smallest_whoever_came_last() -> None:
    line: Line[Ticket] = Line()
    assert line.first() is None
    tickets = [ticket(key, order) for order, key in enumerate((5, 4, 3, 2, 1, 0, 6))]
    for each in tickets:
        line.add(each)
    assert (line.first(), line.size) == (tickets[5], 7)
    assert line.in_order() == [tickets[n] for n in (5, 4, 3, 2, 1, 0, 6)]
    assert set(line.some(2)) <= set(tickets)


def test_equal_keys_are_in_the_order_of_their_numbers() -> None:
    line: Line[Ticket] = Line()
    second, first = ticket(1.0, 2), ticket(1.0, 1)
    line.add(second)
    line.add(first)
    assert line.in_order() == [first, second]
    assert line.first() is first


def test_who_left_and_came_back_is_there_once() -> None:
    line: Line[Ticket] = Line()
    one, two = ticket(1.0), ticket(2.0)
    line.add(one)
    line.add(two)
    line.discard(one)
    assert (one in line, line.first()) == (False, two)
    line.add(one)
    assert (line.first(), line.in_order(), set(line.some(5))) == (one, [one, two], {one, two})


def test_first_but_somebody_is_the_next_and_changes_nothing() -> None:
    line: Line[Ticket] = Line()
    one, two, stranger = ticket(1.0), ticket(2.0), ticket(0.0)
    line.add(one)
    assert line.first_but(one) is None
    line.add(two)
    assert (line.first_but(one), line.first_but(two), line.first_but(stranger)) == (two, one, one)
    assert line.in_order() == [one, two]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=200))
def test_line_is_always_what_a_sorted_list_would_be(steps: list[tuple[int, bool]]) -> None:
    line: Line[Ticket] = Line()
    there: list[Ticket] = []
    for order, (key, leaves) in enumerate(steps):
        if leaves and there:
            gone = there.pop(key % len(there))
            line.discard(gone)
        else:
            fresh = ticket(float(key), order)
            line.add(fresh)
            there.append(fresh)
        expected = sorted(there)
        assert line.first() is (expected[0] if expected else None)
        assert line.size == len(there)
    assert line.in_order() == sorted(there)


def test_line_through_which_many_go_holds_no_more_than_thrice_who_are_in_it() -> None:
    line: Line[Ticket] = Line()
    line.add(ticket(-1.0))
    for n in range(1000):
        passing = ticket(float(n), n)
        line.add(passing)
        line.discard(passing)
    assert sum(len(run) for run in line._runs) + len(line._heap) < 50


def test_who_left_a_line_in_which_nobody_is_in_order_is_found_neither_at_its_top_nor_near_it() -> None:
    line: Line[Ticket] = Line()
    tickets = [ticket(float(key)) for key in range(9, 0, -1)]
    for each in tickets:
        line.add(each)
    for gone in tickets[:2] + tickets[-2:]:
        line.discard(gone)
    assert set(line.some(9)) == set(tickets[2:-2])
    assert line.first() is tickets[-3]
    for gone in tickets[2:-2]:
        line.discard(gone)
    assert (line.first(), line.in_order()) == (None, [])
