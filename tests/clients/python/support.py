"""What the client checks have in common: servers on free ports, and checks that are counted."""

import asyncio
import inspect
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

MODEL = "deepseek-v4-flash"
QUESTION = [{"role": "user", "content": "Compute 123 + 456."}]
OFF = {"thinking": {"type": "disabled"}}
STORY = [{"role": "user", "content": "Write a story."}]
# An answer that does not end by itself: the end of a turn is never sampled.
ENDLESS = {"model": MODEL, "messages": STORY, "max_tokens": 60_000, "temperature": 1.5, "logit_bias": {"1": -100}}


class Server:
    """`fathom serve` on a free port."""

    def __init__(self, binary, *args):
        command = [binary, "serve", "--port", "0", "--drain-seconds", "2", "--log", "none", *args]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        timer = threading.Timer(60, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        found = re.match(r"ready (http://\S+)", line)
        if not found:
            raise RuntimeError(f"no ready line, but {line!r}")
        self.url = found.group(1)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return reply.read().decode()

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        return urllib.request.urlopen(request, timeout=60)

    def rows(self):
        return int(re.search(r"^fathom_batch_rows (\d+)", self.get("/metrics"), re.M).group(1))

    def expect_no_rows(self):
        until = time.monotonic() + 5
        while self.rows() and time.monotonic() < until:
            time.sleep(0.02)
        assert self.rows() == 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


class KeyedServer(Server):
    """One that asks for keys: `free` without limits, `once` one request a minute, `poor` no money, `none` no model."""

    def __init__(self, binary):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fathom-clients-"))
        file = self.folder / "keys.toml"

        def add(*args):
            done = subprocess.run([binary, "keys", file, *args], capture_output=True, text=True, timeout=60, check=True)
            return done.stdout.split()[-1]

        self.keys = {"free": add("free"), "once": add("once", "--requests-per-minute", "1"),
                     "poor": add("poor", "--balance", "0"), "none": add("none", "--model", "another")}
        super().__init__(binary, "--keys", str(file), "--ledger", str(self.folder / "ledger.sqlite"))

    def stop(self):
        code = super().stop()
        shutil.rmtree(self.folder)
        return code


class NarrowServer(Server):
    """One with failures to show: one row, a queue of one, two seconds in it, six an answer."""

    def __init__(self, binary):
        # v4-10m: its context is too long to be filled in that time.
        super().__init__(
            binary, "-m", "v4-10m", "--max-rows", "1", "--max-queue", "1", "--queue-seconds", "2", "--max-seconds", "6"
        )

    def busy(self):
        """Takes the only row; close() of what it returns gives it back."""
        self.expect_no_rows()
        reply = self.post("/v1/chat/completions", {**ENDLESS, **OFF, "stream": True})
        reply.read(1)
        until = time.monotonic() + 30
        while not self.rows() and time.monotonic() < until:  # the first chunk comes while it still waits
            time.sleep(0.01)
        return reply


passed, failed = 0, 0


def check(name):
    """Runs the function that it decorates, which may be a coroutine, for at most a minute."""

    def run(work):
        global passed, failed
        result = []

        def body():
            try:
                value = work()
                if inspect.iscoroutine(value):
                    asyncio.run(value)
                result.append(None)
            except BaseException:  # noqa: BLE001: whatever it is, the check has failed
                result.append(traceback.format_exc())

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        thread.join(60)
        if result and result[0] is None:
            passed += 1
        else:
            failed += 1
            print(f"failed: {name}: {result[0] if result else 'took more than 60 s'}")
        return work

    return run


def finish():
    print(f"{passed} passed, {failed} failed")
    sys.stdout.flush()
    os._exit(0 if failed == 0 else 1)  # a check that hangs keeps its thread


def raises(kind, work):
    """The exception of `kind` that work() raises."""
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, but nothing was raised")
