/* smbload - a neutral SMB2/3 load generator.
 *
 * One thread, epoll, its own SMB2 over TCP: NTLMv2 in SPNEGO, dialects 2.1,
 * 3.0.2 and 3.1.1, every request signed (HMAC-SHA256, AES-CMAC, AES-GMAC) and
 * every reply's signature checked unless --nocheck; or, with -E (3.1.1), every
 * message encrypted by AES-128-GCM. Credits and multi-credit charges are kept;
 * each connection is its own session. No compounding, no oplocks, no leases.
 * One JSON line per workload.
 *
 * gcc -O2 -Wall -Wextra -o smbload smbload.c -lcrypto
 */
#define _GNU_SOURCE
#include "data.h"
#include "files.h"
#include "session.h"

static const struct wl wls[] = {
    {"echo", 0, ECHO_, s_simple, r_simple},
    {"queryinfo", N_QFID, QUERY_INFO, s_simple, r_simple},
    {"open", N_FILES, C_OPEN, s_file, r_file},
    {"create", N_MADE, C_WRITE, s_file, r_file},
    {"create_flush", N_MADE, C_FLUSH, s_file, r_file},
    {"create_empty", N_MADE, C_EMPTY, s_file, r_file},
    {"delete", N_RM, C_DELETE, s_file, r_file},
    {"rename", N_FILES, C_RENAME, s_file, r_file},
    {"querydir", N_BIG, 0, s_querydir, r_querydir},
    {"seqwrite", N_FRESH, D_SEQ | D_WR, s_data, r_data},
    {"seqrewrite", N_DATA, D_SEQ | D_WR, s_data, r_data},
    {"seqread", N_DATA, D_SEQ | D_RD, s_data, r_data},
    {"randread", N_DATA, D_RD | D_4K, s_data, r_data},
    {"randwrite", N_DATA, D_WR | D_4K, s_data, r_data},
    {"randwrite_sync", N_DATA, D_WR | D_4K | D_SYNC, s_data, r_data},
    {"mixed", N_DATA, D_MIX | D_4K, s_data, r_data},
};
#define N_WL (sizeof wls / sizeof *wls)
static const struct wl prep_files = {"prep-files", 0, C_PREP, s_file, r_file};
static const struct wl prep_big = {"prep-big", 0, C_BIG, s_file, r_file};
static const struct wl prep_data = {"prep-data", 0, D_SEQ | D_WR | D_ONCE, s_data, r_data};
static const struct wl rm_made = {"rm-made", 0, C_RMMADE, s_file, r_file};
static const struct wl rm_files = {"rm-files", 0, C_DELETE, s_file, r_file};
static const struct wl rm_big = {"rm-big", 0, C_RMBIG, s_file, r_file};

/* ---- preparing, running, clearing away ---- */
static void quiet(const struct wl *w, uint64_t n)
{
    struct result *r = xalloc(sizeof *r);
    discard = false;
    run(w, 600, n, r);
    if (r->errors) {
        fprintf(stderr, "error: %s: %llu errors\n", w->name, (unsigned long long)r->errors);
        exit(2);
    }
    free(r);
}

/* Open or make name on c; keep the handle in fid, or close it (fid NULL). */
static void sync_open(struct conn *c, const char *name, uint32_t disp, uint32_t opt, uint8_t *fid)
{
    struct slot *s = c->sl;
    struct rep p;
    uint8_t f[16];

    put_create(s, name, disp, opt);
    if (!sync_call(s, &p) || !create_fid(&p, f)) {
        fprintf(stderr, "error: opening %s: status 0x%08x\n", name, p.status);
        exit(2);
    }
    if (fid) {
        memcpy(fid, f, 16);
        return;
    }
    put_close(s, f);
    if (!sync_call(s, &p))
        fprintf(stderr, "warning: closing %s: status 0x%08x\n", name, p.status);
}

/* Whether name is there. */
static bool is_there(struct conn *c, const char *name)
{
    struct rep p;
    uint8_t f[16];

    put_create(c->sl, name, OPEN, OPT_FILE);
    if (!sync_call(c->sl, &p) || !create_fid(&p, f))
        return false;
    put_close(c->sl, f);
    sync_call(c->sl, &p);
    return true;
}

static void reset_slots(void)
{
    for (int i = 0; i < o_conns; i++) {
        cn[i].pos = cn[i].pass = 0;
        cn[i].committing = false;
        for (int q = 0; q < MAXQ; q++)
            cn[i].sl[q].cookie = 0, cn[i].sl[q].entries = 0;
    }
}

static void close_data(struct conn *c)
{
    struct rep p;
    put_close(c->sl, c->dfid);
    sync_call(c->sl, &p);
}

