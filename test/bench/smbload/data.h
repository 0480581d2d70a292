/* data.h - workloads over the content of one file a connection. */
#pragma once
#include "engine.h"

/* data: sequential and random, read and write */
enum { D_SEQ = 1, D_RD = 2, D_WR = 4, D_SYNC = 8, D_MIX = 16, D_4K = 32, D_ONCE = 64 };
static int s_data(struct slot *s)
{
    struct conn *c = s->c;
    int wr = W->arg & D_WR;

    if (W->arg & D_MIX)
        wr = rng() % 10 >= 7;
    s->len = cur_io;
    if (W->arg & D_SEQ) {
        if (c->pos >= o_size && !wr && !(W->arg & D_ONCE))
            c->pos = 0;
        if (c->committing || c->pos >= o_size)
            return PARKED;                      /* writes: wait for the FLUSH */
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
        enc_write(s, c->dfid, (uint64_t)c->id, W->arg & D_SYNC);
    } else {
        enc_read(s, c->dfid);
    }
    return ISSUED;
}

/* FLUSH when a pass is written, or the time is up and nothing is left. */
static bool flush_due(struct conn *c)
{
    if (c->out || (W->arg & D_SYNC))
        return false;
    return stopping || now_ns() >= t_end || ((W->arg & D_SEQ) && c->pos >= o_size);
}

static int r_data(struct slot *s, const struct rep *p)
{
    struct conn *c = s->c;
    double ms;

    if (s->step == 2) {                         /* FLUSH */
        ms = (double)(now_ns() - s->off) / 1e6;
        if (ms > R->commit_ms)
            R->commit_ms = ms;
        if (p->status)
            bad("FLUSH", p->status);
        c->committing = false;
        if (W->arg & D_SEQ) {
            if (c->pos >= o_size)
                c->valid = o_size;
            if (!(W->arg & D_ONCE) && ++c->pass != o_passes) {
                c->pos = 0;
                for (int q = 0; q < o_depth; q++)
                    if (&c->sl[q] != s)
                        start_slot(&c->sl[q]);
            }
        }
        return NOLAT;
    }
    if (s->step == 1) {                         /* WRITE */
        c->out--;
        if (p->status) {
            bad("WRITE", p->status);
        } else {
            if (p->len < HDR + 16 || r32(p->m + HDR + 4) != s->len)
                bad("short WRITE", 0);
            R->bytes += s->len;
            R->items++;
        }
        t_lastio = now_ns();
        if (flush_due(c) && !c->committing) {
            c->committing = true;
            hist_add(&R->h, t_lastio - s->t0);
            s->off = t_lastio;
            s->step = 2;
            enc_flush(s, c->dfid);
            return MORE;
        }
        return DONE;
    }
    if (p->status) {                            /* READ */
        bad("READ", p->status);
        return DONE;
    }
    size_t o = p->m[HDR + 2];
    if (p->avail < HDR + 16 || r32(p->m + HDR + 4) != s->len || o + s->len > p->len)
        bad("short READ", 0);
    else if (o_verify && memcmp(p->m + o, pat_at((uint64_t)c->id, s->off), s->len))
        R->bad++;
    R->bytes += s->len;
    R->items++;
    t_lastio = now_ns();
    return DONE;
}
