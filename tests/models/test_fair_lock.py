from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lift_chat.models.fair_lock import SHARED_SECONDS, FairLock


def test_turns_are_granted_in_the_order_of_asking() -> None:
    lock, order, threads = FairLock(), [], []
    asked = [threading.Event() for _ in range(6)]

    def ask(number: int) -> None:
        asked[number].set()
        with lock.turn():
            order.append(number)

    with lock.turn():
        for number in range(6):
            thread = threading.Thread(target=ask, args=(number,))
            thread.start()
            asked[number].wait()
            while len(lock._waiting) <= number:  # until it really stands in line
                pass
            threads.append(thread)
    for thread in threads:
        thread.join()
    assert order == list(range(6))


def test_a_chat_gets_in_between_two_steps_of_a_loop_that_never_rests() -> None:
    lock, stop, steps, seen = FairLock(), threading.Event(), [0], []

    def train() -> None:
        while not stop.is_set():
            with lock.turn():
                steps[0] += 1

    thread = threading.Thread(target=train)
    thread.start()
    for _ in range(50):
        with lock.turn():
            seen.append(steps[0])
    stop.set()
    thread.join()
    assert len(seen) == 50


def test_who_has_the_device_is_told_of_others_and_not_of_itself() -> None:
    now = 100.0
    lock, told = FairLock(lambda: now), []

    def ask() -> None:
        with lock.turn() as shared:
            told.append(shared)

    def ask_elsewhere() -> None:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    ask()
    ask()
    ask_elsewhere()
    now += SHARED_SECONDS - 1
    ask()
    now += 1
    ask()
    assert told == [False, False, True, True, False]
    ask_elsewhere()
    assert told[-1]


def test_who_waits_counts_already() -> None:
    lock = FairLock()

    def wait() -> None:
        with lock.turn():
            pass

    with lock.turn() as shared:
        thread = threading.Thread(target=wait)
        thread.start()
        while not lock._waiting:
            pass
    with lock.turn() as later:
        pass
    thread.join()
    assert (shared, later) == (False, True)


def test_who_left_does_not_count_any_more_and_others_still_do() -> None:
    lock = FairLock()

    def ask() -> bool:
        with lock.turn() as shared:
            return shared

    with ThreadPoolExecutor(1) as estimating, ThreadPoolExecutor(1) as chatting:
        estimating.submit(ask).result()
        assert ask()
        estimating.submit(lock.leave).result()
        assert not ask()
        chatting.submit(ask).result()
        estimating.submit(ask).result()
        estimating.submit(lock.leave).result()
        assert ask()


def test_who_has_the_number_of_a_thread_that_ended_is_still_somebody_else() -> None:
    """Systems give the number of an ended thread to the next one."""
    lock, told, numbers = FairLock(), [], []

    def ask_and(leave: bool) -> None:
        with lock.turn() as shared:
            told.append(shared)
        numbers.append(threading.get_ident())
        if leave:
            lock.leave()

    def run(leave: bool) -> None:
        thread = threading.Thread(target=ask_and, args=(leave,))
        thread.start()
        thread.join()

    run(leave=False)
    while numbers.count(numbers[0]) == 1:
        time.sleep(0.001)  # until the system is done with it, too
        run(leave=True)
    assert told == [False] + [True] * (len(told) - 1)
    with lock.turn() as shared:
        assert shared


def test_an_error_in_a_turn_frees_the_device() -> None:
    lock = FairLock()
    with pytest.raises(ValueError), lock.turn():
        raise ValueError
    with lock.turn():
        pass
