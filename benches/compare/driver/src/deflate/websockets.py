"""Compresses the messages of a file with Python's websockets: frames of a server, unmasked."""

import json
import struct
import sys
import time

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

level, bits, memory, takeover, text = map(int, sys.argv[1:6])
extension = PerMessageDeflate(
    remote_no_context_takeover=not takeover,
    local_no_context_takeover=not takeover,
    remote_max_window_bits=bits,
    local_max_window_bits=bits,
    compress_settings={"level": level, "memLevel": memory},
)
with open(sys.argv[6], "rb") as file:
    data = file.read()
messages = []
at = 0
while at < len(data):
    (length,) = struct.unpack_from("<I", data, at)
    messages.append(data[at + 4 : at + 4 + length])
    at += 4 + length
opcode = Opcode.TEXT if text else Opcode.BINARY
start = time.perf_counter_ns()
frames = [
    Frame(opcode, message).serialize(mask=False, extensions=[extension])
    for message in messages
]
ns = time.perf_counter_ns() - start
with open(sys.argv[7], "wb") as file:
    file.writelines(frames)
print(json.dumps({"messages": len(messages), "ns": ns}))
