#!/usr/bin/env python3
"""Load on `fathom serve`, and what it measures.

usage: tools/server_load.py FATHOM [stream SECONDS CLIENTS | idle N | slow | cached TOKENS | batch | all]

stream  so many clients, each streaming one answer after the other for so long (default 600 s, 200 clients): none may fail,
        the memory is flat, the clients get equal shares
idle    so many connections that say nothing (default 10,000) while others are answered
slow    readers that stop reading, beside readers that do not
cached  time to the first token of a prompt of so many tokens (default 60,000; beyond the bundled model's context, a model of
        its size with random weights and a longer one), read and from the cache
batch   tokens per second of 32 answers at once, and the time per token of one, over HTTP and in the engine's own steps

Only the Python standard library, and only the loopback address. Exits with 1 if something is wrong.
"""

import contextlib
import http.client
import json
import os
import re
import resource
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BINARY = os.path.realpath(sys.argv[1])
HEADERS = {"content-type": "application/json"}


class Server:
    def __init__(self, *args):
        command = [BINARY, "serve", "--port", "0", "--log", "none", "--drain-seconds", "5", *args]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        timer = threading.Timer(120, self.process.kill)
        timer.start()
        found = re.match(r"ready http://[^:]+:(\d+)", self.process.stdout.readline())
        timer.cancel()
        if not found:
            raise SystemExit("FAILED: the server did not start")
        self.port = int(found.group(1))

    def ask(self, method, path, body=None, timeout=600):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body else None, HEADERS)
            reply = connection.getresponse()
            text = reply.read().decode()
            return reply.status, json.loads(text) if text.lstrip().startswith("{") else text

    def metric(self, name):
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", self.ask("GET", "/metrics")[1], re.M)
        return float(found.group(1)) if found else 0.0

    def resident(self):
        return self.metric("process_resident_memory_bytes") / 2**20

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def chat(text, tokens, **more):
    return {"model": "deepseek-chat", "messages": [{"role": "user", "content": text}], "max_tokens": tokens,
            "logit_bias": {"1": -100}, **more}


def expect(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def request_bytes(body):
    text = json.dumps(body)
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n{text}").encode()


class Streaming:
    """One client that streams one answer after the other over one connection."""

    def __init__(self, server, number, tokens):
        self.number, self.tokens, self.asked, self.chunks, self.done = number, tokens, 0, 0, 0
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setblocking(False)
        self.next()

    def next(self):
        self.asked += 1
        self.tail = b""
        body = chat(f"Write a story about {self.number}.", self.tokens, stream=True, seed=self.asked)
        self.socket.send(request_bytes(body))

    def read(self):
        """False if the connection broke or an answer was none."""
        data = self.socket.recv(1 << 16)
        if not data:
            return False
        self.chunks += data.count(b'"delta":{"content":"')
        self.tail = (self.tail + data)[-200:]
        if b"HTTP/1.1 " in data and b"HTTP/1.1 200" not in data or b'{"error"' in data:
            return False
        if b"[DONE]" in self.tail and self.tail.endswith(b"0\r\n\r\n"):
            self.done += 1
            self.next()
        return True


def stream(seconds=600, count=200):
    server = Server("--cache", "64M")  # states kept for later fill their share first
    chooser = selectors.DefaultSelector()
    clients = [Streaming(server, n, 64) for n in range(count)]
    for client in clients:
        chooser.register(client.socket, selectors.EVENT_READ, client)
    memory, failed, begin, next_look = [], 0, time.monotonic(), 0.0
    while (now := time.monotonic() - begin) < seconds:
        for key, _ in chooser.select(1):
            if not key.data.read():
                failed += 1
                chooser.unregister(key.fileobj)
        if now >= next_look:
            memory.append(server.resident())
            next_look = now + seconds / 20
    answers = [client.done for client in clients]
    chunks = sum(client.chunks for client in clients)
    expect(failed == 0, f"{failed} clients failed")
    expect(min(answers) > 0, "a client had no answer")
    late = memory[len(memory) // 4:]
    expect(max(late) - late[0] < 0.1 * late[0] + 32, f"memory grows: {memory}")
    share = min(answers) / statistics.mean(answers)
    expect(share > 0.8, f"shares are not fair: {min(answers)} to {max(answers)} answers")
    for client in clients:
        client.socket.close()
    expect(server.stop() == 0, "it did not end well")
    return (f"{count} clients, {seconds} s: {sum(answers)} answers ({min(answers)} to {max(answers)} a client), none failed,"
            f" {chunks / seconds:.0f} pieces/s, memory {late[0]:.0f} MiB after a quarter, {late[-1]:.0f} MiB at the end")


def idle(count=10_000):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 100:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 100), hard))
    server = Server()
    before = server.resident()
    sockets = []
    for _ in range(count):
        sockets.append(socket.create_connection(("127.0.0.1", server.port)))
    until = time.monotonic() + 60
    while server.metric("fathom_connections") < count and time.monotonic() < until:
        time.sleep(0.1)
    expect(server.metric("fathom_connections") >= count, "connections are missing")
    between = server.resident()
    status, _ = server.ask("POST", "/v1/chat/completions", chat("Compute 1 + 2.", 8))
    expect(status == 200, "no answer beside them")
    begin = time.monotonic()
    while server.metric("fathom_connections") > 10 and time.monotonic() < begin + 120:
        time.sleep(1)
    left = server.metric("fathom_connections")
    expect(left <= 10, f"{left} connections are left after two minutes")
    after = server.resident()
    for one in sockets:
        one.close()
    expect(server.stop() == 0, "it did not end well")
    return (f"{count} connections: {before:.0f} MiB before, {between:.0f} MiB with them, {after:.0f} MiB after;"
            f" all closed within {time.monotonic() - begin:.0f} s")


