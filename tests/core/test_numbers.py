import random

from argosy.core.numbers import Numbers


def test_numbers_are_held_by_group() -> None:
    numbers, some = Numbers(), {random.getrandbits(bits) for bits in range(1, 64) for _ in range(50)}
    for number in some:
        numbers.add("a", number)
    assert all(numbers.holds("a", number) for number in some)
    assert not any(numbers.holds("a", number + 1) for number in some if number + 1 not in some)
    assert not any(numbers.holds("b", number) for number in some)


def test_others_are_taken_in() -> None:
    one, other = Numbers(), Numbers()
    one.add("a", 1)
    other.add("a", 2)
    other.add("b", 1)
    one.update(other)
    assert all(one.holds(*held) for held in [("a", 1), ("a", 2), ("b", 1)])
    assert not other.holds("a", 1)
