#!/usr/bin/env python3
"""Faults of `fathom serve`: what happens to answers, ledger and cache when the machine misbehaves.

usage: tools/server_faults.py FATHOM [kill N | full | damaged | clock | all]

kill N   kill -9 under load N times (default 100): after each, the ledger has one row for every answer that a client has
         got, no row twice, none that still runs; seeded answers are the same bits, from the cache or not
full     a disk of 2 MiB (a tmpfs; without the right to mount one, a limit on the size of files): answers go on
damaged  bytes of the cache's files changed, cut or emptied: answers are the same bits
clock    the clock jumps ten years back and forth (needs libfaketime): answers go on

Only the Python standard library. Exits with 1 if something is wrong.
"""

import contextlib
import glob
import http.client
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BINARY = os.path.realpath(sys.argv[1])
PROMPTS = [f"Compute {a} + {b}." for a, b in [(12, 30), (123, 456), (7, 8), (90, 21)]] + [
    "Sort: " + " ".join(str(i * 7919 % 1000) for i in range(60)), "Write a story about a dog."]


class Server:
    running = []

    def __init__(self, folder, ledger=None, cache=None, limits=None, env=None):
        command = [BINARY, "serve", "--port", "0", "--drain-seconds", "2", "--log", "none",
                   "--ledger", str(ledger or folder / "ledger.sqlite"), "--cache-dir", str(cache or folder / "cache")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, preexec_fn=limits,
                                        env={**os.environ, **(env or {})})
        Server.running.append(self.process)
        timer = threading.Timer(120, self.process.kill)
        timer.start()
        found = re.match(r"ready http://[^:]+:(\d+)", self.process.stdout.readline())
        timer.cancel()
        if not found:
            raise RuntimeError("the server did not start")
        self.port = int(found.group(1))

    def ask(self, method, path, body=None, timeout=60):
        """(status, body); raises OSError or HTTPException if the connection breaks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json"})
            reply = connection.getresponse()
            text = reply.read().decode()
            return reply.status, json.loads(text) if text.lstrip().startswith("{") else text

    def answer(self, prompt, seed, tokens=24):
        return self.ask("POST", "/v1/chat/completions", {
            "model": "deepseek-chat", "messages": [{"role": "user", "content": prompt}], "seed": seed,
            "max_tokens": tokens})

    def metric(self, name):
        found = re.search(rf"^{name} (\S+)$", self.ask("GET", "/metrics")[1], re.M)
        return float(found.group(1)) if found else 0.0

    def rows(self):
        rows, cursor = [], ""
        while True:
            _, page = self.ask("GET", "/ledger?limit=1000" + cursor)
            rows += page["data"]
            if not page["has_more"]:
                return rows
            cursor = f"&cursor={page['next_cursor']}"

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(60)


def text_of(reply):
    return reply["choices"][0]["message"]["content"]


def expect(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def references(folder):
    """The answers of a server that nothing happens to."""
    server = Server(folder)
    answers = {(p, seed): text_of(server.answer(p, seed)[1]) for p in PROMPTS for seed in range(4)}
    server.stop()
    return answers


def kill(folder, wanted, times):
    """Load of eight clients, and a kill at any moment."""
    got, aborted, answered = {}, 0, 0
    dice = random.Random(1)
    for turn in range(times):
        server = Server(folder)
        lock, wrong = threading.Lock(), []

        def client(number, server=server, lock=lock, wrong=wrong):
            chosen = random.Random(turn * 100 + number)
            while True:
                key = (chosen.choice(PROMPTS), chosen.randrange(4))
                try:
                    status, reply = server.answer(*key)
                except (OSError, http.client.HTTPException):
                    return  # killed
                if status != 200 or text_of(reply) != wanted[key]:
                    wrong.append((key, status, reply))
                    return
                with lock:
                    got["req_" + reply["id"].removeprefix("chatcmpl-")] = reply["usage"]["completion_tokens"]

        clients = [threading.Thread(target=client, args=(n,)) for n in range(8)]
        for thread in clients:
            thread.start()
        time.sleep(dice.uniform(0.02, 0.5))
        server.stop(signal.SIGKILL)
        for thread in clients:
            thread.join()
        expect(not wrong, f"turn {turn}: {wrong[:1]}")
    server = Server(folder)
    rows = server.rows()
    ids = [row["request_id"] for row in rows]
    expect(len(ids) == len(set(ids)), "a row twice")
    by_id = {row["request_id"]: row for row in rows}
    for request, tokens in got.items():
        expect(request in by_id, f"{request} was answered and has no row")
        expect(by_id[request]["status"] == "ok", f"{request} was answered: {by_id[request]}")
        expect(by_id[request]["usage"]["completion_tokens"] == tokens, f"{request}: other tokens")
    statuses = {row["status"] for row in rows}
    expect(statuses <= {"ok", "aborted", "cancelled"}, f"rows of {statuses}")
    aborted = sum(row["status"] == "aborted" for row in rows)
    for key, text in wanted.items():
        expect(text_of(server.answer(*key)[1]) == text, f"another answer to {key}")
    answered = len(got)
    hits = server.metric("fathom_cache_disk_hits_total")
    server.stop()
    return f"{times} kills, {answered} answers got, {len(rows)} rows, {aborted} aborted, {hits:.0f} hits on disk at the end"


def full(folder, wanted, _):
    """Of the cache, which costs nothing but speed; then of the ledger: what cannot be written down is not answered."""
    small, limits, kind = folder / "small", None, "tmpfs of 2 MiB"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(small)], capture_output=True,
                             check=False).returncode == 0
    if not mounted:
        kind = "files of at most 64 KiB"

        def limits():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    try:
        server = Server(folder, cache=small, limits=limits)
        for _ in range(2):
            for key, text in wanted.items():
                status, reply = server.answer(*key)
                expect(status == 200 and text_of(reply) == text, f"{key}: {status} {reply}")
            for i in range(60):
                expect(server.answer(f"Sort: {i} " + "5 3 9 " * 80, i, 4)[0] == 200, "an answer failed")
        failed = server.metric("fathom_cache_failed_writes_total")
        expect(failed > 0, "no write failed")
        expect(server.stop() == 0, "it did not end well")
        if not mounted:
            return f"{kind}: {failed:.0f} writes of the cache failed, no answer"
        for file in glob.glob(f"{small}/**/*.state", recursive=True):
            os.unlink(file)
        server = Server(folder, ledger=small / "ledger.sqlite")
        with contextlib.suppress(OSError):  # fills what is left
            (small / "filler").write_bytes(b"x" * (4 << 20))
        refused = 0
        for i in range(200):
            status, reply = server.answer(f"Compute {i} + 1.", 1, 2)
            expect(status in (200, 503), f"ledger on a full disk: {status} {reply}")
            refused += status == 503
        (small / "filler").unlink()
        expect(server.answer("Compute 1 + 1.", 1, 2)[0] == 200, "it did not go on once there was room")
        good = {row["status"] for row in server.rows()}
        expect(good <= {"ok", "error"}, f"rows of {good}")
        expect(server.stop() == 0, "it did not end well")
        return (f"{kind}: {failed:.0f} writes of the cache failed and no answer; with the ledger on a full disk"
                f" {refused} of 200 requests answered 503, the next one with room again 200")
    finally:
        for process in Server.running:
            process.kill()
            process.wait()
        if mounted:
            subprocess.run(["umount", str(small)], check=False)


def damaged(folder, wanted, _):
    dice, damaged_files = random.Random(2), 0
    for turn in range(12):
        server = Server(folder)
        for key, text in wanted.items():
            expect(text_of(server.answer(*key)[1]) == text, f"turn {turn}: another answer to {key}")
        damaged_files += server.metric("fathom_cache_damaged_total")
        server.stop()
        for name in glob.glob(f"{folder}/cache/*/*.state"):
            size = os.path.getsize(name)
            what = dice.randrange(4)
            with open(name, "r+b") as file:
                if what == 0:  # one bit
                    file.seek(dice.randrange(size))
                    byte = file.read(1)
                    file.seek(-1, os.SEEK_CUR)
                    file.write(bytes([byte[0] ^ 1 << dice.randrange(8)]))
                elif what == 1:
                    file.truncate(dice.randrange(size))
                elif what == 2:
                    file.write(os.urandom(min(size, 4096)))
    expect(damaged_files > 0, "no damaged file was noticed")
    return f"12 turns, {damaged_files:.0f} damaged files found and left aside"


def clock(folder, wanted, _):
    libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1") + glob.glob("/usr/lib/faketime/libfaketime.so.1")
    if not libraries:
        return "left out: libfaketime is not installed"
    now = folder / "now"
    now.write_text("+0\n")
    server = Server(folder, env={"LD_PRELOAD": libraries[0], "FAKETIME_TIMESTAMP_FILE": str(now), "FAKETIME_NO_CACHE": "1",
                                 "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    asked, years = 0, set()
    for jump in ["+0", "-10y", "+10y", "-1d", "+0"]:
        now.write_text(jump + "\n")
        for key, text in wanted.items():
            status, reply = server.answer(*key)
            expect(status == 200 and text_of(reply) == text, f"{jump}: {key}: {status} {reply}")
            years.add(time.gmtime(reply["created"]).tm_year)
            asked += 1
    expect(len(years) == 3, f"the clock did not jump: {years}")
    rows = server.rows()
    expect(len(rows) == len({row["request_id"] for row in rows}) == asked, f"{len(rows)} rows for {asked} answers")
    expect(server.stop() == 0, "it did not end well")
    return f"5 jumps, {asked} answers, {len(rows)} rows"


def main():
    which = sys.argv[2] if len(sys.argv) > 2 else "all"
    times = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    faults = {"kill": kill, "full": full, "damaged": damaged, "clock": clock}
    with tempfile.TemporaryDirectory(prefix="fathom-faults-") as name:
        root = pathlib.Path(name)
        (root / "reference").mkdir()
        wanted = references(root / "reference")
        for fault in faults if which == "all" else [which]:
            folder = root / fault
            folder.mkdir()
            begin = time.monotonic()
            print(f"{fault}: {faults[fault](folder, wanted, times)} ({time.monotonic() - begin:.0f} s)", flush=True)
            shutil.rmtree(folder, ignore_errors=True)


main()
