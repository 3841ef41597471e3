"""A host that answers echo requests badly, for tests/ping_*.rs: `python3 answer.py 4|6 MODE [SEED]`.

The kernel of its namespace must be told to be silent (icmp_echo_ignore_all). What is answered depends on the
request alone and on no clock, so that a slow machine sees the same. MODE is a function below, `mode_MODE`,
that yields the ICMP packets to send back for one request.
"""
import random
import socket
import struct
import sys

#: Which of the two: 0 is IPv4, 1 is IPv6.
V6 = sys.argv[1] == "6"
ECHO_REQUEST, ECHO_REPLY = (8, 0) if not V6 else (128, 129)
GATEWAY = socket.inet_aton("10.0.2.9")
NOTHING = b"\0\0\0\0"
#: Types, codes, and bytes 4 to 7 of the errors. RFC 792, RFC 1122, RFC 1812; RFC 4443. (Not 11, 1, a time out of
#: fragments: Linux does not put it into the error queue, and iputils reads errors there.)
ERRORS = [
    *((3, code, struct.pack("!I", 1400 if code == 4 else 0)) for code in range(16)),
    (11, 0, NOTHING),
    (12, 0, b"\x14\0\0\0"),
]
ERRORS6 = [
    *((1, code, NOTHING) for code in range(5)),
    (2, 0, struct.pack("!I", 1400)),
    *((3, code, NOTHING) for code in range(2)),
    *((4, code, struct.pack("!I", 40)) for code in range(3)),
]
#: Redirects and the source quench: the request they are about went on all the same.
ADVICE = [*((5, code, GATEWAY) for code in range(4)), (4, 0, NOTHING)]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def icmp(kind, code, rest, body, error=0):
    """An ICMP packet; `error` is what its checksum is wrong by. (The kernel makes those of ICMPv6.)"""
    value = checksum(struct.pack("!BBH", kind, code, 0) + rest + body) ^ error
    return struct.pack("!BBH", kind, code, value) + rest + body


class Request:
    """An echo request: its IP header, the whole ICMP packet, and that one's fields."""

    def __init__(self, packet, host):
        if V6:  # A raw socket of IPv6 does not hand out the header.
            ends = socket.inet_pton(socket.AF_INET6, host) + socket.inet_pton(socket.AF_INET6, "fd02::2")
            packet = struct.pack("!IHBB", 6 << 28, len(packet), 58, 64) + ends + packet
        length = 40 if V6 else (packet[0] & 15) * 4
        self.header, self.packet = packet[:length], packet[length:]
        self.kind, self.rest, self.data = self.packet[0], self.packet[4:8], self.packet[8:]
        self.identifier, self.sequence = struct.unpack("!HH", self.rest)

    def reply(self, data=None, **changes):
        fields = {"kind": ECHO_REPLY, "code": 0, "rest": self.rest, **changes}
        return icmp(body=self.data if data is None else data, **fields)

    def flipped(self, place, bits):
        """The data with some bits of one byte changed."""
        return self.data[:place] + bytes([self.data[place] ^ bits]) + self.data[place + 1:]

    def error(self, kind, code, rest):
        return icmp(kind, code, rest, self.header + self.packet)


def mode_good(request):
    yield request.reply()


def mode_options(request):
    """Behind an IP header with options (two words of "no operation"): the reply begins at byte 28, not 20."""
    raw.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01" * 8)
    yield request.reply()


def mode_twice(request):
    yield request.reply()
    yield request.reply()


def mode_late(request, held=[]):
    """The reply to the first request comes only when the second one is asked."""
    if request.sequence == 1:
        held.append(request.reply())
        return
    yield from held
    held.clear()
    yield request.reply()


def mode_damaged(request):
    yield request.reply(request.flipped(40, 0x20))


def mode_nonce(request):
    """Damage in front, where iputils has its time and we have the nonce."""
    yield request.reply(request.flipped(9, 0x01))


def mode_checksum(request):
    """Replies with a wrong checksum; the third request also gets a good one."""
    yield request.reply(error=1)
    if request.sequence == 3:
        yield request.reply()


def mode_truncated(request):
    yield request.reply(request.data[:30])


def mode_errors(request):
    """The errors one after the other."""
    errors = ERRORS6 if V6 else ERRORS
    yield request.error(*errors[(request.sequence - 1) % len(errors)])


def mode_advice(request):
    yield request.error(*ADVICE[(request.sequence - 1) % len(ADVICE)])
    yield request.reply()


def mode_foreign(request):
    """Nothing that answers the request, though much that looks like it."""
    yield request.reply(rest=struct.pack("!HH", request.identifier ^ 1, request.sequence))
    yield request.reply(request.data[:8] + b"stranger" + request.data[16:])
    yield request.reply(rest=struct.pack("!HH", request.identifier, request.sequence + 7))
    yield request.reply(kind=ECHO_REQUEST)
    yield request.reply(code=1)
    yield request.reply(request.data + b"!")
    yield b"\0" * 3


def rubbish(request):
    """What must be taken for nothing, or at most for a reply with a wrong checksum."""
    good = request.reply()
    # Every truncation that can be sent, as it is (but the kernel gives those of IPv6 a good checksum, and from 24 bytes on
    # they are good enough: the nonce is whole); and those with a good checksum that are shorter.
    yield from (good[:length] for length in (range(4, 24) if V6 else range(2, len(good))))
    yield from (request.reply(request.data[:length]) for length in range(16))
    # Random bytes behind each type that a pinger reads, with the right identifier and without.
    for kind in [ECHO_REPLY, 1, 2, 3, 4, 5, 11, 12]:
        yield icmp(kind, rng.randrange(20), request.rest, rng.randbytes(rng.randrange(60)))
        yield icmp(kind, 0, rng.randbytes(4), rng.randbytes(rng.randrange(60)))
        yield icmp(kind, 0, request.rest, rng.randbytes(len(request.data)))
    # Errors whose quoted packet is cut short; or is not ours, or lies about its header, by these bits.
    quoted = request.header + request.packet
    kinds = [1, 3] if V6 else [3, 5, 11]
    for length in range(len(request.header) + 8):
        yield icmp(rng.choice(kinds), 0, NOTHING, quoted[:length])
    lies = [(0, 0x20), (6, 1), (24, 1)] if V6 else [
        (0, 5), (0, 1), (0, 10), (0, 0x20), (7, 9), (9, 16), (16, 1),
    ]
    inner = len(request.header)
    # A reply is quoted; another identifier; a sequence number that was never used.
    for place, bits in lies + [(inner, REQUEST_TO_REPLY), (inner + 4, 1), (inner + 6, 0x80)]:
        lie = bytearray(quoted)
        lie[place] ^= bits
        for kind in kinds:
            yield icmp(kind, 0, GATEWAY, bytes(lie))


def mode_fuzz(request):
    """A part of the rubbish for each request (all of it would not fit into the asker's queue), and then a
    good reply: when that is seen, all before it has been looked at."""
    yield from list(rubbish(request))[request.sequence % 8::8]
    yield request.reply()


REQUEST_TO_REPLY = ECHO_REQUEST ^ ECHO_REPLY
rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
mode = globals()[f"mode_{sys.argv[2]}"]
family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if V6 else (socket.AF_INET, socket.IPPROTO_ICMP)
raw = socket.socket(family, socket.SOCK_RAW, protocol)
print("ready", flush=True)
while True:
    packet, (host, *_) = raw.recvfrom(65535)
    if packet[0 if V6 else (packet[0] & 15) * 4] != ECHO_REQUEST:
        continue
    for answer in mode(Request(packet, host)):
        raw.sendto(answer, (host, 0))
