/* nfsload: what the workloads of data send and get back. */
#include "../load/data.h"

static void send_write(struct slot *s, bool through)
{
    enc_write(s, &s->c->dfh, (uint64_t)s->c->id, through ? FILE_SYNC : UNSTABLE);
}

static void send_read(struct slot *s)
{
    begin(s, NFS, P_READ);
    pfh(s, &s->c->dfh), p64(s, s->off), p32(s, s->len);
    end(s);
}

static void send_flush(struct slot *s) { enc_commit(s, &s->c->dfh); }

static void check_verf(struct slot *s, struct reply *x)
{
    struct conn *c = s->c;
    if (x->e - x->p < 8) {
        x->bad = true;
    } else if (!c->have_verf) {
        memcpy(c->verf, x->p, 8);
        c->have_verf = true;
    } else if (memcmp(c->verf, x->p, 8)) {
        bad("write verifier changed", 0);
        memcpy(c->verf, x->p, 8);
    }
}

static void flushed(struct slot *s, struct reply *x)
{
    uint32_t st = g32(x);
    if (st) {
        bad("COMMIT", st);
        return;
    }
    gwcc(x);
    check_verf(s, x);
}

static bool wrote(struct slot *s, struct reply *x)
{
    uint32_t st = g32(x), n;
    if (st) {
        bad("WRITE", st);
        return false;
    }
    gwcc(x);
    if ((n = g32(x)) != s->len)
        bad("short WRITE", n);
    n = g32(x);
    if ((W->arg & D_SYNC) && n != FILE_SYNC)
        bad("WRITE not FILE_SYNC", n);
    check_verf(s, x);
    return true;
}

static bool got(struct slot *s, struct reply *x)
{
    uint32_t st = g32(x), n;
    if (st) {
        bad("READ", st);
        return false;
    }
    gattr(x);
    n = g32(x), g32(x);
    if (n != s->len || g32(x) != n)
        bad("short READ", n);
    else if (x->reclen - (size_t)(x->p - x->b) < n)
        x->bad = true;
    else if (o_verify && memcmp(x->p, pat_at((uint64_t)s->c->id, s->off), n))
        R->bad++;
    return true;
}
