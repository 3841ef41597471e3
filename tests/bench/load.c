/* load: many echo clients in one thread, for the benchmarks.
 *
 *     load echo  PORT CONNECTIONS SIZE EXTRA SECONDS
 *     load burst PORT CONNECTIONS SIZE EXTRA
 *     load hold  PORT CONNECTIONS SIZE EXTRA
 *
 * Each connection has one message of SIZE bytes under way: it sends, waits for the whole reply, checks it,
 * sends the next. The reply is the message with EXTRA bytes before it (0 for an echo; 18 for stamp-server,
 * whose time stamp they are). All connections go to 127.0.0.1. Results are `key value` pairs in one line.
 *
 *   echo   everybody talks for SECONDS, after a quarter as long that does not count:
 *          rate (round trips per second), p50, p99 and longest (microseconds), messages (all of them, to
 *          divide the server's costs by). `longest` includes the messages that are still unanswered at
 *          the end, so that a starved client shows.
 *   burst  all connects are started before any is waited for, then one message each:
 *          connected and served (milliseconds until the last one was), retransmitted (how many connections
 *          had to send a segment twice: a SYN, or the first message because the server's queue was full).
 *   hold   connects, one message each, then `held N` and silence until standard input ends; then one more
 *          message each, and `answered N`.
 *
 * Why one thread over epoll(7): the generator must not be the slower side, and it must not change with
 * what it measures. Its histogram has 32 steps for each power of two, so a percentile is within 3 %.
 *
 * Limits: one generator on the same machine takes processor time from the server; that is the same for
 * every contender. SIZE is at most 4096, so that a message always fits into an empty socket buffer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_CONNECTIONS = 20000,
    MOST_SIZE = 4096,
    MOST_EXTRA = 64,
    EVENTS = 512,
    POLITE = 8, /* connects at once where the burst is not the question: ncat's queue holds 10 */
    LETTERS = 26,
};

/* Nothing at all happens for this long: the server hangs, and so would we. */
static const int STALLED_MS = 15000;
/* How long `hold` waits for the end of its standard input. */
static const int HELD_AT_MOST_MS = 60000;

struct client {
    int fd;
    int connected;
    unsigned round;   /* how many messages were sent; says which letters the message has */
    unsigned got;     /* bytes of the reply so far */
    int64_t began;    /* when the message under way was sent */
};

static struct client clients[MOST_CONNECTIONS];
static int count, size, extra, ring;

/* The alphabet over and over. A message is a piece of it that starts at another letter each time. */
static char letters[MOST_SIZE + LETTERS];
static char reply[MOST_EXTRA + MOST_SIZE + 1];

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void fail_because(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

/* Nanoseconds of a clock that nobody sets. */
static int64_t now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) != 0)
        fail("clock_gettime");
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* --- the histogram: 32 steps for each power of two of nanoseconds --- */

enum { STEP_BITS = 5, STEPS = 1 << STEP_BITS, BUCKETS = (64 - STEP_BITS) * STEPS };
static uint64_t histogram[BUCKETS];

static int bucket_of(uint64_t nanoseconds)
{
    if (nanoseconds < STEPS)
        return (int)nanoseconds;
    int shift = 63 - __builtin_clzll(nanoseconds) - STEP_BITS;
    return (shift + 1) * STEPS + (int)((nanoseconds >> shift) - STEPS);
}

/* The middle of a bucket, in microseconds. */
static double middle_of(int bucket)
{
    if (bucket < STEPS)
        return bucket / 1e3;
    int shift = bucket / STEPS - 1;
    return ((double)(STEPS + bucket % STEPS) + 0.5) * (double)(1ull << shift) / 1e3;
}

/* The value below which `share` of the round trips are, in microseconds. */
static double percentile(double share, uint64_t total)
{
    uint64_t wanted = (uint64_t)(share * (double)total), seen = 0;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        seen += histogram[bucket];
        if (seen > wanted)
            return middle_of(bucket);
    }
    return 0;
}

/* --- one client --- */

