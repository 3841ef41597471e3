"""The section "Sensors" of docs/performance.md: readings per second, bytes per reading, memory per sensor.

The load is our own client, as many processes as there are sensors at work, so that what is measured is the
whole of a reading: measured, packed, sent, checked, judged, logged, answered. For the crowd that mostly
waits, this script holds the connections itself.
"""

import re
import socket
import struct
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

from common import SOCKLAB, Server, interleave, machine, median, pick, rss, section, table

#: Sensors at work at once, and how many readings each sends as fast as answers come.
CROWDS = {1: 8000, 16: 1000}
ROUNDS = 5
#: Sensors that are connected at once.
CONNECTED = 2000
#: How long one client may take, in seconds.
AT_MOST = 60


def reading(session, sequence):
    """A temperature, as docs/sensor-protocol.md has it."""
    fields = bytes([1, 7, 1, 1, 4]) + struct.pack("!f", 21.5)
    head = struct.pack("!2sBBBBHIIIQ", b"SL", 1, 1, 0, 6, 32 + len(fields), 7, session, sequence, 0)
    message = head + fields
    return message + struct.pack("!I", zlib.crc32(message))


def rate(transport, sensors, readings, log):
    """Readings per second, and bytes by kind for each reading."""
    words = ["--log", log] if log else []
    with Server([SOCKLAB, "sensor-server", 0, *words]) as server:
        command = [SOCKLAB, "sensor-client", "127.0.0.1", server.port, "-t", transport, "-c", readings, "-i", 0]
        command = [str(word) for word in command]
        began = time.monotonic()
        clients = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for _ in range(sensors)
        ]
        try:
            said = [client.communicate(timeout=AT_MOST)[0].splitlines()[-4:] for client in clients]
        finally:
            for client in clients:
                client.kill()
        seconds = time.monotonic() - began
    total = sensors * readings
    acknowledged = sum(int(re.search(r"(\d+) acknowledged", lines[0])[1]) for lines in said)
    application = sum(int(re.search(r"bytes: (\d+)", lines[1])[1]) for lines in said)
    packets = sum(int(re.search(r"packets: (\d+)", lines[2])[1]) for lines in said)
    headers = sum(int(re.search(r"about (\d+)", lines[3])[1]) for lines in said)
    return {
        "rate": acknowledged / seconds,
        "lost": total - acknowledged,
        "application": application / total,
        "packets": packets / total,
        "headers": headers / total,
    }


def crowd():
    """2,000 connected sensors: seconds for a reading of each, and memory for each while they wait."""
    with Server([SOCKLAB, "sensor-server", 0]) as server:
        before = rss(server.pid)
        sockets = []
        try:
            began = time.monotonic()
            for _ in range(CONNECTED):
                sockets.append(socket.create_connection(("127.0.0.1", server.port), timeout=AT_MOST))
            connected = time.monotonic() - began
            began = time.monotonic()
            for number, sensor in enumerate(sockets):
                sensor.sendall(reading(number, 1))
            answered = sum(_answered(sensor) for sensor in sockets)
            took = time.monotonic() - began
            memory = (rss(server.pid) - before) / CONNECTED
        finally:
            for sensor in sockets:
                sensor.close()
    return {"connected": connected, "took": took, "answered": answered, "memory": memory}


def _answered(sensor):
    """Whether the next 63 bytes are an acknowledgement."""
    answer = sensor.recv(63, socket.MSG_WAITALL)
    return len(answer) == 63 and answer[3] == 2


def main():
    contenders = {}
    with tempfile.TemporaryDirectory() as folder:
        log = str(Path(folder) / "readings.csv")
        for sensors, readings in CROWDS.items():
            for transport in ["tcp", "udp"]:
                name = f"{transport}, {sensors} sensor{'s' if sensors > 1 else ''}"
                contenders[name] = lambda t=transport, s=sensors, r=readings: rate(t, s, r, None)
            name = f"tcp, {sensors} sensor{'s' if sensors > 1 else ''}, --log"
            contenders[name] = lambda s=sensors, r=readings: rate("tcp", s, r, log)
        results = interleave(contenders, ROUNDS)
    crowds = interleave({"crowd": crowd}, 3)
    rows = []
    for name in contenders:
        figures = {key: median(pick(results, key)[name]) for key in ["rate", "lost", "application", "packets", "headers"]}
        rows.append(
            [
                name,
                f"{figures['rate']:,.0f}",
                f"{figures['lost']:.0f}",
                f"{figures['application']:.0f}",
                f"{figures['packets']:.2f}",
                f"{figures['headers']:.0f}",
            ]
        )
    heading = ["", "readings per second", "lost", "application bytes", "packets", "header bytes"]
    figure = {key: median(pick(crowds, key)["crowd"]) for key in ["connected", "took", "answered", "memory"]}
    text = f"""## Sensors

`sensor-server` and `sensor-client` on {machine()}. Each sensor is a process of its own on the same two cores and
sends its next reading when the answer to the last one has come. Bytes and packets are for one reading and its answer;
headers are IP's and the transport's.

{table(heading, rows)}

With one reading after another TCP's acknowledgements ride on the next message, so both transports send two packets a
reading, and the round trip through two sleeping processes is the price of either. With many sensors TCP has a thread
for each and both cores to run them on; UDP has one thread, which finds the next datagram waiting. A log costs one `write` a reading.

**{CONNECTED:,} sensors at once:** connected in {figure['connected']:.2f} s; a reading of each answered in {figure['took']:.2f} s
({figure['answered']:.0f} of {CONNECTED:,} acknowledged); {figure['memory'] / 1024:.1f} KiB resident for each while they wait: the touched pages of a
thread's stack, and what is remembered of its session.
"""
    section("sensor", text)


if __name__ == "__main__":
    main()
