"""Two tests for the gate: one keeps nothing, the other one keeps a buffer of each round."""

kept = []


def test_steady(memory_rounds):
    for number in memory_rounds:
        lines = [f"line {number} {i}" for i in range(1000)]
        assert len(lines) == 1000


def test_keeps(memory_rounds):
    for _ in memory_rounds:
        kept.append(bytearray(3000))
