/* nfsload - a neutral NFSv3 load generator.
 *
 * One thread, epoll, its own ONC-RPC/XDR over TCP with deep pipelining, so
 * that the client costs as little CPU as possible: requests are written with
 * one sendmsg per batch straight from the pattern buffer, and READ data is
 * either thrown away in the kernel (MSG_TRUNC) or, with --verify, compared.
 * One JSON line per workload goes to stdout.
 *
 * gcc -O2 -Wall -Wextra -o bin/nfsload nfsload.c
 */
#define _GNU_SOURCE
#include "benchutil.h"
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
static int o_verify, o_nowarm, o_keep, o_resv, o_uid, o_gid, o_announce;
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

/* ---- sockets ---- */
static int dial(int port)
{
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *ai;
    char svc[16];
    int one = 1, fd;

    snprintf(svc, sizeof svc, "%d", port);
    if (getaddrinfo(o_host, svc, &hint, &ai))
        die("cannot resolve host");
    if ((fd = socket(ai->ai_family, SOCK_STREAM, 0)) < 0)
        die("socket");
    if (o_resv && bindresvport(fd, NULL) < 0)
        die("bindresvport");
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
        perror("connect");
        exit(2);
    }
    freeaddrinfo(ai);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void flush(struct conn *c)
{
    struct iovec v[128];
    int want;

    while (c->sqh != c->sqt) {
        int n = 0;
        size_t skip = c->sent, total = 0;
        for (unsigned i = c->sqh; i != c->sqt && n < 126; i++) {
            struct slot *s = &c->sl[c->sq[i % MAXQ]];
            if (skip < s->hlen)
                v[n++] = (struct iovec){s->hdr + skip, s->hlen - skip}, skip = 0;
            else
                skip -= s->hlen;
            if (s->dlen > skip)
                v[n++] = (struct iovec){(void *)(s->data + skip), s->dlen - skip};
            skip = 0;
        }
        for (int i = 0; i < n; i++)
            total += v[i].iov_len;
        struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
        ssize_t w = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (w < 0) {
            if (errno == EAGAIN || errno == EINTR)
                break;
            die("send failed: server closed the connection?");
        }
        c->sent += (size_t)w;
        while (c->sqh != c->sqt) {
            struct slot *s = &c->sl[c->sq[c->sqh % MAXQ]];
            if (c->sent < s->hlen + s->dlen)
                break;
            c->sent -= s->hlen + s->dlen;
            c->sqh++;
        }
        if ((size_t)w < total)
            break;
    }
    want = c->sqh != c->sqt;
    if (want != c->want_out && c->id >= 0) {
        struct epoll_event e = {.events = EPOLLIN | (want ? (uint32_t)EPOLLOUT : 0u),
                                .data.u32 = (uint32_t)c->id};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
        c->want_out = want;
    }
}

/* Strip the RPC reply header; false if the call was not accepted. */
static bool rpc_ok(struct xr *x)
{
    if (g32(x) != 1 || g32(x) != 0)             /* REPLY, MSG_ACCEPTED */
        return false;
    g32(x);
    gskip(x, g32(x));                           /* verifier */
    return g32(x) == 0 && !x->bad;              /* SUCCESS */
}

/* ---- synchronous calls, for setting up: slot 0 of a quiet connection ---- */
static void read_all(int fd, uint8_t *b, size_t n)
{
    while (n) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 30000) <= 0)
            die("timeout: no reply from the server");
        ssize_t r = recv(fd, b, n, 0);
        if (r <= 0)
            die("connection closed during set-up");
        b += r, n -= (size_t)r;
    }
}

static bool sync_call(struct slot *s, struct xr *x)
{
    struct conn *c = s->c;
    size_t have = 0;
    uint32_t m = 0;

    end(s);
    while (c->sqh != c->sqt) {
        struct pollfd p = {c->fd, POLLOUT, 0};
        flush(c);
        if (c->sqh != c->sqt && poll(&p, 1, 30000) <= 0)
            die("timeout while sending");
    }
    while (!(m >> 31)) {                        /* fragments, to the last */
        read_all(c->fd, (uint8_t *)&m, 4);
        m = ntohl(m);
        if ((m & 0x7fffffff) > c->cap - have)
            die("reply too long");
        read_all(c->fd, c->in + have, m & 0x7fffffff);
        have += m & 0x7fffffff;
    }
    *x = (struct xr){c->in, c->in + have, false, have, c->in};
    return g32(x) == s->xid && rpc_ok(x);
}

