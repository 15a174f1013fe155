"""A memory gate for pytest: tests whose work is repeated, under `mudlark gate run`.

    def test_cache(memory_rounds):
        for _ in memory_rounds:
            work()

    mudlark gate run -- python3 -m pytest test_cache.py::test_cache

Each round is an iteration that Mudlark judges growth by. One such test a run: what pytest itself keeps of a test that
has ended is not the test's. Without Mudlark the rounds are few and nothing is judged.
"""
import ctypes
import gc

import pytest

ROUNDS = 25  # 5 for warm-up and 20 to judge: the defaults of `mudlark gate run`
ROUNDS_ALONE = 3


def _mark():
    try:
        return ctypes.CDLL(None).mudlark_mark
    except AttributeError:
        return None


@pytest.fixture
def memory_rounds():
    def rounds():
        mark = _mark()
        for number in range(ROUNDS if mark else ROUNDS_ALONE):
            yield number
            gc.collect()
            if mark:
                mark()

    return rounds()
