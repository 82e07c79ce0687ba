"""Compresses messages from stdin with Python's websockets: frames of a server, unmasked."""

import struct
import sys

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

level, takeover, text = map(int, sys.argv[1:4])
extension = PerMessageDeflate(
    remote_no_context_takeover=not takeover,
    local_no_context_takeover=not takeover,
    remote_max_window_bits=15,
    local_max_window_bits=15,
    compress_settings={"level": level, "memLevel": 8},
)
data = sys.stdin.buffer.read()
opcode = Opcode.TEXT if text else Opcode.BINARY
frames = []
at = 0
while at < len(data):
    (length,) = struct.unpack_from("<I", data, at)
    message = data[at + 4 : at + 4 + length]
    frames.append(Frame(opcode, message).serialize(mask=False, extensions=[extension]))
    at += 4 + length
sys.stdout.buffer.writelines(frames)
