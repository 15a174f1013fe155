"""A parent and two workers, each of which keeps records of a known size. The argument: how workers are started."""
import multiprocessing
import sys

RECORD_BYTES = 967  # 1,000 as a bytes object
kept = []


def make_record(number):
    return b"%-*d" % (RECORD_BYTES, number)


def keep_records(count):
    for number in range(count):
        kept.append(make_record(number))


if __name__ == "__main__":
    keep_records(400)
    context = multiprocessing.get_context(sys.argv[1])
    workers = [context.Process(target=keep_records, args=(count,)) for count in (30, 70)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    raise SystemExit(any(worker.exitcode for worker in workers))
