"""A WebSocket peer on the Python library `websockets`; README.md describes its modes."""

import asyncio
import hashlib
import json
import os
import socket
import ssl
import sys
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

LIMIT = 64 * 1024 * 1024
LARGE = 16 * 1024 * 1024
SERVER_SECONDS = 600
CLIENT_SECONDS = 60
OPTIONS = {"compression": None, "max_size": LIMIT, "ping_interval": None}
UPLOAD_OPTIONS = {"max_size": None, "ping_interval": 0.5, "ping_timeout": 1}
SOCKET_BUFFER = 64 * 1024

FRAGMENTED = ["one ", "zwei: größer ", "три ", "四 🦀"]
# Cut inside characters: only the whole message is UTF-8.
CUT = ["größer 🦀".encode()[:3], "größer 🦀".encode()[3:11], "größer 🦀".encode()[11:]]

TICKS = 100


class Failed(Exception):
    """What the other side got wrong."""


def check(condition, what):
    if not condition:
        raise Failed(what)


def pattern(length):
    """Bytes whose order and position matter."""
    return bytes(range(251)) * (length // 251) + bytes(range(length % 251))


def tick(number):
    """A small message of JSON, much like the one before it."""
    price = 27_000 + number * 37 % 1000
    return (
        f'{{"type":"trade","symbol":"WSIMD-USD","sequence":{1_000_000 + number},'
        f'"price":"{price}.{number * 7 % 100:02}","size":"0.0625","side":"buy"}}'
    )


# TLS


def tls_options(context_of):
    """The option of websockets for the context that this function creates, if there are certificates."""
    folder = os.environ.get("PEERS_TLS")
    if folder is None:
        return {}
    context = context_of(folder)
    version = ssl.TLSVersion[os.environ["PEERS_TLS_VERSION"].replace(".", "_")]
    context.minimum_version = context.maximum_version = version
    return {"ssl": context}


def client_context(folder):
    return ssl.create_default_context(cafile=f"{folder}/ca.pem")


def server_context(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem")
    return context


# Server mode


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def answer_close(ws, query):
    code = int(query.get("code", ["1000"])[0])
    await ws.close(code, query.get("reason", [""])[0])


async def send_fragments(ws):
    await ws.send(FRAGMENTED)
    await echo(ws)


async def send_ping(ws):
    payload = b"ping \x00\xff payload"
    # The waiter is done only by a pong with this payload.
    pong = await ws.ping(payload)
    try:
        await asyncio.wait_for(pong, 10)
        await ws.send("pong ok")
    except asyncio.TimeoutError:
        await ws.send("pong missing")
    await echo(ws)


async def handle(ws):
    target = urlsplit(ws.request.path)
    query = parse_qs(target.query)
    try:
        if target.path == "/close":
            await answer_close(ws, query)
        elif target.path == "/fragments":
            await send_fragments(ws)
        elif target.path == "/ping":
            await send_ping(ws)
        else:
            await echo(ws)
    except ConnectionClosed:
        pass
    await ws.wait_closed()
    reason = json.dumps(ws.close_reason, ensure_ascii=False)
    print("closed", ws.close_code, reason, flush=True)


async def server(deflate):
    if deflate is not None:
        OPTIONS["extensions"] = [ServerPerMessageDeflateFactory(**deflate)]
    OPTIONS.update(tls_options(server_context))
    async with serve(handle, "127.0.0.1", 0, **OPTIONS) as listening:
        print("listening", listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.sleep(SERVER_SECONDS)


# Upload mode


class TimedConnection(ServerConnection):
    """Records the round trip of each ping that was answered."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.round_trips = []

    async def ping(self, *arguments, **options):
        pong = await super().ping(*arguments, **options)
        pong.add_done_callback(self.on_pong)
        return pong

    def on_pong(self, pong):
        # A timeout cancels the future. The end of the connection sets an exception.
        if not pong.cancelled() and pong.exception() is None:
            self.round_trips.append(pong.result())


async def answer_upload(ws):
    try:
        message = await ws.recv()
        # Pongs that arrive after the message do not count.
        round_trips = list(ws.round_trips)
        digest = hashlib.sha1(message).hexdigest()
        longest = round(max(round_trips, default=0) * 1e6)
        await ws.send(f"{len(message)} {digest} {len(round_trips)} {longest}")
    except ConnectionClosed:
        pass
    await ws.wait_closed()


async def upload():
    OPTIONS.update(UPLOAD_OPTIONS, create_connection=TimedConnection)
    OPTIONS["extensions"] = [ServerPerMessageDeflateFactory()]
    listener = socket.socket()
    # Accepted sockets inherit it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    listener.bind(("127.0.0.1", 0))
    async with serve(answer_upload, sock=listener, **OPTIONS):
        print("listening", listener.getsockname()[1], flush=True)
        await asyncio.sleep(SERVER_SECONDS)


# Client mode


async def expect_echo(ws, message, what):
    await ws.send(message)
    answer = await ws.recv()
    check(type(answer) is type(message), f"{what}: the echo is {type(answer).__name__}")
    check(answer == message, f"{what}: the echo of length {len(answer)} differs")


async def expect_echo_of_fragments(ws, fragments, whole, what, text=None):
    pongs = []

    async def parts():
        for fragment in fragments:
            yield fragment
            pongs.append(await ws.ping())

    await ws.send(parts(), text=text)
    answer = await ws.recv()
    check(answer == whole, f"{what}: the echo {answer!r} differs")
    for pong in pongs:
        await pong


async def exchange_compressible(ws):
    for number in range(TICKS):
        await expect_echo(ws, tick(number), f"tick {number}")
    large = "\n".join(tick(number) for number in range(11_000))[: 1 << 20]
    await expect_echo(ws, large, "1 MiB of JSON")
    await expect_echo(ws, os.urandom(65_536), "random bytes")
    await expect_echo(ws, "", "empty text")
    await expect_echo(ws, b"", "empty binary")
    fragments = [tick(number) for number in range(TICKS)]
    await expect_echo_of_fragments(ws, fragments, "".join(fragments), "fragmented ticks")


async def exchange(ws, large):
    for text in ["", "hello", "größer, три, 四, 🦀", "é" * 70_000]:
        await expect_echo(ws, text, f"text of {len(text)} characters")
    for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_003]:
        await expect_echo(ws, pattern(length), f"binary of {length} bytes")
    await expect_echo_of_fragments(ws, FRAGMENTED, "".join(FRAGMENTED), "fragmented text")
    await expect_echo_of_fragments(
        ws, CUT, b"".join(CUT).decode(), "text cut inside characters", text=True
    )
    fragments = [pattern(70_000), b"", pattern(3)]
    await expect_echo_of_fragments(ws, fragments, b"".join(fragments), "fragmented binary")
    if large:
        await expect_echo(ws, pattern(LARGE), "binary of 16 MiB")
    await (await ws.ping(b"are you there?"))
    await ws.close(4000, "done ✓")
    received = ws.protocol.close_rcvd
    check(received is not None, "no Close came in answer to ours")
    check(received.code == 4000, f"the Close in answer to 4000 has {received.code}")


async def client(url, deflate):
    if deflate is not None:
        OPTIONS["extensions"] = [ClientPerMessageDeflateFactory(**deflate)]
    OPTIONS.update(tls_options(client_context))
    async with connect(url, proxy=None, open_timeout=10, **OPTIONS) as ws:
        if deflate is not None:
            check(ws.protocol.extensions, "permessage-deflate was declined")
            await exchange_compressible(ws)
        await exchange(ws, large=deflate is None)


# Ending mode


async def ending(url):
    messages = []
    OPTIONS.update(tls_options(client_context))
    async with connect(url, proxy=None, open_timeout=10, **OPTIONS) as ws:
        try:
            while True:
                messages.append(await ws.recv())
        except ConnectionClosed:
            pass
    received = json.dumps(messages, ensure_ascii=False)
    reason = json.dumps(ws.close_reason, ensure_ascii=False)
    print("closed", ws.close_code, reason, "after", received, flush=True)


async def run_client(url, deflate):
    try:
        await asyncio.wait_for(client(url, deflate), CLIENT_SECONDS)
    except asyncio.TimeoutError:
        return f"not done after {CLIENT_SECONDS} seconds"
    except (Failed, OSError, ConnectionClosed) as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # the opening handshake has many of its own
        return f"{type(error).__name__}: {error}"
    return None


def main(arguments):
    match arguments:
        case ["server", *deflate] if len(deflate) < 2:
            asyncio.run(server(*map(json.loads, deflate or ["null"])))
            return 0
        case ["upload"]:
            asyncio.run(upload())
            return 0
        case ["ending", url]:
            asyncio.run(asyncio.wait_for(ending(url), CLIENT_SECONDS))
            return 0
        case ["client", url, *deflate] if len(deflate) < 2:
            failure = asyncio.run(run_client(url, *map(json.loads, deflate or ["null"])))
            print(f"failed: {failure}" if failure else "ok", flush=True)
            return 1 if failure else 0
    usage = "peer.py server [DEFLATE] | upload | ending URL | client URL [DEFLATE]"
    print("usage:", usage, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
