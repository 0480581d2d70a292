/* sockets.h - connecting, and sending what is queued. Included once a protocol's struct slot and struct conn are known. */
#pragma once
#include "state.h"

/* A request as it goes out: its head, and its payload or nothing. */
static void request_parts(const struct slot *s, struct iovec part[2]);

static int dial(int port, bool reserved)
{
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *ai;
    char svc[16];
    int one = 1, fd;

    snprintf(svc, sizeof svc, "%d", port);
    if (getaddrinfo(o_host, svc, &hint, &ai))
        die("cannot resolve host");
    if ((fd = socket(ai->ai_family, SOCK_STREAM, 0)) < 0)
        die("socket");
    if (reserved && bindresvport(fd, NULL) < 0)
        die("bindresvport");
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
        perror("connect");
        exit(2);
    }
    freeaddrinfo(ai);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static struct conn *conn_init(struct conn *c, int id, int fd)
{
    c->id = id;
    c->fd = fd;
    c->cap = IN_BYTES;
    c->in = xalloc(c->cap);
    c->sl = xalloc(sizeof *c->sl * MAXQ);
    for (int i = 0; i < MAXQ; i++)
        c->sl[i].c = c, c->sl[i].idx = i;
    return c;
}

/* The connections of the run, watched by epoll. */
static void connect_all(bool reserved)
{
    if ((ep = epoll_create1(0)) < 0)
        die("epoll");
    cn = xalloc(sizeof *cn * (size_t)o_conns);
    for (int i = 0; i < o_conns; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        conn_init(&cn[i], i, dial(o_port, reserved));
        epoll_ctl(ep, EPOLL_CTL_ADD, cn[i].fd, &e);
    }
}

static void flush(struct conn *c)
{
    struct iovec v[128], part[2];
    int want;

    while (c->sqh != c->sqt) {
        int n = 0;
        size_t skip = c->sent, total = 0;
        for (unsigned i = c->sqh; i != c->sqt && n < 126; i++) {
            request_parts(&c->sl[c->sq[i % MAXQ]], part);
            for (int k = 0; k < 2; k++) {
                size_t gone = skip < part[k].iov_len ? skip : part[k].iov_len, left = part[k].iov_len - gone;
                skip -= gone;
                if (left)
                    v[n++] = (struct iovec){(uint8_t *)part[k].iov_base + gone, left}, total += left;
            }
        }
        struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
        ssize_t w = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (w < 0) {
            if (errno == EAGAIN || errno == EINTR)
                break;
            die("send failed: server closed the connection?");
        }
        c->sent += (size_t)w;
        while (c->sqh != c->sqt) {
            request_parts(&c->sl[c->sq[c->sqh % MAXQ]], part);
            if (c->sent < part[0].iov_len + part[1].iov_len)
                break;
            c->sent -= part[0].iov_len + part[1].iov_len;
            c->sqh++;
        }
        if ((size_t)w < total)
            break;
    }
    want = c->sqh != c->sqt;
    if (want != c->want_out && c->id >= 0) {
        struct epoll_event e = {.events = EPOLLIN | (want ? (uint32_t)EPOLLOUT : 0u), .data.u32 = (uint32_t)c->id};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
        c->want_out = want;
    }
}

/* ---- one call at a time, for setting up, on a quiet connection ---- */
static void send_all(struct conn *c)
{
    while (c->sqh != c->sqt) {
        struct pollfd p = {c->fd, POLLOUT, 0};
        flush(c);
        if (c->sqh != c->sqt && poll(&p, 1, 30000) <= 0)
            die("timeout while sending");
    }
}

static void read_all(int fd, uint8_t *b, size_t n)
{
    while (n) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 30000) <= 0)
            die("timeout: no reply from the server");
        ssize_t r = recv(fd, b, n, 0);
        if (r <= 0)
            die("connection closed during set-up");
        b += r, n -= (size_t)r;
    }
}