static void make_data_files(bool fill)
{
    char nm[128];
    bool need = false;

    for (int i = 0; i < o_conns; i++) {
        if (fill && cn[i].valid == o_size)
            continue;
        need = true;
        if (cn[i].made)
            close_data(&cn[i]);
        sprintf(nm, "%s\\data%d", base_, i);
        sync_open(&cn[i], nm, OVERWRITE_IF, OPT_FILE, cn[i].dfid);
        cn[i].made = true;
        cn[i].valid = 0;
    }
    if (fill && need) {
        reset_slots();
        cur_io = iosize;
        quiet(&prep_data, UINT64_MAX);
    }
}

static void prepare(const struct wl *w)
{
    char nm[128];

    if ((w->needs & (N_FILES | N_RM | N_QFID)) && !have_files) {
        memset(fstate, 0, o_files);
        quiet(&prep_files, o_files);
        have_files = true;
    }
    if ((w->needs & N_BIG) && !have_big) {
        sprintf(nm, "%s\\big", base_);
        sync_open(&cn[0], nm, OPEN_IF, OPT_DIR, NULL);
        fname(nm, o_files - 1, 'B');
        if (!is_there(&cn[0], nm))              /* kept by an earlier run */
            quiet(&prep_big, o_files);
        have_big = true;
    }
    if (w->needs & N_QFID)
        for (int i = 0; i < o_conns; i++) {
            cn[i].qfid = xalloc(16 * 16);
            for (int k = 0; k < 16; k++) {
                fname(nm, (uint64_t)(i * 16 + k) % o_files, 'f');
                sync_open(&cn[i], nm, OPEN, OPT_FILE, cn[i].qfid[k]);
            }
        }
    if (w->needs & (N_DATA | N_FRESH))
        make_data_files(w->needs & N_DATA);
    reset_slots();
    cur_io = w->arg & D_4K && w->start == s_data ? 4096 : iosize;
    discard = w->start == s_data && w->arg == (D_SEQ | D_RD) && !o_verify && o_nocheck;
}

static void one(const struct wl *w)
{
    struct result *r = xalloc(sizeof *r);
    struct rep p;

    prepare(w);
    r->tool = "smbload", r->name = o_name;
    r->conns = o_conns, r->depth = o_depth;
    r->io = w->start == s_data ? cur_io : w->needs == N_MADE ? 4096 : 0;
    if (!o_nowarm && w->needs & N_FRESH)
        warm_memory(o_size * (uint64_t)o_conns + (64u << 20));
    fprintf(stderr, "running %s\n", w->name);
    run(w, o_secs, w->needs & N_RM ? o_files : UINT64_MAX, r);
    if (w->start != s_data)
        r->secs_nc = 0;
    discard = false;
    result_print(r);
    if (w->needs & N_MADE)
        quiet(&rm_made, next_n);
    if (w->needs & N_QFID)
        for (int i = 0; i < o_conns; i++) {
            for (int k = 0; k < 16; k++) {
                put_close(cn[i].sl, cn[i].qfid[k]);
                sync_call(cn[i].sl, &p);
            }
            free(cn[i].qfid);
        }
    if (w->needs & N_RM) {                      /* what the time did not reach */
        char nm[128];
        have_files = false;
        for (uint64_t k = next_n; k < o_files; k++) {
            fname(nm, k, 'f');
            sync_open(&cn[0], nm, OPEN, OPT_FILE | OPT_DOC, NULL);
        }
    }
    free(r);
}

static void cleanup(void)
{
    char nm[128];

    reset_slots();
    if (have_files)
        quiet(&rm_files, o_files);
    if (have_big) {
        quiet(&rm_big, o_files);
        sprintf(nm, "%s\\big", base_);
        sync_open(&cn[0], nm, OPEN, OPT_DIR | OPT_DOC, NULL);
    }
    for (int i = 0; i < o_conns; i++)
        if (cn[i].made) {
            close_data(&cn[i]);
            sprintf(nm, "%s\\data%d", base_, i);
            sync_open(&cn[i], nm, OPEN, OPT_FILE | OPT_DOC, NULL);
        }
    sprintf(nm, "%s\\d0", base_);
    sync_open(&cn[0], nm, OPEN, OPT_DIR | OPT_DOC, NULL);
    sync_open(&cn[0], base_, OPEN, OPT_DIR | OPT_DOC, NULL);
}

