/* nullprobe - how long a server lets a newcomer wait.
 *
 * On a connection of its own it sends one NFSv3 NULL call every few
 * milliseconds, never two at once, and prints the latencies as one JSON line.
 * While another client loads the server, that is the lag of the server's event
 * loop as seen from outside (plus two wake-ups and the machine's scheduling).
 *
 * gcc -O2 -Wall -Wextra -o bin/nullprobe nullprobe.c
 * usage: nullprobe port seconds [interval in ms]
 */
#define _GNU_SOURCE
#include "benchutil.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void sleep_until(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void exactly(int fd, uint8_t *b, size_t n)
{
    while (n) {
        ssize_t r = recv(fd, b, n, 0);
        if (r <= 0)
            die("nullprobe: connection closed or no reply for 30 s");
        b += r, n -= (size_t)r;
    }
}

int main(int argc, char **argv)
{
    /* record mark, xid, CALL, RPC 2, NFS 3, NULL, two empty AUTH_NONE */
    uint32_t call[11] = {htonl(0x80000000u | 40), 0, 0, htonl(2), htonl(100003), htonl(3), 0, 0, 0, 0, 0};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {30, 0};
    struct hist *h = xalloc(sizeof *h);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    uint64_t step, start, t;

    if (argc < 3)
        die("usage: nullprobe port seconds [interval in ms]");
    step = (uint64_t)((argc > 3 ? atof(argv[3]) : 2) * 1e6);
    a.sin_port = htons((uint16_t)atoi(argv[1]));
    if (connect(fd, (void *)&a, sizeof a) < 0)
        die("nullprobe: cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    start = now_ns();
    for (t = start; t - start < (uint64_t)(atof(argv[2]) * 1e9); t = now_ns()) {
        uint8_t reply[4096];
        uint32_t mark, xid;

        call[1]++;
        if (send(fd, call, sizeof call, MSG_NOSIGNAL) != (ssize_t)sizeof call)
            die("nullprobe: send failed");
        exactly(fd, (uint8_t *)&mark, 4);
        mark = ntohl(mark) & 0x7fffffff;
        if (mark < 4 || mark > sizeof reply)
            die("nullprobe: strange reply");
        exactly(fd, reply, mark);
        memcpy(&xid, reply, 4);
        if (xid != call[1])
            die("nullprobe: reply with another xid");
        hist_add(h, now_ns() - t);
        sleep_until(t + step);
    }
    printf("{\"tool\":\"nullprobe\",\"calls\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}\n",
           (unsigned long long)h->n, hist_q(h, .5), hist_q(h, .99), hist_q(h, .999), (double)h->max / 1e3);
    return 0;
}
