"""Uses much of what CPython has in C: threads, regular expressions, asyncio, sqlite3, subprocesses, decimals."""
import asyncio
import collections
import decimal
import json
import re
import sqlite3
import subprocess
import threading


def work():
    json.loads(json.dumps({str(i): [i, {"n": i}] for i in range(1000)}))


async def wait():
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(20)))


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
asyncio.new_event_loop().run_until_complete(wait())
re.compile("(a|b)+c(?P<name>.*)").match("ababc text").group("name")
database = sqlite3.connect(":memory:")
database.execute("create table t(a, b)")
database.executemany("insert into t values(?, ?)", [(i, str(i)) for i in range(500)])
database.execute("select count(*), max(b) from t").fetchall()
database.close()
subprocess.check_output(["true"])
point = collections.namedtuple("point", "x y")
sum(decimal.Decimal(i) / 7 for i in range(100)) + point(1, 2).x
