"""CPython builds documents, writes them as JSON and parses them again. Usage: json_work.py ROUNDS"""
import json
import random
import sys


def document(numbers):
    return [
        {
            "id": i,
            "name": "user %d" % numbers.randrange(1 << 30),
            "tags": ["tag%d" % numbers.randrange(1000) for _ in range(5)],
            "scores": {"s%d" % k: numbers.random() for k in range(4)},
            "address": {"street": "%d Mud Lane" % i, "city": "Tidewater", "open": i % 3 == 0},
        }
        for i in range(8000)
    ]


def main():
    numbers = random.Random(7)
    for _ in range(int(sys.argv[1])):
        built = document(numbers)
        parsed = json.loads(json.dumps(built))
        if parsed != built:
            sys.exit("what was parsed is not what was built")


main()