/* Starts to connect; the answer comes as an event. */
static void start_connect(int number, const struct sockaddr_in *server)
{
    struct client *client = &clients[number];
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        fail("socket");
    int on = 1;
    if (setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        fail("TCP_NODELAY");
    if (connect(client->fd, (const struct sockaddr *)server, sizeof *server) != 0 && errno != EINPROGRESS)
        fail("connect");
    struct epoll_event wanted = {.events = EPOLLOUT, .data.u32 = (uint32_t)number};
    if (epoll_ctl(ring, EPOLL_CTL_ADD, client->fd, &wanted) != 0)
        fail("epoll_ctl");
}

/* The connect has ended: was it well? From here on only replies are waited for. */
static void finish_connect(int number)
{
    struct client *client = &clients[number];
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        fail("SO_ERROR");
    if (error != 0) {
        errno = error;
        fail("connect");
    }
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = (uint32_t)number};
    if (epoll_ctl(ring, EPOLL_CTL_MOD, client->fd, &wanted) != 0)
        fail("epoll_ctl");
    client->connected = 1;
}

static const char *message_of(int number)
{
    return letters + ((unsigned)number + clients[number].round) % LETTERS;
}

static void send_message(int number, int64_t when)
{
    struct client *client = &clients[number];
    client->round++;
    client->got = 0;
    client->began = when;
    ssize_t sent = send(client->fd, message_of(number), (size_t)size, MSG_NOSIGNAL);
    if (sent < 0)
        fail("send");
    if (sent != size)
        fail_because("an empty socket buffer did not take one message");
}

/* Takes what has arrived. True when the reply is complete; ends the program when it is wrong. */
static int receive_reply(int number)
{
    struct client *client = &clients[number];
    size_t room = (size_t)(extra + size) - client->got + 1; /* one more, to notice a byte too many */
    ssize_t taken = recv(client->fd, reply, room, 0);
    if (taken < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (taken < 0)
        fail("recv");
    if (taken == 0)
        fail_because("the server closed a connection");
    /* The part of this piece that belongs to the message must be what was sent. */
    for (ssize_t at = 0; at < taken;) {
        int place = (int)client->got + (int)at - extra;
        if (place < 0) {
            at++;
            continue;
        }
        size_t rest = (size_t)(taken - at);
        if (place + (int)rest > size || memcmp(reply + at, message_of(number) + place, rest) != 0)
            fail_because("a reply is not what was sent");
        break;
    }
    client->got += (unsigned)taken;
    return client->got == (unsigned)(extra + size);
}

/* Waits for events. Ends the program when none comes for too long. */
static int wait_for(struct epoll_event *events, int64_t deadline)
{
    int64_t left = deadline ? (deadline - now()) / 1000000 + 1 : STALLED_MS;
    if (left <= 0)
        return 0;
    int found = epoll_wait(ring, events, EVENTS, left < STALLED_MS ? (int)left : STALLED_MS);
    if (found < 0 && errno != EINTR)
        fail("epoll_wait");
    if (found == 0 && left >= STALLED_MS)
        fail_because("nothing has happened for 15 s");
    return found < 0 ? 0 : found;
}

/* --- what everybody does --- */

/* Connects everybody, each with one message and its reply; at most `at_once` have begun and not had their
 * reply. Returns when the last reply is there; `*connected` becomes when the last connect was. */
static void connect_all(const struct sockaddr_in *server, int at_once, int64_t *connected)
{
    int started = 0;
    struct epoll_event events[EVENTS];
    for (int served = 0; served < count;) {
        while (started < count && started - served < at_once)
            start_connect(started++, server);
        int found = wait_for(events, 0);
        for (int i = 0; i < found; i++) {
            int number = (int)events[i].data.u32;
            if (clients[number].connected) {
                served += receive_reply(number);
            } else {
                finish_connect(number);
                *connected = now();
                send_message(number, *connected);
            }
        }
    }
}

/* Everybody sends a message. */
static void ask_all(void)
{
    for (int number = 0; number < count; number++)
        send_message(number, now());
}

/* Everybody, each with a message under way, receives its reply. */
static void await_all(void)
{
    struct epoll_event events[EVENTS];
    for (int served = 0; served < count;) {
        int found = wait_for(events, 0);
        for (int i = 0; i < found; i++)
            served += receive_reply((int)events[i].data.u32);
    }
}

/* How many connections have sent a segment twice. See tcp(7), TCP_INFO. */
static int retransmitted(void)
{
    int sum = 0;
    for (int number = 0; number < count; number++) {
        struct tcp_info info = {0};
        socklen_t length = sizeof info;
        if (getsockopt(clients[number].fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
            fail("TCP_INFO");
        sum += info.tcpi_total_retrans > 0;
    }
    return sum;
}

/* --- the three modes --- */

static void echo(const struct sockaddr_in *server, double seconds)
{
    int64_t connected;
    connect_all(server, POLITE, &connected);
    int64_t length = (int64_t)(seconds * 1e9);
    int64_t counted_from = now() + length / 4, end = counted_from + length;
    ask_all();
    uint64_t total = 0;
    int64_t longest = 0, finished = 0;
    struct epoll_event events[EVENTS];
    while ((finished = now()) < end) {
        int found = wait_for(events, end);
        for (int i = 0; i < found; i++) {
            int number = (int)events[i].data.u32;
            if (!receive_reply(number))
                continue;
            int64_t when = now(), took = when - clients[number].began;
            if (when >= counted_from) {
                total++;
                histogram[bucket_of((uint64_t)took)]++;
                longest = took > longest ? took : longest;
            }
            send_message(number, when);
        }
    }
    for (int number = 0; number < count; number++) {
        int64_t waited = finished - clients[number].began;
        longest = waited > longest ? waited : longest;
    }
    /* Closing with a reply unread would send a reset, which some servers report, line by line. */
    await_all();
    if (total == 0)
        fail_because("no round trip was completed");
    uint64_t messages = 0;
    for (int number = 0; number < count; number++)
        messages += clients[number].round;
    printf("rate %.1f p50 %.1f p99 %.1f longest %.1f messages %llu\n",
           (double)total / ((double)(finished - counted_from) / 1e9), percentile(0.50, total),
           percentile(0.99, total), (double)longest / 1e3, (unsigned long long)messages);
}

static void burst(const struct sockaddr_in *server)
{
    int64_t began = now(), connected;
    connect_all(server, count, &connected);
    int64_t served = now();
    printf("connected %.1f served %.1f retransmitted %d\n", (double)(connected - began) / 1e6,
           (double)(served - began) / 1e6, retransmitted());
}

static void hold(const struct sockaddr_in *server)
{
    int64_t connected;
    connect_all(server, POLITE, &connected);
    printf("held %d\n", count);
    if (fflush(stdout) != 0)
        fail("standard output");
    /* One byte or the end, whichever comes. */
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, HELD_AT_MOST_MS) < 0)
        fail("poll");
    ask_all();
    await_all();
    printf("answered %d\n", count);
}

/* A whole number of the command line between `least` and `most`. */
static int number_of(const char *text, int least, int most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || value < least || value > most)
        fail_because("a number of the command line is out of its range");
    return (int)value;
}

