"""A lossy link for tests/traffic.rs: a TUN device whose far end is this machine again.

Run as root in a network namespace: python3 lossy.py PERCENT MILLISECONDS SEED. Whoever connects to 10.9.0.2 reaches
its own 10.9.0.1, and sees itself as 10.9.0.3; PERCENT of the packets are lost on the way, the others arrive after
so many MILLISECONDS. A capture on tun0 shows every packet that is sent and then, unless it was lost, its copy: the
same connection as its sender sees it and as its receiver sees it. Prints "ready" and runs until it is killed.
"""

import collections
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
NEAR, FAR, SELF = bytes([10, 9, 0, 1]), bytes([10, 9, 0, 2]), bytes([10, 9, 0, 3])


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def turned_round(packet):
    """The packet as it comes back: to ourselves, from the other name; None for what is not TCP."""
    length = 4 * (packet[0] & 15)
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    sender = SELF if packet[16:20] == FAR else FAR
    header = packet[:10] + b"\0\0" + sender + NEAR + packet[20:length]
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    segment = packet[length:16 + length] + b"\0\0" + packet[18 + length:]
    pseudo = sender + NEAR + struct.pack("!BBH", 0, 6, len(segment))
    summed = struct.pack("!H", checksum(pseudo + segment))
    return header + segment[:16] + summed + segment[18:]


def main():
    """Makes the device and turns packets round for ever."""
    percent, delay, seed = float(sys.argv[1]), float(sys.argv[2]) / 1000, int(sys.argv[3])
    dice = random.Random(seed)
    underway = collections.deque()
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    for command in ["link set lo up", "addr add 10.9.0.1/24 dev tun0", "link set tun0 up"]:
        subprocess.run(["ip", *command.split()], check=True)
    print("ready", flush=True)
    while True:
        wait = max(0, underway[0][0] - time.monotonic()) if underway else None
        if select.select([tun], [], [], wait)[0]:
            packet = turned_round(os.read(tun, 65536))
            if packet and dice.uniform(0, 100) >= percent:
                underway.append((time.monotonic() + delay, packet))
        while underway and underway[0][0] <= time.monotonic():
            os.write(tun, underway.popleft()[1])


main()
