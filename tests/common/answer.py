"""A host that answers echo requests badly, for tests/icmp.rs: `python3 answer.py MODE`.

The kernel of its namespace must be told to be silent (icmp_echo_ignore_all). Modes: see `replies`.
"""
import socket
import struct
import sys
import time


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def reply(identifier, sequence, payload, kind=0, error=0):
    header = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence)
    value = checksum(header + payload) ^ error
    return struct.pack("!BBHHH", kind, 0, value, identifier, sequence) + payload


def replies(mode, identifier, sequence, payload):
    """(seconds to wait, packet) for each reply to one request."""
    good = reply(identifier, sequence, payload)
    flipped = bytes([payload[40] ^ 0x20])
    return {
        "good": [(0, good)],
        "twice": [(0, good), (0, good)],
        "late": [(0.5, good)] if sequence == 1 else [(0, good)],
        "damaged": [(0, reply(identifier, sequence, payload[:40] + flipped + payload[41:]))],
        "checksum": [(0, reply(identifier, sequence, payload, error=1))],
        "truncated": [(0, good[:30]), ],
        "foreign": [
            (0, reply(identifier ^ 1, sequence, payload)),
            (0, reply(identifier, sequence, payload[:8] + b"stranger" + payload[16:])),
            (0, reply(identifier, sequence + 7, payload)),
            (0, reply(identifier, sequence, payload, kind=8)),
            (0, b"\0" * 3),
        ],
    }[mode]


raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print("ready", flush=True)
while True:
    packet, (host, _) = raw.recvfrom(65535)
    icmp = packet[(packet[0] & 15) * 4:]
    if icmp[0] != 8:
        continue
    identifier, sequence = struct.unpack("!HH", icmp[4:8])
    for wait, answer in replies(sys.argv[1], identifier, sequence, icmp[8:]):
        time.sleep(wait)
        raw.sendto(answer, (host, 0))