static struct conn *conn_init(struct conn *c, int id, int fd)
{
    c->id = id;
    c->fd = fd;
    c->cap = (4u << 20) + 65536;
    c->in = xalloc(c->cap);
    c->sl = xalloc(sizeof *c->sl * MAXQ);
    for (int i = 0; i < MAXQ; i++)
        c->sl[i].c = c, c->sl[i].idx = i;
    return c;
}

static void do_mount(void)
{
    struct conn m = {0};
    struct xr x;
    struct slot *s = conn_init(&m, -1, dial(o_mport))->sl;

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
    struct xr x;
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
    struct xr x;
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
    struct xr x;
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
    struct xr x;
    struct slot *s = cn[0].sl;

    begin(s, NFS, (uint32_t)proc);
    pfh(s, d), pstr(s, name);
    if (!sync_call(s, &x) || g32(&x))
        fprintf(stderr, "warning: could not remove %s\n", name);
}

/* ---- the engine ---- */
static void bad(struct slot *s, const char *what, uint32_t st)
{
    (void)s;
    if (R->errors++ < 3)
        fprintf(stderr, "%s: %s status %u\n", W->name, what, st);
}

static void start_slot(struct slot *s)
{
    if (stopping || s->busy)
        return;
    s->step = 0;
    s->t0 = now_ns();
    if (W->start(s) == ISSUED) {
        s->busy = 1;
        inflight++;
    }
}

/* Take the next item number, or say that there is none left. */
static bool take(struct slot *s)
{
    if (next_n >= limit_n)
        return false;
    s->n = next_n++;
    return true;
}

/* One reply: avail bytes of a record of reclen are at p. */
static void on_reply(struct conn *c, const uint8_t *p, size_t avail, size_t reclen)
{
    struct xr x = {p, p + avail, false, reclen, p};
    uint32_t xid = g32(&x);
    struct slot *s = &c->sl[xid & (MAXQ - 1)];
    uint64_t t;
    int r = DONE;

    if (x.bad || !s->busy || s->xid != xid)
        die("reply with an unknown xid");
    if (!rpc_ok(&x))
        bad(s, "RPC", 0);
    else
        r = W->reply(s, &x);
    if (x.bad)
        bad(s, "short or malformed reply", 0);
    last_reply = t = now_ns();
    if (t >= t_end)
        stopping = true;
    if (r == MORE)
        return;
    if (r == DONE)
        hist_add(&R->h, t - s->t0);
    s->busy = 0;
    inflight--;
    start_slot(s);
}

/* Consume whole records in c->in; start skipping a READ reply's data. */
static void parse_in(struct conn *c)
{
    size_t pos = 0;

    c->need = 0;
    while (c->have - pos >= 4) {
        uint8_t *b = c->in + pos;
        size_t off = 0, out = 0, fl;
        uint32_t m;
        bool last = false, whole = true;

        memcpy(&m, b, 4);
        m = ntohl(m);
        fl = m & 0x7fffffff;
        if (fl + 4 > c->cap)
            die("reply longer than the receive buffer");
        if (discard && (m >> 31) && c->have - pos < fl + 4) {
            if (fl <= HDRNEED || c->have - pos < HDRNEED + 4)
                break;
            memcpy(c->save, b + 4, HDRNEED);
            c->save_reclen = fl;
            c->skip = fl + 4 - (c->have - pos);
            c->have = 0;
            return;
        }
        while (!last) {                         /* all fragments here? */
            if (c->have - pos - off < 4) {
                whole = false;
                break;
            }
            memcpy(&m, b + off, 4);
            m = ntohl(m);
            last = m >> 31;
            fl = m & 0x7fffffff;
            if (c->have - pos - off - 4 < fl) {
                c->need = off + 4 + fl;
                whole = false;
                break;
            }
            off += 4 + fl;
        }
        if (!whole) {
            if (!pos && c->have == c->cap)
                die("reply longer than the receive buffer");
            break;
        }
        for (size_t o = 0; o < off; o += 4 + fl) {      /* join them */
            memcpy(&m, b + o, 4);
            fl = ntohl(m) & 0x7fffffff;
            if (o != out)
                memmove(b + 4 + out, b + o + 4, fl);
            out += fl;
        }
        on_reply(c, b + 4, out, out);
        pos += off;
    }
    if (pos && (c->have -= pos))
        memmove(c->in, c->in + pos, c->have);
}

