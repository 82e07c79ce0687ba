"""The load of claimed_lengths.sh: claims long messages and watches the server's memory."""

import argparse
import os
import resource
import socket
import struct
import sys
import time

# A server that kept a whole page of 4 KiB four times over would be at the limit.
LIMIT_PER_CONNECTION = 16 * 1024
# What ends a wait: no change of more than SLACK bytes for QUIET seconds.
QUIET, SLACK, PATIENCE = 1.5, 64 * 1024, 20

REQUEST = (
    "GET / HTTP/1.1\r\n"
    "Host: 127.0.0.1:{port}\r\n"
    "Connection: Upgrade\r\n"
    "Upgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "\r\n"
)


def resident(pid):
    """VmRSS of a process, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    sys.exit("claimed lengths: the server has ended")


def settled(pid):
    """VmRSS once it no longer moves."""
    end = time.monotonic() + PATIENCE
    last, since = resident(pid), time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < QUIET:
        time.sleep(0.1)
        now = resident(pid)
        if abs(now - last) > SLACK:
            last, since = now, time.monotonic()
    return resident(pid)


def read_head(sock):
    """The response's head; nothing may follow it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        received = sock.recv(4096)
        if not received:
            break
        head += received
    return head


def open_connections(port, count):
    """Raw TCP connections, opened some at a time, on which the handshake is done."""
    request = REQUEST.format(port=port).encode()
    connections = []
    while len(connections) < count:
        batch = []
        for _ in range(min(100, count - len(connections))):
            sock = socket.create_connection(("127.0.0.1", port), timeout=10)
            sock.sendall(request)
            batch.append(sock)
        for sock in batch:
            head = read_head(sock)
            if not head.startswith(b"HTTP/1.1 101 "):
                sys.exit(f"claimed lengths: the server answered {head[:80]!r}")
        connections += batch
    return connections


def is_open(sock):
    """Whether the server neither closed the connection nor sent a Close."""
    sock.setblocking(False)
    try:
        received = sock.recv(4096)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return received != b"" and received[0] != 0x88


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--claim", type=int, required=True, help="bytes that each claims")
    return parser.parse_args()


def main():
    args = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    before = settled(args.pid)
    connections = open_connections(args.port, args.connections)
    opened = settled(args.pid)
    # FIN and opcode binary; masked, with a length of 64 bits; the masking key.
    header = struct.pack("!BBQ4s", 0x82, 0xFF, args.claim, os.urandom(4))
    for sock in connections:
        sock.sendall(header)
    claimed = settled(args.pid)
    lost = sum(not is_open(sock) for sock in connections)

    count = len(connections)
    print(f"connections: {count}, each claims {args.claim} bytes and sends none of them")
    print(f"resident before any connection: {before // 1024} KiB")
    print(f"resident after the handshakes:  {opened // 1024} KiB")
    print(f"resident after the claims:      {claimed // 1024} KiB")
    growth = (claimed - before) / count
    print(f"grown for each connection: {growth:.0f} bytes from before any connection,")
    print(f"                           {(claimed - opened) / count:.0f} bytes from after the handshakes")
    if lost:
        print(f"failed: the server ended {lost} connections, so that they say nothing")
        return 1
    if growth >= LIMIT_PER_CONNECTION:
        print(f"failed: the limit is {LIMIT_PER_CONNECTION} bytes")
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