int main(int argc, char **argv)
{
    int is_echo = argc == 7 && strcmp(argv[1], "echo") == 0;
    int is_burst = argc == 6 && strcmp(argv[1], "burst") == 0;
    int is_hold = argc == 6 && strcmp(argv[1], "hold") == 0;
    if (!is_echo && !is_burst && !is_hold)
        fail_because("usage: load echo|burst|hold PORT CONNECTIONS SIZE EXTRA [SECONDS]");

    struct sockaddr_in server = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)number_of(argv[2], 1, 65535)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    count = number_of(argv[3], 1, MOST_CONNECTIONS);
    size = number_of(argv[4], 1, MOST_SIZE);
    extra = number_of(argv[5], 0, MOST_EXTRA);
    for (int i = 0; i < MOST_SIZE + LETTERS; i++)
        letters[i] = (char)('a' + i % LETTERS);

    /* A shell's 1,024 descriptors are not enough. */
    struct rlimit descriptors;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        fail("getrlimit");
    descriptors.rlim_cur = descriptors.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        fail("setrlimit");
    ring = epoll_create1(EPOLL_CLOEXEC);
    if (ring < 0)
        fail("epoll_create1");

    if (is_echo)
        echo(&server, strtod(argv[6], NULL));
    else if (is_burst)
        burst(&server);
    else
        hold(&server);
    return ferror(stdout) || fclose(stdout) != 0;
}