static void on_readable(struct conn *c)
{
    for (int round = 0; round < 32; round++) {
        size_t want = 65536;
        ssize_t n;
        if (c->need > c->have)
            want = c->need - c->have;           /* the rest of a long reply */
        if (discard && !c->skip && c->have < HDRNEED + 4)
            want = HDRNEED + 4 - c->have;
        if (want > c->cap - c->have)
            want = c->cap - c->have;
        if (c->skip)
            n = recv(c->fd, scratch, want = c->skip, MSG_TRUNC | MSG_DONTWAIT);
        else
            n = recv(c->fd, c->in + c->have, want, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0)
            die("connection closed by the server");
        if (!c->skip) {
            c->have += (size_t)n;
            parse_in(c);
        } else if (!(c->skip -= (size_t)n)) {
            on_reply(c, c->save, HDRNEED, c->save_reclen);
        }
        if ((size_t)n < want)
            break;
    }
    flush(c);
}

/* Run workload w: at most secs seconds and n items, over all slots. */
static void run(const struct wl *w, double secs, uint64_t n, struct result *r)
{
    struct epoll_event ev[64];
    int depth = o_depth;

    W = w;
    R = r;
    next_n = 0;
    limit_n = n;
    stopping = false;
    r->wl = w->name;
    r->a = cpu_now();
    t_start = last_reply = t_lastio = now_ns();
    t_end = t_start + (uint64_t)(secs * 1e9);
    for (int q = 0; q < depth; q++)
        for (int i = 0; i < o_conns; i++)
            start_slot(&cn[i].sl[q]);
    for (int i = 0; i < o_conns; i++)
        flush(&cn[i]);
    while (inflight) {
        int k = epoll_wait(ep, ev, 64, 1000);
        if (k < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < k; i++) {
            struct conn *c = &cn[ev[i].data.u32];
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                on_readable(c);
            else
                flush(c);
        }
        if (k <= 0 && now_ns() - last_reply > HANG_NS) {
            r->errors += (uint64_t)inflight;
            die("server hangs: no reply for 60 s");
        }
    }
    r->b = cpu_now();
    r->secs = (double)(last_reply - t_start) / 1e9;
    r->secs_nc = (double)(t_lastio - t_start) / 1e9;
}

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
static int r_simple(struct slot *s, struct xr *x)
{
    struct fh f;
    uint32_t st = W->arg == P_NULL ? 0 : g32(x);

    if (st)
        bad(s, W->name, st);
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
static int r_create(struct slot *s, struct xr *x)
{
    uint32_t st = g32(x);
    char nm[32];

    if (st) {
        bad(s, "CREATE/LOOKUP/WRITE/COMMIT", st);
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
            bad(s, "short WRITE", 0);
        R->bytes += 4096;
        if (W->arg == C_SYNC) {
            if (g32(x) != FILE_SYNC)
                bad(s, "WRITE not FILE_SYNC", 0);
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
static int r_status(struct slot *s, struct xr *x)
{
    uint32_t st = g32(x);
    if (st)
        bad(s, W->name, st);
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
static int r_rename(struct slot *s, struct xr *x)
{
    uint32_t st = g32(x);
    if (st) {
        bad(s, "RENAME", st);
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
static int r_readdir(struct slot *s, struct xr *x)
{
    uint32_t st = g32(x), n = 0;

    if (st) {
        bad(s, W->name, st);
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
        bad(s, "READDIR without entries and without eof", 0);
        s->cookie = 0;
    } else if (W->arg & WHOLE) {
        enc_readdir(s);
        return MORE;
    }
    return DONE;
}

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
        if (c->pos >= o_size && !wr && !(W->arg & D_ONCE))
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

static const struct wl wls[] = {
    {"null", 0, P_NULL, s_simple, r_simple},
    {"getattr", N_FILES, P_GETATTR, s_simple, r_simple},
    {"access", N_FILES, P_ACCESS, s_simple, r_simple},
    {"lookup", N_FILES, P_LOOKUP, s_simple, r_simple},
    {"create", N_MADE, C_SYNC, s_create, r_create},
    {"create_commit", N_MADE, C_COMMIT, s_create, r_create},
    {"create_empty", N_MADE, C_EMPTY, s_create, r_create},
    {"remove", N_RM, RM_FILES, s_remove, r_status},
    {"rename", N_FILES, 0, s_rename, r_rename},
    {"readdir", N_BIG, P_READDIR, s_readdir, r_readdir},
    {"readdirplus", N_BIG, P_READDIRPLUS, s_readdir, r_readdir},
    {"list", N_BIG, P_READDIR | WHOLE, s_readdir, r_readdir},
    {"listplus", N_BIG, P_READDIRPLUS | WHOLE, s_readdir, r_readdir},
    {"seqwrite", N_FRESH, D_SEQ | D_WR, s_data, r_data},
    {"seqrewrite", N_DATA, D_SEQ | D_WR, s_data, r_data},
    {"seqread", N_DATA, D_SEQ | D_RD, s_data, r_data},
    {"randread", N_DATA, D_RD | D_4K, s_data, r_data},
    {"randwrite", N_DATA, D_WR | D_4K, s_data, r_data},
    {"randwrite_sync", N_DATA, D_WR | D_4K | D_SYNC, s_data, r_data},
    {"mixed", N_DATA, D_MIX | D_4K, s_data, r_data},
};
#define N_WL (sizeof wls / sizeof *wls)
static const struct wl prep_files = {"prep-files", 0, C_PREP, s_create, r_create};
static const struct wl prep_big = {"prep-big", 0, C_BIG, s_create, r_create};
static const struct wl prep_data = {"prep-data", 0, D_SEQ | D_WR | D_ONCE, s_data, r_data};
static const struct wl rm_made = {"rm-made", 0, RM_MADE, s_remove, r_status};
static const struct wl rm_files = {"rm-files", 0, RM_FILES, s_remove, r_status};
static const struct wl rm_big = {"rm-big", 0, RM_BIG, s_remove, r_status};

/* ---- preparing, running, clearing away ---- */
static void quiet(const struct wl *w, uint64_t n)
{
    struct result *r = xalloc(sizeof *r);
    discard = false;
    run(w, 600, n, r);
    if (r->errors) {
        fprintf(stderr, "error: %s: %llu errors\n", w->name,
                (unsigned long long)r->errors);
        exit(2);
    }
    free(r);
}

static void reset_slots(void)
{
    for (int i = 0; i < o_conns; i++) {
        cn[i].pos = cn[i].pass = 0;
        cn[i].have_verf = cn[i].committing = false;
        for (int q = 0; q < MAXQ; q++)
            cn[i].sl[q].cookie = 0, cn[i].sl[q].entries = 0;
    }
}

static void dname(char *b, const char *k, int i) { sprintf(b, "%s%d", k, i); }

static void make_data_files(bool fill)
{
    char nm[32];
    bool need = false;

    for (int i = 0; i < o_conns; i++) {
        if (fill && cn[i].valid == o_size)
            continue;
        need = true;
        dname(nm, "data", i);
        do_make(P_CREATE, &base, nm, &cn[i].dfh);
        cn[i].made = true;
        cn[i].valid = 0;
    }
    if (fill && need) {
        reset_slots();
        cur_io = iosize;
        for (int i = 0; i < o_conns; i++)
            cn[i].valid = 0;
        quiet(&prep_data, UINT64_MAX);
    }
}

static void prepare(const struct wl *w)
{
    if ((w->needs & (N_FILES | N_RM)) && !have_files) {
        memset(fstate, 0, o_files);
        quiet(&prep_files, o_files);
        have_files = true;
    }
    if ((w->needs & N_BIG) && !have_big) {
        char nm[32];
        struct fh last;
        do_make(P_MKDIR, &base, "big", &big);
        sprintf(nm, "f%07u", o_files - 1);
        if (do_lookup(&big, nm, &last))         /* not there from an earlier run */
            quiet(&prep_big, o_files);
        have_big = true;
    }
    if (w->needs & (N_DATA | N_FRESH))
        make_data_files(w->needs & N_DATA);
    reset_slots();
    cur_io = w->arg & D_4K && w->start == s_data ? 4096 : iosize;
    discard = w->start == s_data && w->arg == (D_SEQ | D_RD) && !o_verify;
}

static void one(const struct wl *w)
{
    struct result *r = xalloc(sizeof *r);

    prepare(w);
    r->tool = "nfsload", r->name = o_name;
    r->conns = o_conns, r->depth = o_depth;
    r->io = w->start == s_data ? cur_io : w->needs == N_MADE ? 4096 : 0;
    if (!o_nowarm && w->needs & N_FRESH)
        warm_memory(o_size * (uint64_t)o_conns + (64u << 20));
    if (o_announce)
        fprintf(stderr, "running %s\n", w->name);
    run(w, o_secs, w->needs & N_RM ? o_files : UINT64_MAX, r);
    if (w->start != s_data)
        r->secs_nc = 0;
    discard = false;
    result_print(r);
    if (w->needs & N_MADE) {
        made = next_n;
        quiet(&rm_made, made);
    }
    if (w->needs & N_RM) {                      /* what the time did not reach */
        uint64_t k = next_n;
        have_files = false;
        for (char nm[32]; k < o_files; k++) {
            fname(nm, k);
            do_remove(P_REMOVE, fdir(k), nm);
        }
    }
    free(r);
}

static void cleanup(void)
{
    char nm[32];

    reset_slots();
    if (have_files)
        quiet(&rm_files, o_files);
    if (have_big) {
        quiet(&rm_big, o_files);
        do_remove(P_RMDIR, &base, "big");
    }
    for (int i = 0; i < o_conns; i++)
        if (cn[i].made) {
            dname(nm, "data", i);
            do_remove(P_REMOVE, &base, nm);
        }
    for (int i = 0; i < o_dirs; i++) {
        dname(nm, "d", i);
        do_remove(P_RMDIR, &base, nm);
    }
    do_remove(P_RMDIR, &root, basename_);
}

static void usage(void)
{
    fprintf(stderr,
        "usage: nfsload [options] workload[,workload...]\n"
        "  -H host -p port -m mountport -e export   server (mountport 0: = port)\n"
        "  -C conns (2)  -Q depth per connection (16)  -t seconds (5)\n"
        "  -s MiB per data file, one file per connection (256)\n"
        "  -n files for the metadata workloads (10000)  -d directories (1)\n"
        "  -b KiB per sequential READ/WRITE (1024)  -P passes of seqwrite (0: any)\n"
        "  -D bytes asked of READDIR(PLUS) (65536)\n"
        "  -V, --verify   check data, directory counts and handles\n"
        "  -M, --nowarm  do not touch and free memory before seqwrite\n"
        "  -S, --srvpid p,p  -N, --name label  -k keep files  -r reserved port\n"
        "  -B name of the working directory; what lies in it is used again, with -k kept\n"
        "  -A  say on stderr when the measured part of a workload begins\n"
        "  -u uid -g gid\n  workloads:");
    for (size_t i = 0; i < N_WL; i++)
        fprintf(stderr, " %s", wls[i].name);
    fprintf(stderr, "\n");
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct option lo[] = {
        {"verify", 0, 0, 'V'}, {"nowarm", 0, 0, 'M'}, {"srvpid", 1, 0, 'S'}, {"name", 1, 0, 'N'},
        {"host", 1, 0, 'H'}, {"port", 1, 0, 'p'}, {"mountport", 1, 0, 'm'},
        {"export", 1, 0, 'e'}, {"conns", 1, 0, 'C'}, {"depth", 1, 0, 'Q'},
        {"seconds", 1, 0, 't'}, {"size", 1, 0, 's'}, {"files", 1, 0, 'n'},
        {"dirs", 1, 0, 'd'}, {"passes", 1, 0, 'P'}, {0, 0, 0, 0}};
    int o;
    char nm[32];

    while ((o = getopt_long(argc, argv, "H:p:m:e:C:Q:t:s:n:d:b:P:D:VMS:N:kru:g:AB:", lo, 0)) != -1)
        switch (o) {
        case 'H': o_host = optarg; break;
        case 'p': o_port = atoi(optarg); break;
        case 'm': o_mport = atoi(optarg); break;
        case 'e': o_export = optarg; break;
        case 'C': o_conns = atoi(optarg); break;
        case 'Q': o_depth = atoi(optarg); break;
        case 't': o_secs = atof(optarg); break;
        case 's': o_size = strtoull(optarg, 0, 10) << 20; break;
        case 'n': o_files = (unsigned)atoi(optarg); break;
        case 'd': o_dirs = atoi(optarg); break;
        case 'b': o_io = (uint32_t)atoi(optarg) << 10; break;
        case 'P': o_passes = (unsigned)atoi(optarg); break;
        case 'D': o_dirbytes = (unsigned)atoi(optarg); break;
        case 'V': o_verify = 1; break;
        case 'M': o_nowarm = 1; break;
        case 'S': parse_srvpids(optarg); break;
        case 'N': o_name = optarg; break;
        case 'k': o_keep = 1; break;
        case 'A': o_announce = 1; break;
        case 'B': snprintf(basename_, sizeof basename_, "%s", optarg); break;
        case 'r': o_resv = 1; break;
        case 'u': o_uid = atoi(optarg); break;
        case 'g': o_gid = atoi(optarg); break;
        default: usage();
        }
    if (optind != argc - 1 || o_conns < 1 || o_conns > 64 || o_depth < 1 ||
        o_depth > MAXQ || o_files < 1 || o_files > 9999999 || o_dirs < 1 ||
        o_size < 1u << 20 || o_io < 4096 || o_io > 4u << 20)
        usage();
    if (!o_mport)
        o_mport = o_port;
    make_cred();
    pat_init(PAT_MAXIO);
    do_mount();
    if ((ep = epoll_create1(0)) < 0)
        die("epoll");
    cn = xalloc(sizeof *cn * (size_t)o_conns);
    for (int i = 0; i < o_conns; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        conn_init(&cn[i], i, dial(o_port));
        epoll_ctl(ep, EPOLL_CTL_ADD, cn[i].fd, &e);
    }
    do_fsinfo();
    iosize = o_io;
    if (iosize > rtmax || iosize > wtmax) {
        iosize = rtmax < wtmax ? rtmax : wtmax;
        fprintf(stderr, "note: %s: rtmax %u wtmax %u, so %u-byte transfers\n",
                o_name, rtmax, wtmax, iosize);
    }
    dirs = xalloc(sizeof *dirs * (size_t)o_dirs);
    ffh = xalloc(sizeof *ffh * o_files);
    fstate = xalloc(o_files);
    if (!basename_[0])
        snprintf(basename_, sizeof basename_, "nfsload.%d", (int)getpid());
    do_make(P_MKDIR, &root, basename_, &base);
    for (int i = 0; i < o_dirs; i++) {
        dname(nm, "d", i);
        do_make(P_MKDIR, &base, nm, &dirs[i]);
    }
    for (char *t = strtok(argv[optind], ","); t; t = strtok(NULL, ",")) {
        size_t i = 0;
        while (i < N_WL && strcmp(t, wls[i].name))
            i++;
        if (i == N_WL)
            fprintf(stderr, "no such workload: %s\n", t);
        else
            one(&wls[i]);
    }
    if (!o_keep)
        cleanup();
    return 0;
}
