/* nfsload: sockets, and calls made one at a time for setting up. */
/* ---- sockets ---- */
static int dial(int port)
{
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *ai;
    char svc[16];
    int one = 1, fd;

    snprintf(svc, sizeof svc, "%d", port);
    if (getaddrinfo(o_host, svc, &hint, &ai))
        die("cannot resolve host");
    if ((fd = socket(ai->ai_family, SOCK_STREAM, 0)) < 0)
        die("socket");
    if (o_resv && bindresvport(fd, NULL) < 0)
        die("bindresvport");
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
        perror("connect");
        exit(2);
    }
    freeaddrinfo(ai);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void flush(struct conn *c)
{
    struct iovec v[128];
    int want;

    while (c->sqh != c->sqt) {
        int n = 0;
        size_t skip = c->sent, total = 0;
        for (unsigned i = c->sqh; i != c->sqt && n < 126; i++) {
            struct slot *s = &c->sl[c->sq[i % MAXQ]];
            if (skip < s->hlen)
                v[n++] = (struct iovec){s->hdr + skip, s->hlen - skip}, skip = 0;
            else
                skip -= s->hlen;
            if (s->dlen > skip)
                v[n++] = (struct iovec){(void *)(s->data + skip), s->dlen - skip};
            skip = 0;
        }
        for (int i = 0; i < n; i++)
            total += v[i].iov_len;
        struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
        ssize_t w = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (w < 0) {
            if (errno == EAGAIN || errno == EINTR)
                break;
            die("send failed: server closed the connection?");
        }
        c->sent += (size_t)w;
        while (c->sqh != c->sqt) {
            struct slot *s = &c->sl[c->sq[c->sqh % MAXQ]];
            if (c->sent < s->hlen + s->dlen)
                break;
            c->sent -= s->hlen + s->dlen;
            c->sqh++;
        }
        if ((size_t)w < total)
            break;
    }
    want = c->sqh != c->sqt;
    if (want != c->want_out && c->id >= 0) {
        struct epoll_event e = {.events = EPOLLIN | (want ? (uint32_t)EPOLLOUT : 0u),
                                .data.u32 = (uint32_t)c->id};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
        c->want_out = want;
    }
}

/* Strip the RPC reply header; false if the call was not accepted. */
static bool rpc_ok(struct xr *x)
{
    if (g32(x) != 1 || g32(x) != 0)             /* REPLY, MSG_ACCEPTED */
        return false;
    g32(x);
    gskip(x, g32(x));                           /* verifier */
    return g32(x) == 0 && !x->bad;              /* SUCCESS */
}

/* ---- synchronous calls, for setting up: slot 0 of a quiet connection ---- */
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

static bool sync_call(struct slot *s, struct xr *x)
{
    struct conn *c = s->c;
    size_t have = 0;
    uint32_t m = 0;

    end(s);
    while (c->sqh != c->sqt) {
        struct pollfd p = {c->fd, POLLOUT, 0};
        flush(c);
        if (c->sqh != c->sqt && poll(&p, 1, 30000) <= 0)
            die("timeout while sending");
    }
    while (!(m >> 31)) {                        /* fragments, to the last */
        read_all(c->fd, (uint8_t *)&m, 4);
        m = ntohl(m);
        if ((m & 0x7fffffff) > c->cap - have)
            die("reply too long");
        read_all(c->fd, c->in + have, m & 0x7fffffff);
        have += m & 0x7fffffff;
    }
    *x = (struct xr){c->in, c->in + have, false, have, c->in};
    return g32(x) == s->xid && rpc_ok(x);
}

static struct conn *conn_init(struct conn *c, int id, int fd)
{
    c->id = id;
    c->fd = fd;
    c->cap = (4u << 20) + 65536;
    c->in = xalloc(c->cap);
    c->sl = xalloc(sizeof *c->sl * MAXQ);
    for (int i = 0; i < MAXQ; i++)
        c->sl[i].c = c, c->sl[i].idx = i;
    return c;
}

static void do_mount(void)
{
    struct conn m = {0};
    struct xr x;
    struct slot *s = conn_init(&m, -1, dial(o_mport))->sl;

    begin(s, MNT, 1);
    pstr(s, o_export);
    if (!sync_call(s, &x))
        die("MOUNT: call refused");
    uint32_t st = g32(&x);
    if (st) {
        fprintf(stderr, "error: MOUNT %s: status %u\n", o_export, st);
        exit(2);
    }
    gfh(&x, &root);
    if (x.bad)
        die("MOUNT: bad reply");
    close(m.fd);
    free(m.in);
    free(m.sl);
}

static void do_fsinfo(void)
{
    struct xr x;
    struct slot *s = cn[0].sl;

    begin(s, NFS, P_FSINFO);
    pfh(s, &root);
    if (!sync_call(s, &x) || g32(&x))
        die("FSINFO failed");
    gattr(&x);
    rtmax = g32(&x), g32(&x), g32(&x), wtmax = g32(&x);
    if (x.bad || !rtmax || !wtmax)
        die("FSINFO: bad reply");
}

static uint32_t do_lookup(const struct fh *d, const char *name, struct fh *f)
{
    struct xr x;
    struct slot *s = cn[0].sl;
    uint32_t st;

    begin(s, NFS, P_LOOKUP);
    pfh(s, d), pstr(s, name);
    if (!sync_call(s, &x))
        die("LOOKUP refused");
    if (!(st = g32(&x)) && !gfh(&x, f))
        die("LOOKUP: bad reply");
    return st;
}

/* MKDIR (proc P_MKDIR) or CREATE with truncation (P_CREATE). */
static void do_make(int proc, const struct fh *d, const char *name, struct fh *f)
{
    struct xr x;
    struct slot *s = cn[0].sl;
    uint32_t st;

    begin(s, NFS, (uint32_t)proc);
    pfh(s, d), pstr(s, name);
    if (proc == P_CREATE)
        p32(s, 0);                              /* UNCHECKED */
    psattr(s, proc == P_CREATE ? 0644 : 0777, proc == P_CREATE);
    if (!sync_call(s, &x))
        die("CREATE/MKDIR refused");
    st = g32(&x);
    if (st && st != NFS3ERR_EXIST) {
        fprintf(stderr, "error: making %s: status %u\n", name, st);
        exit(2);
    }
    if ((st || !g32(&x) || !gfh(&x, f)) && do_lookup(d, name, f))
        die("cannot look up what was made");
}

static void do_remove(int proc, const struct fh *d, const char *name)
{
    struct xr x;
    struct slot *s = cn[0].sl;

    begin(s, NFS, (uint32_t)proc);
    pfh(s, d), pstr(s, name);
    if (!sync_call(s, &x) || g32(&x))
        fprintf(stderr, "warning: could not remove %s\n", name);
}
