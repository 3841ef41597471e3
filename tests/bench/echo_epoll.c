/* echo_epoll: a peer for the benchmark, the echo server that C programmers write for speed.
 *
 *     echo_epoll PORT
 *
 * One thread, level-triggered epoll(7), a read and a write for each ready connection.
 * What the socket does not take at once waits in the client's buffer, and the client is not read from
 * meanwhile; so a client that does not read its echo costs CHUNK bytes and no more. It listens on
 * 127.0.0.1, does not log and does not limit idle clients: it is the yardstick, not a server to run.
 */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 8192, EVENTS = 512, QUEUE = 4096 };

struct client {
    int fd;
    size_t length; /* bytes that wait to be sent */
    size_t sent;   /* how many of them the socket has taken */
    char *waiting; /* they; NULL when nothing waits, which is nearly always */
};

static int ring;
static char buffer[CHUNK];

static void fail(const char *what)
{
    fprintf(stderr, "echo_epoll: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(struct client *client, int operation, uint32_t events)
{
    struct epoll_event wanted = {.events = events, .data.ptr = client};
    if (epoll_ctl(ring, operation, client->fd, &wanted) != 0)
        fail("epoll_ctl");
}

static void leave(struct client *client)
{
    /* Closing the last descriptor of a socket also takes it out of the epoll set. */
    close(client->fd);
    free(client->waiting);
    free(client);
}

/* Everybody who waits in the queue. */
static void take_in(struct client *listener)
{
    for (;;) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return;
        if (fd < 0)
            fail("accept4");
        int on = 1;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
            fail("TCP_NODELAY");
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL)
            fail("calloc");
        client->fd = fd;
        watch(client, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* Sends what waits. False when the connection is lost. */
static int send_waiting(struct client *client)
{
    ssize_t sent = send(client->fd, client->waiting + client->sent, client->length - client->sent, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    client->sent += (size_t)sent;
    if (client->sent == client->length) {
        free(client->waiting);
        client->waiting = NULL;
        watch(client, EPOLL_CTL_MOD, EPOLLIN);
    }
    return 1;
}

/* One read and its echo. False when the client has ended or is lost. */
static int answer(struct client *client)
{
    ssize_t taken = recv(client->fd, buffer, sizeof buffer, 0);
    if (taken < 0)
        return errno == EAGAIN || errno == EINTR;
    if (taken == 0)
        return 0;
    ssize_t sent = send(client->fd, buffer, (size_t)taken, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return 0;
    if (sent == taken)
        return 1;
    client->sent = 0;
    client->length = (size_t)(taken - (sent < 0 ? 0 : sent));
    client->waiting = malloc(client->length);
    if (client->waiting == NULL)
        fail("malloc");
    memcpy(client->waiting, buffer + (taken - (ssize_t)client->length), client->length);
    watch(client, EPOLL_CTL_MOD, EPOLLOUT);
    return 1;
}

int main(int argc, char **argv)
{
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: echo_epoll PORT\n");
        return 2;
    }
    struct rlimit descriptors;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        fail("getrlimit");
    descriptors.rlim_cur = descriptors.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        fail("setrlimit");

    struct client listener = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (listener.fd < 0 || setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        fail("socket");
    if (bind(listener.fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("bind");
    if (listen(listener.fd, QUEUE) != 0)
        fail("listen");
    ring = epoll_create1(EPOLL_CLOEXEC);
    if (ring < 0)
        fail("epoll_create1");
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);

    struct epoll_event events[EVENTS];
    for (;;) {
        int found = epoll_wait(ring, events, EVENTS, -1);
        if (found < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < found; i++) {
            struct client *client = events[i].data.ptr;
            if (client == &listener)
                take_in(client);
            else if (!(client->waiting ? send_waiting(client) : answer(client)))
                leave(client);
        }
    }
}
