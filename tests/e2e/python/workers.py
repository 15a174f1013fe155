"""A parent and two workers, forked, each of which keeps something."""
import os

kept = []


def keep_some(count):
    kept.append([str(i) * 20 for i in range(count)])


def work(count):
    process = os.fork()
    if process == 0:
        keep_some(count)
        os._exit(0)
    return process


keep_some(500)
workers = [work(100), work(200)]
for process in workers:
    os.waitpid(process, 0)
