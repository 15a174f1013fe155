"""The demonstration's Python program: answers requests of users whose sessions it opens and closes.

Every fourth session expires, and the extension module loses its token then: 1,000 bytes. Every fourth answer is
recorded in a list that nobody empties: 467 bytes of text, 500 as a bytes object.
"""
import json
import os
import sys
import time

import leaky_extension as sessions

RECORD_BYTES = 467
audit = []


def keep_record(number):
    record = b"%-*d" % (RECORD_BYTES, number)  # the line that the demonstration must name
    audit.append(record)


def answer(number):
    session = sessions.open(f"user{number % 50}")
    body = json.dumps({"request": number, "items": list(range(number % 40))})
    if number % 4 == 1:
        keep_record(number)
    sessions.close(session, number % 4 == 0)
    return len(json.loads(body)["items"])


def serve(first, count):
    return sum(answer(number) for number in range(first, first + count))


serve(0, 400)
sessions.mark("after warm-up")
total = serve(400, 2000)
print(os.getpid(), flush=True)  # the script asks for a snapshot now and then writes a line
sys.stdin.readline()
for batch in range(20):
    total += serve(2400 + batch * 100, 100)
    time.sleep(0.01)