static void usage(void)
{
    fprintf(stderr,
        "usage: smbload [options] workload[,workload...]\n"
        "  -H host -p port -e share -U user%%password -W domain\n"
        "  -C conns (2)  -Q depth per connection (16)  -t seconds (5)\n"
        "  -s MiB per data file, one file per connection (256)\n"
        "  -n files for the metadata workloads (10000)\n"
        "  -b KiB per sequential READ/WRITE (1024)  -P passes of seqwrite (0: any)\n"
        "  -D bytes asked of QUERY_DIRECTORY (65536)\n"
        "  -x dialect 2.1 | 3.0.2 | 3.1.1   -a gmac | cmac (3.1.1 only)\n"
        "  -E  encrypt by AES-128-GCM (3.1.1 only)\n"
        "  -V, --verify  compare data   --nocheck  do not check signatures\n"
        "  -M, --nowarm  do not touch and free memory before seqwrite\n"
        "  -S, --srvpid p,p  -N, --name label\n"
        "  -k keep files  -B name of their directory (smbload.PID)\n  workloads:");
    for (size_t i = 0; i < N_WL; i++)
        fprintf(stderr, " %s", wls[i].name);
    fprintf(stderr, "\n");
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct option lo[] = {
        {"verify", 0, 0, 'V'}, {"nowarm", 0, 0, 'M'}, {"nocheck", 0, 0, 'K'}, {"srvpid", 1, 0, 'S'},
        {"name", 1, 0, 'N'}, {"host", 1, 0, 'H'}, {"port", 1, 0, 'p'},
        {"share", 1, 0, 'e'}, {"conns", 1, 0, 'C'}, {"depth", 1, 0, 'Q'},
        {"seconds", 1, 0, 't'}, {"size", 1, 0, 's'}, {"files", 1, 0, 'n'},
        {"passes", 1, 0, 'P'}, {"user", 1, 0, 'U'}, {0, 0, 0, 0}};
    static const char *const alg[] = {"HMAC-SHA256", "AES-CMAC", "AES-GMAC"};
    int o;
    char *q, nm[128];

    while ((o = getopt_long(argc, argv, "H:p:m:e:U:W:C:Q:t:s:n:b:P:D:x:a:EVKMS:N:kB:", lo, 0)) != -1)
        switch (o) {
        case 'H': o_host = optarg; break;
        case 'p': o_port = atoi(optarg); break;
        case 'm': break;                        /* as for nfsload; means nothing here */
        case 'e': o_share = optarg; break;
        case 'U':
            o_user = optarg;
            if ((q = strchr(optarg, '%')))
                *q = 0, o_pass = q + 1;
            break;
        case 'W': o_dom = optarg; break;
        case 'C': o_conns = atoi(optarg); break;
        case 'Q': o_depth = atoi(optarg); break;
        case 't': o_secs = atof(optarg); break;
        case 's': o_size = strtoull(optarg, 0, 10) << 20; break;
        case 'n': o_files = (unsigned)atoi(optarg); break;
        case 'b': o_io = (uint32_t)atoi(optarg) << 10; break;
        case 'P': o_passes = (unsigned)atoi(optarg); break;
        case 'D': o_dirbytes = (unsigned)atoi(optarg); break;
        case 'x': o_dialect = optarg; break;
        case 'a': o_sign = optarg; break;
        case 'E': o_encrypt = 1; break;
        case 'V': o_verify = 1; break;
        case 'M': o_nowarm = 1; break;
        case 'K': o_nocheck = 1; break;
        case 'S': parse_srvpids(optarg); break;
        case 'N': o_name = optarg; break;
        case 'k': o_keep = 1; break;
        case 'B': snprintf(base_, sizeof base_, "%s", optarg); break;
        default: usage();
        }
    if (optind != argc - 1 || o_conns < 1 || o_conns > 64 || o_depth < 1 ||
        o_depth > MAXQ || o_files < 1 || o_files > 9999999 ||
        o_size < 1u << 20 || o_io < 4096 || o_io > 4u << 20 || o_dirbytes < 4096)
        usage();
    if (o_encrypt && strcmp(o_dialect, "3.1.1"))
        usage();
    pat_init(PAT_MAXIO);
    if ((ep = epoll_create1(0)) < 0)
        die("epoll");
    cn = xalloc(sizeof *cn * (size_t)o_conns);
    for (int i = 0; i < o_conns; i++) {
        struct conn *c = &cn[i];
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        c->id = i;
        c->fd = dial();
        c->cap = (8u << 20) + 65536;
        c->in = xalloc(c->cap);
        c->sl = xalloc(sizeof *c->sl * MAXQ);
        c->midmap = xalloc(sizeof *c->midmap * MIDS);
        c->credits = 1;
        for (int k = 0; k < MAXQ; k++)
            c->sl[k].c = c, c->sl[k].idx = k, c->sl[k].mid = UINT64_MAX;
        epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
        negotiate(c);
        session_setup(c);
        tree_connect(c);
    }
    iosize = large_mtu ? o_io : 65536;
    if (iosize > maxio)
        iosize = maxio;
    fprintf(stderr, "note: %s: dialect 0x%x, %s, %u-byte transfers\n", o_name,
            dialect, o_encrypt ? "AES-128-GCM" : alg[sign_alg], iosize);
    fstate = xalloc(o_files);
    if (!*base_)
        snprintf(base_, sizeof base_, "smbload.%d", (int)getpid());
    sync_open(&cn[0], base_, OPEN_IF, OPT_DIR, NULL);
    snprintf(nm, sizeof nm, "%s\\d0", base_);
    sync_open(&cn[0], nm, OPEN_IF, OPT_DIR, NULL);
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
