/* engine.h - slots in flight: started, answered, started again. */
#pragma once
#include "sockets.h"

/* One reply: avail bytes of a record of reclen are at p. Finds its slot and ends with answered(). */
static void on_reply(struct conn *c, uint8_t *p, size_t avail, size_t reclen);
/* Takes whole records out of c->in; starts to skip the data of a reply that is to be thrown away. */
static void parse_in(struct conn *c);

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

static void answered(struct slot *s, int r)
{
    uint64_t t = last_reply = now_ns();

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

/* The first head bytes of a reply of len bytes, which began at b, are kept, and the rest of it is thrown away. */
static void skip_data(struct conn *c, const uint8_t *b, size_t len, size_t pos)
{
    memcpy(c->save, b + 4, sizeof c->save);
    c->save_reclen = len;
    c->skip = len + 4 - (c->have - pos);
    c->have = 0;
}

static void on_readable(struct conn *c)
{
    for (int round = 0; round < 32; round++) {
        size_t want = 65536;
        ssize_t n;
        if (c->need > c->have)
            want = c->need - c->have;           /* the rest of a long reply */
        if (discard && !c->skip && c->have < sizeof c->save + 4)
            want = sizeof c->save + 4 - c->have;
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
            on_reply(c, c->save, sizeof c->save, c->save_reclen);
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

/* ---- preparing, running ---- */

/* Runs to its end, unmeasured. */
static void quiet(const struct wl *w, uint64_t n)
{
    struct result *r = xalloc(sizeof *r);
    discard = false;
    run(w, 600, n, r);
    if (r->errors) {
        fprintf(stderr, "error: %s: %llu errors\n", w->name, (unsigned long long)r->errors);
        exit(2);
    }
    free(r);
}

static void reset_slots(void)
{
    for (int i = 0; i < o_conns; i++) {
        cn[i].pos = cn[i].pass = 0;
        cn[i].committing = false;
        for (int q = 0; q < MAXQ; q++)
            cn[i].sl[q].cookie = 0, cn[i].sl[q].entries = 0;
    }
}

/* Does with each workload of the list what one() does. */
static void each(char *list, const struct wl *wls, size_t count, void (*one)(const struct wl *))
{
    for (char *t = strtok(list, ","); t; t = strtok(NULL, ",")) {
        size_t i = 0;
        while (i < count && strcmp(t, wls[i].name))
            i++;
        if (i == count)
            fprintf(stderr, "no such workload: %s\n", t);
        else
            one(&wls[i]);
    }
}
