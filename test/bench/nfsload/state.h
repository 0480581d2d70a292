/* nfsload: options, the state of a run, XDR and the head of a call. */
#include "../benchutil.h"
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { NFS = 100003, MNT = 100005 };
enum {
    P_NULL, P_GETATTR, P_SETATTR, P_LOOKUP, P_ACCESS, P_READLINK, P_READ,
    P_WRITE, P_CREATE, P_MKDIR, P_SYMLINK, P_MKNOD, P_REMOVE, P_RMDIR,
    P_RENAME, P_LINK, P_READDIR, P_READDIRPLUS, P_FSSTAT, P_FSINFO,
    P_PATHCONF, P_COMMIT
};
enum { UNSTABLE, DATA_SYNC, FILE_SYNC };
#define NFS3ERR_EXIST 17
#define MAXQ 1024               /* slots per connection; the xid's low bits */
#define HDRNEED 200             /* bytes in which a READ reply's header ends */
#define HANG_NS 60000000000u    /* no reply for this long: give up */

struct fh { uint32_t len; uint8_t d[64]; };
struct conn;

/* One request in flight. */
struct slot {
    struct conn *c;
    int idx, busy, step;
    uint32_t xid, hlen, dlen, len, entries;
    const uint8_t *data;        /* WRITE payload, sent after hdr */
    uint64_t t0, n, off, cookie;
    uint8_t cverf[8];
    struct fh fh;
    uint8_t hdr[640];
};

struct conn {
    int fd, id, want_out;
    uint32_t seq;
    struct slot *sl;
    uint16_t sq[MAXQ];          /* slots waiting to be sent, a ring */
    unsigned sqh, sqt;
    size_t sent;                /* bytes of sq[sqh] already sent */
    uint8_t *in;                /* received bytes not yet consumed */
    size_t cap, have, need;     /* need: length of the record begun */
    size_t skip;                /* READ bytes still to be thrown away */
    uint8_t save[HDRNEED];      /* header of the reply being skipped */
    size_t save_len, save_reclen;
    /* this connection's data file */
    struct fh dfh;
    uint64_t pos, valid;        /* next offset; bytes known to hold pattern */
    uint32_t out, pass;         /* WRITEs outstanding; passes committed */
    bool made, committing, have_verf;
    uint8_t verf[8];
};

/* ---- options ---- */
static const char *o_host = "127.0.0.1", *o_export = "/", *o_name = "server";
static int o_port = 2049, o_mport = 0, o_conns = 2, o_depth = 16, o_dirs = 1;
static int o_verify, o_nowarm, o_keep, o_resv, o_uid, o_gid, o_announce, o_reuse, o_fixed, o_text, o_lines;
static double o_secs = 5;
static uint64_t o_size = 256u << 20;
static unsigned o_files = 10000, o_passes, o_dirbytes = 65536;
static uint32_t o_io = 1u << 20;

/* ---- state of the run ---- */
static struct conn *cn;
static int ep, inflight;
static uint8_t cred[128];
static uint32_t cred_len, iosize, cur_io, rtmax, wtmax;
static struct fh root, base, *dirs, big, *ffh;
static uint8_t *fstate;         /* 1: file i is at present called g<i> */
static bool have_files, have_big;
static uint64_t made;           /* files made by the create workloads */
static uint64_t next_n, limit_n, t_start, t_end, t_lastio, last_reply;
static bool stopping, discard;
static struct result *R;
static uint8_t scratch[1 << 20];
static char basename_[64];

struct xr { const uint8_t *p, *e; bool bad; size_t reclen; const uint8_t *b; };
enum { DONE, MORE, NOLAT };     /* reply(): item finished / next RPC issued /
                                 * finished, but no latency to record */
enum { ISSUED, PARKED };        /* start(): sent something / nothing to do */
struct wl {
    const char *name;
    int needs, arg;
    int (*start)(struct slot *);
    int (*reply)(struct slot *, struct xr *);
};
enum { N_FILES = 1, N_DATA = 2, N_FRESH = 4, N_BIG = 8, N_RM = 16, N_MADE = 32 };
static const struct wl *W;

/* ---- XDR ---- */
static uint32_t g32(struct xr *x)
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
static uint64_t g64(struct xr *x)
{
    uint64_t h = g32(x);
    return h << 32 | g32(x);
}
static void gskip(struct xr *x, uint32_t n)
{
    n = (n + 3) & ~3u;
    if ((size_t)(x->e - x->p) < n)
        x->bad = true;
    else
        x->p += n;
}
static void gattr(struct xr *x) { if (g32(x)) gskip(x, 84); }
static void gwcc(struct xr *x) { if (g32(x)) gskip(x, 24); gattr(x); }
static bool gfh(struct xr *x, struct fh *f)
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
