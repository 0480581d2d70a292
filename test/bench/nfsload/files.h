/* nfsload: workloads of names, attributes and small files. */
/* ---- workloads ---- */
static void fname(char *b, uint64_t i)
{
    sprintf(b, "%c%07llu", i < o_files && fstate[i] ? 'g' : 'f', (unsigned long long)i);
}
static struct fh *fdir(uint64_t i) { return &dirs[i % (uint64_t)o_dirs]; }

/* null, getattr, access, lookup: one call per item, files in turn */
static int s_simple(struct slot *s)
{
    char nm[32];
    uint64_t i;

    if (!take(s))
        return PARKED;
    i = s->n % o_files;
    begin(s, NFS, (uint32_t)W->arg);
    if (W->arg == P_LOOKUP) {
        fname(nm, i);
        pfh(s, fdir(i)), pstr(s, nm);
    } else if (W->arg != P_NULL) {
        pfh(s, &ffh[i]);
    }
    if (W->arg == P_ACCESS)
        p32(s, 0x1f);
    end(s);
    return ISSUED;
}
static int r_simple(struct slot *s, struct reply *x)
{
    struct fh f;
    uint32_t st = W->arg == P_NULL ? 0 : g32(x);

    if (st)
        bad(W->name, st);
    else if (W->arg == P_LOOKUP && o_verify &&
             (!gfh(x, &f) || f.len != ffh[s->n % o_files].len ||
              memcmp(f.d, ffh[s->n % o_files].d, f.len)))
        R->bad++;
    R->items++;
    return DONE;
}

/* small files: CREATE, then WRITE 4 KiB FILE_SYNC | UNSTABLE + COMMIT | none */
enum { C_EMPTY, C_SYNC, C_COMMIT, C_PREP, C_BIG };
static void enc_write(struct slot *s, const struct fh *f, uint64_t pat, int how)
{
    begin(s, NFS, P_WRITE);
    pfh(s, f);
    p64(s, s->off), p32(s, s->len), p32(s, (uint32_t)how), p32(s, s->len);
    s->data = pat_at(pat, s->off);
    s->dlen = s->len;
    end(s);
}
static void enc_commit(struct slot *s, const struct fh *f)
{
    begin(s, NFS, P_COMMIT);
    pfh(s, f), p64(s, 0), p32(s, 0);
    end(s);
}
static void cname(char *b, uint64_t i)         /* the name a creator gives */
{
    sprintf(b, "%c%07llu", W->arg >= C_PREP ? 'f' : 'c', (unsigned long long)i);
}
static int s_create(struct slot *s)
{
    char nm[32];
    const struct fh *d;

    if (!take(s))
        return PARKED;
    d = W->arg == C_BIG ? &big : fdir(s->n);
    cname(nm, s->n);
    begin(s, NFS, P_CREATE);
    pfh(s, d), pstr(s, nm), p32(s, 0);
    psattr(s, 0644, false);
    end(s);
    return ISSUED;
}
static int r_create(struct slot *s, struct reply *x)
{
    uint32_t st = g32(x);
    char nm[32];

    if (st) {
        bad("CREATE/LOOKUP/WRITE/COMMIT", st);
        return DONE;
    }
    switch (s->step) {
    case 0:
        if (!g32(x)) {                          /* no handle: look it up */
            cname(nm, s->n);
            begin(s, NFS, P_LOOKUP);
            pfh(s, W->arg == C_BIG ? &big : fdir(s->n)), pstr(s, nm);
            end(s);
            s->step = 1;
            return MORE;
        }
        /* fall through */
    case 1:
        if (!gfh(x, &s->fh))
            return DONE;
        if (W->arg == C_PREP)
            ffh[s->n] = s->fh;
        if (W->arg != C_SYNC && W->arg != C_COMMIT)
            break;
        s->off = 0, s->len = 4096;
        enc_write(s, &s->fh, s->n, W->arg == C_SYNC ? FILE_SYNC : UNSTABLE);
        s->step = 2;
        return MORE;
    case 2:
        gwcc(x);
        if (g32(x) != 4096)
            bad("short WRITE", 0);
        R->bytes += 4096;
        if (W->arg == C_SYNC) {
            if (g32(x) != FILE_SYNC)
                bad("WRITE not FILE_SYNC", 0);
            break;
        }
        enc_commit(s, &s->fh);
        s->step = 3;
        return MORE;
    }
    R->items++;
    return DONE;
}

