/* A peer for tests/bench/reliable.py: bytes over Debian's ENet 1.3, reliable and in order, its defaults.
 *
 *   reliable_enet receive PORT          receives transfers until it is killed
 *   reliable_enet send HOST PORT BYTES  sends so many and prints the seconds until the receiver has them all
 */

#include <enet/enet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Fits one datagram with ENet's headers (its MTU is 1,392), so that none is cut into fragments. */
#define MESSAGE 1300
/* How many messages wait for acknowledgement at most; ENet itself would queue any number. */
#define WAITING 2000
/* A transfer that takes longer than this many seconds is given up. */
#define PATIENCE 120.0

static int waiting;

static void is_acknowledged(ENetPacket *packet) {
    (void)packet;
    waiting--;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *why) {
    fprintf(stderr, "reliable_enet: %s\n", why);
    exit(1);
}

/* The last message of a transfer begins with 1, all others with 0; it is answered with one byte. */
static void receive(int port) {
    ENetAddress address = {.host = ENET_HOST_ANY, .port = port};
    ENetHost *host = enet_host_create(&address, 8, 1, 0, 0);
    if (!host)
        fail("cannot listen");
    fprintf(stderr, "listening on 0.0.0.0:%d (udp)\n", port);
    for (;;) {
        ENetEvent event;
        if (enet_host_service(host, &event, 1000) <= 0 || event.type != ENET_EVENT_TYPE_RECEIVE)
            continue;
        if (event.packet->data[0] == 1)
            enet_peer_send(event.peer, 0, enet_packet_create("!", 1, ENET_PACKET_FLAG_RELIABLE));
        enet_packet_destroy(event.packet);
    }
}

static void send_all(const char *name, int port, long bytes) {
    ENetAddress address = {.port = port};
    ENetHost *host = enet_host_create(NULL, 1, 1, 0, 0);
    if (!host || enet_address_set_host(&address, name) != 0)
        fail("no such host");
    double began = now();
    ENetPeer *peer = enet_host_connect(host, &address, 1, 0);
    int connected = 0;
    char message[MESSAGE] = {0};
    while (now() - began < PATIENCE) {
        while (connected && bytes > 0 && waiting < WAITING) {
            size_t length = bytes < MESSAGE ? bytes : MESSAGE;
            message[0] = bytes <= MESSAGE;
            ENetPacket *packet = enet_packet_create(message, length, ENET_PACKET_FLAG_RELIABLE);
            packet->freeCallback = is_acknowledged;
            waiting++;
            bytes -= length;
            if (enet_peer_send(peer, 0, packet) != 0)
                fail("cannot send");
        }
        ENetEvent event;
        if (enet_host_service(host, &event, 1) <= 0)
            continue;
        if (event.type == ENET_EVENT_TYPE_CONNECT)
            connected = 1;
        if (event.type == ENET_EVENT_TYPE_DISCONNECT)
            fail("the peer has gone");
        if (event.type == ENET_EVENT_TYPE_RECEIVE) {
            printf("%.6f\n", now() - began);
            enet_peer_disconnect_now(peer, 0);
            return;
        }
    }
    fail("too slow");
}

int main(int count, char **words) {
    if (enet_initialize() != 0)
        fail("no ENet");
    if (count == 3 && !strcmp(words[1], "receive"))
        receive(atoi(words[2]));
    else if (count == 5 && !strcmp(words[1], "send"))
        send_all(words[2], atoi(words[3]), atol(words[4]));
    else
        fail("receive PORT | send HOST PORT BYTES");
    return 0;
}
