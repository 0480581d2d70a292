/* files.h - workloads over many files and directories. */
#pragma once
#include "engine.h"

static void fname(char *b, uint64_t i, int kind)        /* kind: f, g, c; B: big */
{
    const char *d = kind == 'B' ? "big" : "d0";
    if (kind == 'f' && i < o_files && fstate[i])
        kind = 'g';
    sprintf(b, "%s\\%s\\%c%07llu", o_base, d, kind == 'B' ? 'f' : kind, (unsigned long long)i);
}

/* echo, queryinfo: one call per item */
static int s_simple(struct slot *s)
{
    uint8_t *b;
    if (!take(s))
        return PARKED;
    if (W->arg == ECHO_) {
        begin(s, ECHO_, 4, 4);
    } else {
        b = begin(s, QUERY_INFO, 40, 41);
        b[2] = 1, b[3] = 34;                    /* FileNetworkOpenInformation */
        w32(b + 4, 56);
        memcpy(b + 24, s->c->qfid[s->idx % 16], 16);
    }
    end(s);
    return ISSUED;
}
static int r_simple(struct slot *s, struct reply *p)
{
    (void)s;
    if (p->status)
        bad(W->name, p->status);
    R->items++;
    return DONE;
}

/* Everything that is CREATE, then something, then CLOSE. */
enum { C_EMPTY, C_WRITE, C_FLUSH, C_PREP, C_BIG, C_OPEN, C_DELETE, C_RMMADE, C_RMBIG, C_RENAME };
static int s_file(struct slot *s)
{
    char nm[128];
    int a = W->arg, kind = a == C_BIG || a == C_RMBIG ? 'B'
                         : a <= C_FLUSH || a == C_RMMADE ? 'c' : 'f';
    uint64_t slots = (uint64_t)o_conns * (uint64_t)o_depth, me;

    if (!take(s))
        return PARKED;
    if (a == C_OPEN)
        s->n %= o_files;
    if (a == C_RENAME) {                        /* no file in two slots at once */
        me = (uint64_t)s->c->id * (uint64_t)o_depth + (uint64_t)s->idx;
        s->n = me + slots * s->cookie++;
        if (s->n >= o_files) {
            s->cookie = 1;
            if ((s->n = me) >= o_files)
                return PARKED;
        }
    }
    fname(nm, s->n, kind);
    enc_create(s, nm, a == C_OPEN || a >= C_DELETE ? OPEN : OVERWRITE_IF,
               OPT_FILE | (a >= C_DELETE && a <= C_RMBIG ? OPT_DOC : 0));
    return ISSUED;
}
static int r_file(struct slot *s, struct reply *p)
{
    char nm[128], *q;

    if (p->status) {
        bad(W->name, p->status);
        if (s->step == 0 || s->step == 3)
            return DONE;
        s->step = 2;                            /* close what is open */
    }
    switch (s->step) {
    case 0:
        if (!create_fid(p, s->fid)) {
            bad("short CREATE reply", 0);
            return DONE;
        }
        s->step = 1;
        if (W->arg == C_WRITE || W->arg == C_FLUSH) {
            s->off = 0, s->len = 4096;
            enc_write(s, s->fid, s->n, false);
            return MORE;
        }
        if (W->arg == C_RENAME) {
            fname(nm, s->n, 'f');
            q = strrchr(nm, '\\') + 1;
            *q = *q == 'f' ? 'g' : 'f';
            enc_rename(s, s->fid, nm);
            return MORE;
        }
        break;
    case 1:
        if (W->arg == C_RENAME) {
            fstate[s->n] ^= 1;
            break;
        }
        if (p->len < HDR + 16 || r32(p->m + HDR + 4) != 4096)
            bad("short WRITE", 0);
        R->bytes += 4096;
        if (W->arg == C_FLUSH) {
            s->step = 2;
            enc_flush(s, s->fid);
            return MORE;
        }
        break;
    case 3:
        R->items++;
        return DONE;
    }
    s->step = 3;
    enc_close(s, s->fid);
    return MORE;
}

/* querydir: open the big directory, list it all (or until the time is up), close it */
static int s_querydir(struct slot *s)
{
    char nm[128];
    if (!take(s))
        return PARKED;
    sprintf(nm, "%s\\big", o_base);
    s->entries = 0;
    enc_create(s, nm, OPEN, OPT_DIR);
    return ISSUED;
}
static int r_querydir(struct slot *s, struct reply *p)
{
    if (p->status && !(s->step == 1 && p->status == ST_NO_MORE_FILES)) {
        bad("querydir", p->status);
        if (s->step != 1)
            return DONE;
    }
    if (s->step == 0) {
        if (!create_fid(p, s->fid)) {
            bad("short CREATE reply", 0);
            return DONE;
        }
        s->step = 1;
        enc_querydir(s, s->fid, true);
        return MORE;
    }
    if (s->step >= 2)
        return s->step == 2 ? DONE : NOLAT;
    if (p->status) {                            /* no more files */
        if (s->entries != o_files)
            R->bad++;
        s->step = 2;
        enc_close(s, s->fid);
        return MORE;
    }
    size_t o = p->len >= HDR + 8 ? r16(p->m + HDR + 2) : 0;
    size_t e = o + (o ? r32(p->m + HDR + 4) : 0);
    if (!o || e > p->len)
        bad("short QUERY_DIRECTORY reply", 0);
    while (o && o + 104 <= e && e <= p->len) {
        uint32_t nl = r32(p->m + o + 60), next = r32(p->m + o);
        if (nl == 16 && o + 104 + nl <= e && p->m[o + 104] == 'f')
            s->entries++;
        R->items++;
        if (!next)
            break;
        o += next;
    }
    if (stopping) {                             /* a listing takes some servers a minute */
        s->step = 3;
        enc_close(s, s->fid);
        return MORE;
    }
    enc_querydir(s, s->fid, false);
    return MORE;
}
