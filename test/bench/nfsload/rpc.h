/* nfsload: calls on the wire, and calls made one at a time for setting up. */
#include "../load/sockets.h"

static void request_parts(const struct slot *s, struct iovec part[2])
{
    part[0] = (struct iovec){(void *)s->hdr, s->hlen};
    part[1] = (struct iovec){(void *)s->data, s->dlen};
}

/* Strip the RPC reply header; false if the call was not accepted. */
static bool rpc_ok(struct reply *x)
{
    if (g32(x) != 1 || g32(x) != 0)             /* REPLY, MSG_ACCEPTED */
        return false;
    g32(x);
    gskip(x, g32(x));                           /* verifier */
    return g32(x) == 0 && !x->bad;              /* SUCCESS */
}

/* ---- synchronous calls, for setting up: slot 0 of a quiet connection ---- */
static bool sync_call(struct slot *s, struct reply *x)
{
    struct conn *c = s->c;
    size_t have = 0;
    uint32_t m = 0;

    end(s);
    send_all(c);
    while (!(m >> 31)) {                        /* fragments, to the last */
        read_all(c->fd, (uint8_t *)&m, 4);
        m = ntohl(m);
        if ((m & 0x7fffffff) > c->cap - have)
            die("reply too long");
        read_all(c->fd, c->in + have, m & 0x7fffffff);
        have += m & 0x7fffffff;
    }
    *x = (struct reply){c->in, c->in + have, false, have, c->in};
    return g32(x) == s->xid && rpc_ok(x);
}

static void do_mount(void)
{
    struct conn m = {0};
    struct reply x;
    struct slot *s = conn_init(&m, -1, dial(o_mport, o_resv))->sl;

    begin(s, MNT, 1);
    pstr(s, o_export);
    if (!sync_call(s, &x))
        die("MOUNT: call refused");
    uint32_t st = g32(&x);
    if (st) {
        fprintf(stderr, "error: MOUNT %s: status %u\n", o_export, st);
        exit(2);
    }
    gfh(&x, &root);
    if (x.bad)
        die("MOUNT: bad reply");
    close(m.fd);
    free(m.in);
    free(m.sl);
}

static void do_fsinfo(void)
{
    struct reply x;
    struct slot *s = cn[0].sl;

    begin(s, NFS, P_FSINFO);
    pfh(s, &root);
    if (!sync_call(s, &x) || g32(&x))
        die("FSINFO failed");
    gattr(&x);
    rtmax = g32(&x), g32(&x), g32(&x), wtmax = g32(&x);
    if (x.bad || !rtmax || !wtmax)
        die("FSINFO: bad reply");
}

static uint32_t do_lookup(const struct fh *d, const char *name, struct fh *f)
{
    struct reply x;
    struct slot *s = cn[0].sl;
    uint32_t st;

    begin(s, NFS, P_LOOKUP);
    pfh(s, d), pstr(s, name);
    if (!sync_call(s, &x))
        die("LOOKUP refused");
    if (!(st = g32(&x)) && !gfh(&x, f))
        die("LOOKUP: bad reply");
    return st;
}

/* MKDIR (proc P_MKDIR) or CREATE with truncation (P_CREATE). */
static void do_make(int proc, const struct fh *d, const char *name, struct fh *f)
{
    struct reply x;
    struct slot *s = cn[0].sl;
    uint32_t st;

    begin(s, NFS, (uint32_t)proc);
    pfh(s, d), pstr(s, name);
    if (proc == P_CREATE)
        p32(s, 0);                              /* UNCHECKED */
    psattr(s, proc == P_CREATE ? 0644 : 0777, proc == P_CREATE);
    if (!sync_call(s, &x))
        die("CREATE/MKDIR refused");
    st = g32(&x);
    if (st && st != NFS3ERR_EXIST) {
        fprintf(stderr, "error: making %s: status %u\n", name, st);
        exit(2);
    }
    if ((st || !g32(&x) || !gfh(&x, f)) && do_lookup(d, name, f))
        die("cannot look up what was made");
}

static void do_remove(int proc, const struct fh *d, const char *name)
{
    struct reply x;
    struct slot *s = cn[0].sl;

    begin(s, NFS, (uint32_t)proc);
    pfh(s, d), pstr(s, name);
    if (!sync_call(s, &x) || g32(&x))
        fprintf(stderr, "warning: could not remove %s\n", name);
}