/* remove (prepared files), and the untimed removals */
enum { RM_MADE, RM_FILES, RM_BIG };
static int s_remove(struct slot *s)
{
    char nm[32];

    if (!take(s))
        return PARKED;
    fname(nm, s->n);
    if (W->arg != RM_FILES)
        sprintf(nm, "%c%07llu", W->arg == RM_BIG ? 'f' : 'c', (unsigned long long)s->n);
    begin(s, NFS, P_REMOVE);
    pfh(s, W->arg == RM_BIG ? &big : fdir(s->n)), pstr(s, nm);
    end(s);
    return ISSUED;
}
static int r_status(struct slot *s, struct reply *x)
{
    uint32_t st = g32(x);
    (void)s;
    if (st)
        bad(W->name, st);
    else
        R->items++;
    return DONE;
}

/* rename f<i> to g<i> and back; no file is in two slots at once */
static int s_rename(struct slot *s)
{
    char a[32], b[32];
    uint64_t slots = (uint64_t)o_conns * (uint64_t)o_depth, me, i;

    if (!take(s))
        return PARKED;
    me = (uint64_t)s->c->id * (uint64_t)o_depth + (uint64_t)s->idx;
    i = me + slots * s->cookie++;
    if (i >= o_files) {
        s->cookie = 1;
        if ((i = me) >= o_files)
            return PARKED;
    }
    s->off = i;
    fname(a, i);
    strcpy(b, a);
    b[0] = a[0] == 'f' ? 'g' : 'f';
    begin(s, NFS, P_RENAME);
    pfh(s, fdir(i)), pstr(s, a), pfh(s, fdir(i)), pstr(s, b);
    end(s);
    return ISSUED;
}
static int r_rename(struct slot *s, struct reply *x)
{
    uint32_t st = g32(x);
    if (st) {
        bad("RENAME", st);
    } else {
        fstate[s->off] ^= 1;
        R->items++;
    }
    return DONE;
}

/* readdir, readdirplus: every slot scans the big directory over and over, an
 * item is a page; list, listplus: an item is the directory from end to end */
#define WHOLE 64
static void enc_readdir(struct slot *s)
{
    int proc = W->arg & ~WHOLE;

    if (!s->cookie)
        memset(s->cverf, 0, 8), s->entries = 0;
    begin(s, NFS, (uint32_t)proc);
    pfh(s, &big), p64(s, s->cookie);
    memcpy(s->hdr + s->hlen, s->cverf, 8), s->hlen += 8;
    if (proc == P_READDIRPLUS)
        p32(s, o_dirbytes);
    p32(s, o_dirbytes);
    end(s);
}
static int s_readdir(struct slot *s)
{
    if (!take(s))
        return PARKED;
    enc_readdir(s);
    return ISSUED;
}
static int r_readdir(struct slot *s, struct reply *x)
{
    uint32_t st = g32(x), n = 0;

    if (st) {
        bad(W->name, st);
        s->cookie = 0;
        return DONE;
    }
    gattr(x);
    if (x->e - x->p >= 8)
        memcpy(s->cverf, x->p, 8);
    gskip(x, 8);
    while (g32(x) && !x->bad) {
        const uint8_t *nm;
        uint32_t l;
        g64(x);                                 /* fileid */
        l = g32(x), nm = x->p;
        gskip(x, l);
        s->cookie = g64(x);
        if ((W->arg & ~WHOLE) == P_READDIRPLUS) {
            gattr(x);
            if (g32(x))
                gskip(x, g32(x));
        }
        n++;
        if (!x->bad && l == 8 && nm[0] == 'f')  /* only ours: not . and .. */
            s->entries++;
    }
    R->items += n;
    if (g32(x)) {                               /* end of directory */
        if (s->entries != o_files)
            R->bad++;
        s->cookie = 0;
    } else if (!n) {
        bad("READDIR without entries and without eof", 0);
        s->cookie = 0;
    } else if (W->arg & WHOLE) {
        enc_readdir(s);
        return MORE;
    }
    return DONE;
}
