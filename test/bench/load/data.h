/* data.h - workloads over the content of one file a connection, in order and at random. */
#pragma once
#include "engine.h"

/* What a protocol sends of it: s->len bytes at s->off of the connection's file; and its flush. */
static void send_write(struct slot *s, bool through);
static void send_read(struct slot *s);
static void send_flush(struct slot *s);
/* Looks at the reply; false where it says that nothing was done. */
static bool wrote(struct slot *s, struct reply *p);
static bool got(struct slot *s, struct reply *p);
static void flushed(struct slot *s, struct reply *p);

enum { D_SEQ = 1, D_RD = 2, D_WR = 4, D_SYNC = 8, D_MIX = 16, D_4K = 32, D_ONCE = 64 };
static int s_data(struct slot *s)
{
    struct conn *c = s->c;
    int wr = W->arg & D_WR;

    if (W->arg & D_MIX)
        wr = rng() % 10 >= 7;
    s->len = cur_io;
    if (W->arg & D_SEQ) {
        if (c->pos >= o_size && !wr && !(W->arg & D_ONCE) && (!o_passes || ++c->pass < o_passes))
            c->pos = 0;
        if (c->committing || c->pos >= o_size)
            return PARKED;                      /* writes: wait for the flush */
        s->off = c->pos;
        if (o_size - s->off < s->len)
            s->len = (uint32_t)(o_size - s->off);
        c->pos += s->len;
    } else {
        s->off = rng() % (o_size / cur_io) * cur_io;
    }
    s->step = wr ? 1 : 0;
    if (wr) {
        c->out++;
        send_write(s, W->arg & D_SYNC);
    } else {
        send_read(s);
    }
    return ISSUED;
}

/* A flush when a pass is written, or the time is up and nothing is left. */
static bool flush_due(struct conn *c)
{
    if (c->out || (W->arg & D_SYNC))
        return false;
    return stopping || now_ns() >= t_end || ((W->arg & D_SEQ) && c->pos >= o_size);
}

/* A pass is written and flushed: the next begins, if there is one. */
static void pass_done(struct slot *s)
{
    struct conn *c = s->c;
    double ms = (double)(now_ns() - s->off) / 1e6;

    if (ms > R->commit_ms)
        R->commit_ms = ms;
    c->committing = false;
    if (!(W->arg & D_SEQ))
        return;
    if (c->pos >= o_size)
        c->valid = o_size;
    if (W->arg & D_ONCE || ++c->pass == o_passes)
        return;
    c->pos = 0;
    for (int q = 0; q < o_depth; q++)
        if (&c->sl[q] != s)
            start_slot(&c->sl[q]);
}

static int r_data(struct slot *s, struct reply *p)
{
    struct conn *c = s->c;

    if (s->step == 2) {
        flushed(s, p);
        pass_done(s);
        return NOLAT;
    }
    if (s->step == 0 && !got(s, p))
        return DONE;
    if (s->step == 0 || wrote(s, p)) {
        R->bytes += s->len;
        R->items++;
    }
    t_lastio = now_ns();
    if (s->step == 0)
        return DONE;
    c->out--;
    if (!flush_due(c) || c->committing)
        return DONE;
    c->committing = true;
    hist_add(&R->h, t_lastio - s->t0);
    s->off = t_lastio;
    s->step = 2;
    send_flush(s);
    return MORE;
}

/* One measured run, of at most n items, and its line on stdout. */
static void measure(const char *tool, const struct wl *w, double secs, uint64_t n)
{
    struct result *r = xalloc(sizeof *r);
    bool data = w->start == s_data;

    r->tool = tool, r->name = o_name;
    r->conns = o_conns, r->depth = o_depth;
    r->io = data ? cur_io : w->needs == N_MADE ? 4096 : 0;
    if (!o_nowarm && data && (w->arg & D_SEQ) && (w->arg & D_WR))
        warm_memory(o_size * (uint64_t)o_conns + (64u << 20));
    if (o_announce)
        fprintf(stderr, "running %s\n", w->name);
    run(w, secs, n, r);
    if (!data)
        r->secs_nc = 0;
    discard = false;
    result_print(r);
    free(r);
}
