"""The pauses before a process is started again."""

from custody.serve.backoff import LONGEST, SETTLED, Backoff


def test_the_first_restart_is_at_once_and_the_pauses_grow_to_the_longest() -> None:
    backoff = Backoff()
    pauses = [backoff.delay(0.1) for _ in range(9)]
    assert pauses == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST, LONGEST]


def test_a_process_that_lived_long_enough_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(9):
        backoff.delay(0.0)
    assert backoff.delay(SETTLED) == 0.0
    assert backoff.delay(0.0) == 0.1