def timed_stream(server, tokens=200):
    begin = time.monotonic()
    status, _ = server.ask("POST", "/v1/chat/completions", chat("Write a story.", tokens, seed=1))
    expect(status == 200, "no answer")
    return time.monotonic() - begin


def slow():
    server = Server()
    alone = statistics.median(timed_stream(server) for _ in range(5))
    stopped = []
    for n in range(20):  # they read nothing: their answers pause once 4 MiB wait
        one = socket.create_connection(("127.0.0.1", server.port))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.send(request_bytes(chat(f"Write a story {n}.", 60_000, stream=True, logprobs=True, top_logprobs=20)))
        stopped.append(one)
    until = time.monotonic() + 300
    paused = 0
    while time.monotonic() < until:
        steps = server.metric("fathom_steps_total")
        time.sleep(1)
        if server.metric("fathom_batch_rows") == 20 and server.metric("fathom_steps_total") == steps:
            paused = 20
            break
    expect(paused == 20, "the answers of those who do not read do not pause")
    beside = statistics.median(timed_stream(server) for _ in range(5))
    expect(beside < 1.5 * alone + 0.2, f"{alone:.2f} s alone, {beside:.2f} s beside them")
    for one in stopped:
        one.close()
    begin = time.monotonic()
    while server.metric("fathom_batch_rows") > 0 and time.monotonic() < begin + 20:
        time.sleep(0.05)
    expect(server.metric("fathom_batch_rows") == 0, "their rows are not freed")
    expect(server.stop() == 0, "it did not end well")
    return f"20 readers that stop: an answer of 200 tokens takes {alone:.2f} s without them, {beside:.2f} s beside them"


def longer_model(folder, context):
    """A model of random weights with the bundled one's geometry, tokenizer, and a context of so many tokens."""
    bundled = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "models", "v4-10m")
    with open(os.path.join(bundled, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config["rope_scaling"]["factor"] *= context / config["max_position_embeddings"]
    config["max_position_embeddings"] = context
    own = os.path.join(folder, "config.json")
    with open(own, "w", encoding="utf-8") as file:
        json.dump(config, file)
    model = os.path.join(folder, "model")
    subprocess.run([BINARY, "init", "--config", own, "--out", model], check=True, stdout=subprocess.DEVNULL)
    for name in os.listdir(bundled):
        if name not in os.listdir(model) and not name.endswith((".safetensors", ".md", ".index.json")):
            source = os.path.join(bundled, name)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(model, name))
    return model


def cached(tokens=60_000):
    if tokens <= 64_000:
        return cached_on(Server(), tokens)
    with tempfile.TemporaryDirectory() as folder:
        return cached_on(Server("-m", longer_model(folder, 1 << (tokens + 1000).bit_length())), tokens)


def cached_on(server, tokens):
    words = " ".join(str(i * 7919 % 100_000) for i in range(tokens // 2))
    while (count := server.ask("POST", "/tokenize", {"text": words})[1]["count"]) > tokens:
        words = words[: int(len(words) * tokens / count) - 8]
    times = []
    for _ in range(4):
        begin = time.monotonic()
        status, reply = server.ask("POST", "/v1/chat/completions", chat(words, 1, seed=1), 3600)
        expect(status == 200, f"{reply}")
        times.append((time.monotonic() - begin, reply["usage"]["prompt_cache_hit_tokens"]))
    expect(times[-1][1] > 0.99 * count, f"no hit: {times}")
    expect(server.stop() == 0, "it did not end well")
    return (f"prompt of {reply['usage']['prompt_tokens']} tokens: first token after {times[0][0]:.1f} s read,"
            f" {1e3 * min(t for t, _ in times[1:]):.0f} ms from the cache ({times[-1][1]} hits)")


def batch():
    """Seconds of the engine are those in its steps, which the answers themselves tell."""
    server = Server("--max-rows", "32")
    out = []
    for rows, tokens in [(1, 400), (32, 200)]:
        server.ask("POST", "/v1/chat/completions", chat("Write a story.", 20, seed=1))
        replies = []

        def one(n, tokens=tokens, replies=replies):
            replies.append(server.ask("POST", "/v1/chat/completions", chat(f"Write a story {n}.", tokens, seed=n))[1])

        threads = [threading.Thread(target=one, args=(n,)) for n in range(rows)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall = time.monotonic() - begin
        expect(len(replies) == rows, "an answer is missing")
        written = sum(reply["usage"]["completion_tokens"] for reply in replies)
        engine = sum(reply["cost"]["seconds"] for reply in replies)
        out.append(f"{rows} at once: {written / wall:.0f} tokens/s over HTTP, {written / engine:.0f} in the engine's steps"
                   f" ({100 * engine / wall:.0f}%), {1e6 * (wall - engine) / written:.0f} us a token beside them")
    expect(server.stop() == 0, "it did not end well")
    return "; ".join(out)


def main():
    loads = {"stream": stream, "idle": idle, "slow": slow, "cached": cached, "batch": batch}
    which = sys.argv[2] if len(sys.argv) > 2 else "all"
    numbers = [int(text) for text in sys.argv[3:]]
    for name in loads if which == "all" else [which]:
        print(f"{name}: {loads[name](*numbers)}", flush=True)


main()
