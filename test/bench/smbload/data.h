/* data.h - what the workloads of data send and get back. */
#pragma once
#include "engine.h"
#include "../load/data.h"

static void send_write(struct slot *s, bool through) { enc_write(s, s->c->dfid, (uint64_t)s->c->id, through); }
static void send_read(struct slot *s) { enc_read(s, s->c->dfid); }
static void send_flush(struct slot *s) { enc_flush(s, s->c->dfid); }

static void flushed(struct slot *s, struct reply *p)
{
    (void)s;
    if (p->status)
        bad("FLUSH", p->status);
}

static bool wrote(struct slot *s, struct reply *p)
{
    if (p->status) {
        bad("WRITE", p->status);
        return false;
    }
    if (p->len < HDR + 16 || r32(p->m + HDR + 4) != s->len)
        bad("short WRITE", 0);
    return true;
}

static bool got(struct slot *s, struct reply *p)
{
    if (p->status) {
        bad("READ", p->status);
        return false;
    }
    size_t o = p->m[HDR + 2];
    if (p->avail < HDR + 16 || r32(p->m + HDR + 4) != s->len || o + s->len > p->len)
        bad("short READ", 0);
    else if (o_verify && memcmp(p->m + o, pat_at((uint64_t)s->c->id, s->off), s->len))
        R->bad++;
    return true;
}
