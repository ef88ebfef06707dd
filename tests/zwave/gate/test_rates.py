from __future__ import annotations

from hubsec_zwave.gate.rates import Rate


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    rate = Rate(3, 0.5)
    assert [rate.allows(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert [rate.allows(12.0) for _ in range(2)] == [True, False]
    assert [rate.allows(1000.0) for _ in range(5)] == [True, True, True, False, False]
