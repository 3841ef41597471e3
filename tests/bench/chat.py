"""The section "Chat room" of docs/performance.md: `chat-room` beside `ncat --chat` and a room in Python.

One member speaks, all others read. A window of WINDOW lines is under way at a time: the next window goes
out when every member has every line of the last, so that no room can be fast by being behind. This script
is the load generator, one epoll over all members, and shares the machine with the room.
"""

import os
import select
import socket
import sys
import time

from common import SOCKLAB, SOURCES, Server, free_port, interleave, machine, median, need, ratio, rss, section, table
from common import svg

#: Members that read.
CROWDS = [10, 100, 1000]
#: Lines under way at once.
WINDOW = 20
#: Bytes of a line, without what a room puts in front.
SIZE = 64
#: How long a measurement lasts, in seconds.
SECONDS = 1.0
ROUNDS = 3
#: How long nothing must come for the greetings and the news of others' coming to be over, in seconds.
QUIET = 0.3
#: How long a window may take before a room is given up, in seconds.
AT_MOST = 5.0

OURS = "chat-room"
YARDSTICK = "ncat --chat"


class Crowd:
    """The members, and the epoll that waits for all of them."""

    def __init__(self, port, number):
        self.members = []
        self.epoll = select.epoll()
        for _ in range(number + 1):
            member = socket.create_connection(("127.0.0.1", port), timeout=AT_MOST)
            member.setblocking(False)
            member.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.members.append(member)
            self.epoll.register(member.fileno(), select.EPOLLIN)
        self.speaker = self.members[0].fileno()

    def close(self):
        self.epoll.close()
        for member in self.members:
            member.close()

    def settle(self):
        """Reads until nobody is told anything any more."""
        while ready := self.epoll.poll(QUIET):
            for descriptor, _ in ready:
                if not os.read(descriptor, 1 << 16):
                    raise RuntimeError("a member was let go")

    def speak(self, lines):
        """The speaker says so many lines; returns when everyone else has them."""
        line = b"x" * (SIZE - 1) + b"\n"
        for _ in range(lines):
            os.write(self.speaker, line)
        missing = (len(self.members) - 1) * lines
        while missing > 0:
            ready = self.epoll.poll(AT_MOST)
            if not ready:
                raise RuntimeError(f"{missing} lines never came")
            for descriptor, _ in ready:
                heard = os.read(descriptor, 1 << 16)
                if not heard:
                    raise RuntimeError("a member was let go")
                if descriptor != self.speaker:
                    missing -= heard.count(b"\n")


def measure(command, number):
    """Lines delivered a second by a fresh room with so many readers, and its memory in MiB."""
    port = free_port()
    try:
        # Not found ready by a trial connection: ncat can die of a member that leaves at once.
        words = [word.replace("PORT", str(port)) for word in command]
        with Server(words, ready=r"[Ll]istening on \S*:(\d+)") as room:
            crowd = Crowd(port, number)
            try:
                crowd.settle()
                crowd.speak(WINDOW)
                windows, began = 0, time.monotonic()
                while (passed := time.monotonic() - began) < SECONDS:
                    crowd.speak(WINDOW)
                    windows += 1
                memory = rss(room.pid) / 1024 / 1024
                return {"lines": windows * WINDOW * number / passed, "memory": memory}
            finally:
                crowd.close()
    except (OSError, RuntimeError) as why:
        print(f"  {command[0]} with {number}: {why}", file=sys.stderr)
        return None


def contenders():
    return {
        OURS: [SOCKLAB, "chat-room", "PORT", "--bind", "127.0.0.1", "--rate", "0"],
        YARDSTICK: ["ncat", "-v", "-l", "--chat", "--keep-open", "--max-conns", "2000", "127.0.0.1", "PORT"],
        "Python, threads": [sys.executable, str(SOURCES / "chat_threads.py"), "PORT"],
    }


def shown(value, form):
    return "–" if value is None else form.format(value)


def main():
    need("ncat")
    rows, series = [], {name: [] for name in contenders()}
    for number in CROWDS:
        measures = {name: (lambda c=command, n=number: measure(c, n)) for name, command in contenders().items()}
        results = interleave(measures, ROUNDS)
        lines = {name: [value and value["lines"] for value in values] for name, values in results.items()}
        memory = {name: [value and value["memory"] for value in values] for name, values in results.items()}
        for name in results:
            speed = median(lines[name])
            series[name].append(speed)
            beside = ratio(lines, name, YARDSTICK)
            rows.append(
                [f"{number}, {name}", shown(speed, "{:,.0f}"), shown(beside, "{:.2f}"),
                 shown(median(memory[name]), "{:.1f}")]
            )
    svg("chat.svg", "Lines delivered a second", [str(number) for number in CROWDS], series, "lines/s", "members",
        logy=True)
    heading = ["Members, room", "lines delivered/s", f"beside {YARDSTICK}", "MiB"]
    section(
        "chat",
        f"""\
## Chat room

One member speaks, everyone else reads; {WINDOW} lines of {SIZE} bytes are under way at a time, and the next
go out when everyone has them all. A line that reaches 1,000 members counts as 1,000. {machine()}.

{table(heading, rows)}

![Lines delivered a second](chat.svg)

`ncat --chat` is one thread that writes to one member after the other, each write as it comes: no wake-ups, no queues,
and a member that does not read stops it for all. `chat-room` pays for each member's own thread, which is woken
through its bell and writes all the lines it finds at once; the more lines are under way, the fewer wake-ups a line
costs. The room in Python is the usual loop over `sendall`, under one lock. A dash is a room that did not get through: its members
could not all join, or a window took over {AT_MOST:.0f} s.
""",
    )


if __name__ == "__main__":
    main()
