/* nfsload: its options and state, XDR and the head of a call. */
#include "../load/state.h"

enum { NFS = 100003, MNT = 100005 };
enum {
    P_NULL, P_GETATTR, P_SETATTR, P_LOOKUP, P_ACCESS, P_READLINK, P_READ,
    P_WRITE, P_CREATE, P_MKDIR, P_SYMLINK, P_MKNOD, P_REMOVE, P_RMDIR,
    P_RENAME, P_LINK, P_READDIR, P_READDIRPLUS, P_FSSTAT, P_FSINFO,
    P_PATHCONF, P_COMMIT
};
enum { UNSTABLE, DATA_SYNC, FILE_SYNC };
#define NFS3ERR_EXIST 17
struct fh { uint32_t len; uint8_t d[64]; };
struct slot {                   /* the xid's low bits say which */
    struct base_slot;
    uint32_t xid;
    uint8_t cverf[8];
    struct fh fh;
    uint8_t hdr[640];
};

struct conn {
    struct base_conn;
    uint32_t seq;
    struct fh dfh;              /* this connection's data file */
    bool have_verf;
    uint8_t verf[8];
};

static int o_mport, o_dirs = 1;
static int o_resv, o_uid, o_gid, o_reuse, o_fixed, o_text, o_lines;

static uint8_t cred[128];
static uint32_t cred_len, rtmax, wtmax;
static struct fh root, base, *dirs, big, *ffh;
static uint64_t made;           /* files made by the create workloads */

struct reply { const uint8_t *p, *e; bool bad; size_t reclen; const uint8_t *b; };

/* ---- XDR ---- */
static uint32_t g32(struct reply *x)
{
    uint32_t v;
    if (x->e - x->p < 4) {
        x->bad = true;
        return 0;
    }
    memcpy(&v, x->p, 4);
    x->p += 4;
    return ntohl(v);
}
static uint64_t g64(struct reply *x)
{
    uint64_t h = g32(x);
    return h << 32 | g32(x);
}
static void gskip(struct reply *x, uint32_t n)
{
    n = (n + 3) & ~3u;
    if ((size_t)(x->e - x->p) < n)
        x->bad = true;
    else
        x->p += n;
}
static void gattr(struct reply *x) { if (g32(x)) gskip(x, 84); }
static void gwcc(struct reply *x) { if (g32(x)) gskip(x, 24); gattr(x); }
static bool gfh(struct reply *x, struct fh *f)
{
    uint32_t l = g32(x);
    if (l > 64 || (size_t)(x->e - x->p) < l)
        return x->bad = true, false;
    f->len = l;
    memcpy(f->d, x->p, l);
    gskip(x, l);
    return true;
}

static void p32(struct slot *s, uint32_t v)
{
    v = htonl(v);
    memcpy(s->hdr + s->hlen, &v, 4);
    s->hlen += 4;
}
static void p64(struct slot *s, uint64_t v)
{
    p32(s, (uint32_t)(v >> 32));
    p32(s, (uint32_t)v);
}
static void pbytes(struct slot *s, const void *d, uint32_t n)
{
    p32(s, n);
    memset(s->hdr + s->hlen + (n & ~3u), 0, 4);
    memcpy(s->hdr + s->hlen, d, n);
    s->hlen += (n + 3) & ~3u;
}
static void pfh(struct slot *s, const struct fh *f) { pbytes(s, f->d, f->len); }
static void pstr(struct slot *s, const char *t) { pbytes(s, t, (uint32_t)strlen(t)); }
static void psattr(struct slot *s, uint32_t mode, bool trunc)
{
    p32(s, 1), p32(s, mode);                    /* mode */
    p32(s, 0), p32(s, 0);                       /* uid, gid */
    p32(s, trunc);                              /* size */
    if (trunc)
        p64(s, 0);
    p32(s, 0), p32(s, 0);                       /* atime, mtime */
}

static void begin(struct slot *s, uint32_t prog, uint32_t proc)
{
    s->hlen = 4;
    s->dlen = 0;
    s->xid = s->c->seq++ << 10 | (uint32_t)s->idx;
    p32(s, s->xid), p32(s, 0), p32(s, 2);
    p32(s, prog), p32(s, 3), p32(s, proc);
    memcpy(s->hdr + s->hlen, cred, cred_len);
    s->hlen += cred_len;
}

/* Queue the finished request; flush() sends it. */
static void end(struct slot *s)
{
    struct conn *c = s->c;
    uint32_t mark = htonl(0x80000000u | (s->hlen - 4 + s->dlen));
    memcpy(s->hdr, &mark, 4);
    c->sq[c->sqt++ % MAXQ] = (uint16_t)s->idx;
}

static void make_cred(void)
{
    struct slot s = {.hlen = 0};
    p32(&s, 1);                                 /* AUTH_SYS */
    p32(&s, 4 + 4 + 8 + 4 + 4 + 4);
    p32(&s, 0), pstr(&s, "nfsload"), p32(&s, (uint32_t)o_uid);
    p32(&s, (uint32_t)o_gid), p32(&s, 0);
    p32(&s, 0), p32(&s, 0);                     /* verifier: none */
    memcpy(cred, s.hdr, cred_len = s.hlen);
}
