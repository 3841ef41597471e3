/* icmp_calls: the yardstick of a flood, its two system calls and nothing else.
 *
 *     icmp_calls COUNT
 *
 * Sends COUNT echo requests to 127.0.0.1, each when the reply to the one before has been taken in with
 * its time stamp, and prints echoes per second. It looks at no reply, keeps no statistics and knows no
 * clock but at its beginning and end: no pinger that makes these two calls for each echo can be faster.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { LENGTH = 64, FILTER = 1 /* ICMP_FILTER of linux/icmp.h */ };

static void fail(const char *what)
{
    fprintf(stderr, "icmp_calls: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint16_t checksum(const uint16_t *words, size_t count)
{
    uint32_t sum = 0;
    while (count-- > 0)
        sum += *words++;
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char **words)
{
    long wanted = count == 2 ? atol(words[1]) : 0;
    if (wanted < 1) {
        fprintf(stderr, "usage: icmp_calls COUNT\n");
        return 2;
    }
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (fd < 0)
        fail("socket");
    uint32_t all_but_replies = ~(1u << ICMP_ECHOREPLY);
    int on = 1;
    if (setsockopt(fd, SOL_RAW, FILTER, &all_but_replies, sizeof all_but_replies) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0)
        fail("setsockopt");
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    union {
        struct icmphdr header;
        uint16_t words[LENGTH / 2];
    } request = {.header = {.type = ICMP_ECHO}};
    char reply[2048], control[512];
    double began = now();
    for (long number = 0; number < wanted; number++) {
        request.header.un.echo.sequence = htons((uint16_t)number);
        request.header.checksum = 0;
        request.header.checksum = checksum(request.words, LENGTH / 2);
        if (sendto(fd, &request, LENGTH, 0, (struct sockaddr *)&target, sizeof target) < 0)
            fail("sendto");
        struct sockaddr_in from;
        struct iovec part = {.iov_base = reply, .iov_len = sizeof reply};
        struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
                                 .msg_control = control, .msg_controllen = sizeof control};
        if (recvmsg(fd, &message, 0) < 0)
            fail("recvmsg");
    }
    printf("%.0f\n", (double)wanted / (now() - began));
    return 0;
}
