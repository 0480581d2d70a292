/* nfsload: many calls in flight, replies taken apart as they come. */
/* ---- the engine ---- */
static void bad(struct slot *s, const char *what, uint32_t st)
{
    (void)s;
    if (R->errors++ < 3)
        fprintf(stderr, "%s: %s status %u\n", W->name, what, st);
}

static void start_slot(struct slot *s)
{
    if (stopping || s->busy)
        return;
    s->step = 0;
    s->t0 = now_ns();
    if (W->start(s) == ISSUED) {
        s->busy = 1;
        inflight++;
    }
}

/* Take the next item number, or say that there is none left. */
static bool take(struct slot *s)
{
    if (next_n >= limit_n)
        return false;
    s->n = next_n++;
    return true;
}

/* One reply: avail bytes of a record of reclen are at p. */
static void on_reply(struct conn *c, const uint8_t *p, size_t avail, size_t reclen)
{
    struct xr x = {p, p + avail, false, reclen, p};
    uint32_t xid = g32(&x);
    struct slot *s = &c->sl[xid & (MAXQ - 1)];
    uint64_t t;
    int r = DONE;

    if (x.bad || !s->busy || s->xid != xid)
        die("reply with an unknown xid");
    if (!rpc_ok(&x))
        bad(s, "RPC", 0);
    else
        r = W->reply(s, &x);
    if (x.bad)
        bad(s, "short or malformed reply", 0);
    last_reply = t = now_ns();
    if (t >= t_end)
        stopping = true;
    if (r == MORE)
        return;
    if (r == DONE)
        hist_add(&R->h, t - s->t0);
    s->busy = 0;
    inflight--;
    start_slot(s);
}

/* Consume whole records in c->in; start skipping a READ reply's data. */
static void parse_in(struct conn *c)
{
    size_t pos = 0;

    c->need = 0;
    while (c->have - pos >= 4) {
        uint8_t *b = c->in + pos;
        size_t off = 0, out = 0, fl;
        uint32_t m;
        bool last = false, whole = true;

        memcpy(&m, b, 4);
        m = ntohl(m);
        fl = m & 0x7fffffff;
        if (fl + 4 > c->cap)
            die("reply longer than the receive buffer");
        if (discard && (m >> 31) && c->have - pos < fl + 4) {
            if (fl <= HDRNEED || c->have - pos < HDRNEED + 4)
                break;
            memcpy(c->save, b + 4, HDRNEED);
            c->save_reclen = fl;
            c->skip = fl + 4 - (c->have - pos);
            c->have = 0;
            return;
        }
        while (!last) {                         /* all fragments here? */
            if (c->have - pos - off < 4) {
                whole = false;
                break;
            }
            memcpy(&m, b + off, 4);
            m = ntohl(m);
            last = m >> 31;
            fl = m & 0x7fffffff;
            if (c->have - pos - off - 4 < fl) {
                c->need = off + 4 + fl;
                whole = false;
                break;
            }
            off += 4 + fl;
        }
        if (!whole) {
            if (!pos && c->have == c->cap)
                die("reply longer than the receive buffer");
            break;
        }
        for (size_t o = 0; o < off; o += 4 + fl) {      /* join them */
            memcpy(&m, b + o, 4);
            fl = ntohl(m) & 0x7fffffff;
            if (o != out)
                memmove(b + 4 + out, b + o + 4, fl);
            out += fl;
        }
        on_reply(c, b + 4, out, out);
        pos += off;
    }
    if (pos && (c->have -= pos))
        memmove(c->in, c->in + pos, c->have);
}

static void on_readable(struct conn *c)
{
    for (int round = 0; round < 32; round++) {
        size_t want = 65536;
        ssize_t n;
        if (c->need > c->have)
            want = c->need - c->have;           /* the rest of a long reply */
        if (discard && !c->skip && c->have < HDRNEED + 4)
            want = HDRNEED + 4 - c->have;
        if (want > c->cap - c->have)
            want = c->cap - c->have;
        if (c->skip)
            n = recv(c->fd, scratch, want = c->skip, MSG_TRUNC | MSG_DONTWAIT);
        else
            n = recv(c->fd, c->in + c->have, want, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0)
            die("connection closed by the server");
        if (!c->skip) {
            c->have += (size_t)n;
            parse_in(c);
        } else if (!(c->skip -= (size_t)n)) {
            on_reply(c, c->save, HDRNEED, c->save_reclen);
        }
        if ((size_t)n < want)
            break;
    }
    flush(c);
}

/* Run workload w: at most secs seconds and n items, over all slots. */
static void run(const struct wl *w, double secs, uint64_t n, struct result *r)
{
    struct epoll_event ev[64];
    int depth = o_depth;

    W = w;
    R = r;
    next_n = 0;
    limit_n = n;
    stopping = false;
    r->wl = w->name;
    r->a = cpu_now();
    t_start = last_reply = t_lastio = now_ns();
    t_end = t_start + (uint64_t)(secs * 1e9);
    for (int q = 0; q < depth; q++)
        for (int i = 0; i < o_conns; i++)
            start_slot(&cn[i].sl[q]);
    for (int i = 0; i < o_conns; i++)
        flush(&cn[i]);
    while (inflight) {
        int k = epoll_wait(ep, ev, 64, 1000);
        if (k < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < k; i++) {
            struct conn *c = &cn[ev[i].data.u32];
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                on_readable(c);
            else
                flush(c);
        }
        if (k <= 0 && now_ns() - last_reply > HANG_NS) {
            r->errors += (uint64_t)inflight;
            die("server hangs: no reply for 60 s");
        }
    }
    r->b = cpu_now();
    r->secs = (double)(last_reply - t_start) / 1e9;
    r->secs_nc = (double)(t_lastio - t_start) / 1e9;
}
