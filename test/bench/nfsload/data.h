/* nfsload: workloads of data, sequential and at random. */
/* ---- data: sequential and random, read and write ---- */
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
            return PARKED;                      /* writes: wait for the COMMIT */
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
        enc_write(s, &c->dfh, (uint64_t)c->id, W->arg & D_SYNC ? FILE_SYNC : UNSTABLE);
        return ISSUED;
    }
    begin(s, NFS, P_READ);
    pfh(s, &c->dfh), p64(s, s->off), p32(s, s->len);
    end(s);
    return ISSUED;
}

static void check_verf(struct slot *s, struct xr *x)
{
    struct conn *c = s->c;
    if (x->e - x->p < 8) {
        x->bad = true;
    } else if (!c->have_verf) {
        memcpy(c->verf, x->p, 8);
        c->have_verf = true;
    } else if (memcmp(c->verf, x->p, 8)) {
        bad(s, "write verifier changed", 0);
        memcpy(c->verf, x->p, 8);
    }
}

/* COMMIT when a pass is written, or the time is up and nothing is left. */
static bool commit_due(struct conn *c)
{
    if (c->out || (W->arg & D_SYNC))
        return false;
    return stopping || now_ns() >= t_end || ((W->arg & D_SEQ) && c->pos >= o_size);
}

static int r_data(struct slot *s, struct xr *x)
{
    struct conn *c = s->c;
    uint32_t st = g32(x), n;
    double ms;

    if (s->step == 2) {                         /* COMMIT */
        ms = (double)(now_ns() - s->off) / 1e6;
        if (ms > R->commit_ms)
            R->commit_ms = ms;
        if (st) {
            bad(s, "COMMIT", st);
        } else {
            gwcc(x);
            check_verf(s, x);
        }
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
        if (st) {
            bad(s, "WRITE", st);
        } else {
            gwcc(x);
            if ((n = g32(x)) != s->len)
                bad(s, "short WRITE", n);
            n = g32(x);
            if ((W->arg & D_SYNC) && n != FILE_SYNC)
                bad(s, "WRITE not FILE_SYNC", n);
            check_verf(s, x);
            R->bytes += s->len;
            R->items++;
        }
        t_lastio = now_ns();
        if (commit_due(c) && !c->committing) {
            c->committing = true;
            hist_add(&R->h, t_lastio - s->t0);
            s->off = t_lastio;
            s->step = 2;
            enc_commit(s, &c->dfh);
            return MORE;
        }
        return DONE;
    }
    if (st) {                                   /* READ */
        bad(s, "READ", st);
        return DONE;
    }
    gattr(x);
    n = g32(x), g32(x);
    if (n != s->len || g32(x) != n)
        bad(s, "short READ", n);
    else if (x->reclen - (size_t)(x->p - x->b) < n)
        x->bad = true;
    else if (o_verify && memcmp(x->p, pat_at((uint64_t)c->id, s->off), n))
        R->bad++;
    R->bytes += n;
    R->items++;
    t_lastio = now_ns();
    return DONE;
}
