from __future__ import annotations

from hubsec.buckets import Bucket


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    bucket = Bucket(3, 0.5)
    assert [bucket.take(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(12.0) for _ in range(2)] == [True, False]
    assert [bucket.take(1000.0) for _ in range(5)] == [True, True, True, False, False]
