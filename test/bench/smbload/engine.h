/* engine.h - slots in flight: started, answered, started again. */
#pragma once
#include "requests.h"

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

static bool take(struct slot *s)
{
    if (next_n >= limit_n)
        return false;
    s->n = next_n++;
    return true;
}

static void on_reply(struct conn *c, uint8_t *m, size_t avail, size_t len)
{
    struct slot *s = take_header(c, m, avail);
    struct rep p = {m, avail, len, 0};
    uint64_t t;
    int r;

    if (!s)
        return;
    if (!s->busy)
        die("reply to a request that is not in flight");
    p.status = r32(m + 8);
    if (!o_nocheck && !c->opener && avail == len && !signature_ok(c, m, len))
        bad("signature", p.status);
    r = W->reply(s, &p);
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

static void parse_in(struct conn *c)
{
    size_t pos = 0;

    c->need = 0;
    while (c->have - pos >= 4) {
        uint8_t *b = c->in + pos;
        size_t fl = (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        if (fl + 4 > c->cap)
            die("reply longer than the receive buffer");
        if (c->have - pos < fl + 4) {
            if (discard && fl > sizeof c->save && c->have - pos >= sizeof c->save + 4) {
                memcpy(c->save, b + 4, sizeof c->save);
                c->save_reclen = fl;
                c->skip = fl + 4 - (c->have - pos);
                c->have = 0;
                return;
            }
            c->need = fl + 4;
            break;
        }
        if (c->opener) {
            size_t len = fl;
            uint8_t *m = unseal(c, b + 4, &len);
            on_reply(c, m, len, len);
        } else {
            on_reply(c, b + 4, fl, fl);
        }
        pos += fl + 4;
    }
    if (pos && (c->have -= pos))
        memmove(c->in, c->in + pos, c->have);
}

static void on_readable(struct conn *c)
{
    for (int round = 0; round < 32; round++) {
        size_t want = 65536;
        ssize_t n;
        if (c->need)
            want = c->need - c->have;           /* the rest of a long reply */
        if (discard && !c->skip && c->have < sizeof c->save + 4)
            want = sizeof c->save + 4 - c->have;
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
            c->need = 0;
            on_reply(c, c->save, sizeof c->save, c->save_reclen);
        }
        if ((size_t)n < want)
            break;
    }
    flush(c);
}

static void run(const struct wl *w, double secs, uint64_t n, struct result *r)
{
    struct epoll_event ev[64];

    W = w;
    R = r;
    next_n = 0;
    limit_n = n;
    stopping = false;
    r->wl = w->name;
    r->a = cpu_now();
    t_start = last_reply = t_lastio = now_ns();
    t_end = t_start + (uint64_t)(secs * 1e9);
    for (int q = 0; q < o_depth; q++)
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
        if (k <= 0 && now_ns() - last_reply > HANG_NS)
            die("server hangs: no reply for 60 s");
    }
    r->b = cpu_now();
    r->secs = (double)(last_reply - t_start) / 1e9;
    r->secs_nc = (double)(t_lastio - t_start) / 1e9;
}
