"""A server that nobody logs out of: its sessions stay in a dictionary. Ends after a minute, or with its input."""
import os
import select
import sys

sessions = {}


class Session:
    def __init__(self, number):
        self.number = number
        self.inbox = bytearray(200)


def log_in(number):
    sessions["user%d" % number] = Session(number)


print(os.getpid(), flush=True)
for number in range(60000):
    log_in(number)
    if select.select([sys.stdin], [], [], 0.001)[0]:
        break
