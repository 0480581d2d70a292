/* smbload - a neutral SMB2/3 load generator.
 *
 * Its own SMB2 over TCP: NTLMv2 in SPNEGO, dialects 2.1,
 * 3.0.2 and 3.1.1, every request signed (HMAC-SHA256, AES-CMAC, AES-GMAC) and
 * every reply's signature checked unless --nocheck; or, with -E (3.1.1), every
 * message encrypted by AES-128-GCM. Credits and multi-credit charges are kept;
 * each connection is its own session. No compounding, no oplocks, no leases.
 * One JSON line per workload.
 *
 * gcc -O2 -Wall -Wextra -fms-extensions -o bin/smbload smbload/smbload.c -lcrypto
 */
#define _GNU_SOURCE
#include "data.h"
#include "files.h"
#include "session.h"

static const struct wl wls[] = {
    {"echo", 0, ECHO_, s_simple, r_simple},
    {"queryinfo", N_OWN, QUERY_INFO, s_simple, r_simple},
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
/* Open or make name on c; keep the handle in fid, or close it (fid NULL). */
static void sync_open(struct conn *c, const char *name, uint32_t disp, uint32_t opt, uint8_t *fid)
{
    struct slot *s = c->sl;
    struct reply p;
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
    struct reply p;
    uint8_t f[16];

    put_create(c->sl, name, OPEN, OPT_FILE);
    if (!sync_call(c->sl, &p) || !create_fid(&p, f))
        return false;
    put_close(c->sl, f);
    sync_call(c->sl, &p);
    return true;
}

static void close_data(struct conn *c)
{
    struct reply p;
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
        sprintf(nm, "%s\\data%d", o_base, i);
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

    if ((w->needs & (N_FILES | N_RM | N_OWN)) && !have_files) {
        memset(fstate, 0, o_files);
        quiet(&prep_files, o_files);
        have_files = true;
    }
    if ((w->needs & N_BIG) && !have_big) {
        sprintf(nm, "%s\\big", o_base);
        sync_open(&cn[0], nm, OPEN_IF, OPT_DIR, NULL);
        fname(nm, o_files - 1, 'B');
        if (!is_there(&cn[0], nm))              /* kept by an earlier run */
            quiet(&prep_big, o_files);
        have_big = true;
    }
    if (w->needs & N_OWN)
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
    struct reply p;

    prepare(w);
    measure("smbload", w, o_secs, w->needs & N_RM ? o_files : UINT64_MAX);
    if (w->needs & N_MADE)
        quiet(&rm_made, next_n);
    if (w->needs & N_OWN)
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
}

static void cleanup(void)
{
    char nm[128];

    reset_slots();
    if (have_files)
        quiet(&rm_files, o_files);
    if (have_big) {
        quiet(&rm_big, o_files);
        sprintf(nm, "%s\\big", o_base);
        sync_open(&cn[0], nm, OPEN, OPT_DIR | OPT_DOC, NULL);
    }
    for (int i = 0; i < o_conns; i++)
        if (cn[i].made) {
            close_data(&cn[i]);
            sprintf(nm, "%s\\data%d", o_base, i);
            sync_open(&cn[i], nm, OPEN, OPT_FILE | OPT_DOC, NULL);
        }
    sprintf(nm, "%s\\d0", o_base);
    sync_open(&cn[0], nm, OPEN, OPT_DIR | OPT_DOC, NULL);
    sync_open(&cn[0], o_base, OPEN, OPT_DIR | OPT_DOC, NULL);
}

static const char own[] =
    "  -e share -U user%password -W domain\n"
    "  -x dialect 2.1 | 3.0.2 | 3.1.1   -a gmac | cmac (3.1.1 only)\n"
    "  -E  encrypt by AES-128-GCM (3.1.1 only)   --nocheck  do not check signatures\n";

int main(int argc, char **argv)
{
    static const struct option lo[] = {COMMON_LONG_OPTIONS, {"nocheck", 0, 0, 'K'}, {"share", 1, 0, 'e'}, {"user", 1, 0, 'U'}, {0, 0, 0, 0}};
    static const char *const alg[] = {"HMAC-SHA256", "AES-CMAC", "AES-GMAC"};
    int o;
    char *q, nm[128];

    o_port = 445;
    o_export = "share";
    while ((o = getopt_long(argc, argv, COMMON_OPTIONS "m:U:W:x:a:EK", lo, 0)) != -1)
        switch (o) {
        case 'm': break;                        /* as for nfsload; means nothing here */
        case 'U':
            o_user = optarg;
            if ((q = strchr(optarg, '%')))
                *q = 0, o_pass = q + 1;
            break;
        case 'W': o_dom = optarg; break;
        case 'x': o_dialect = optarg; break;
        case 'a': o_sign = optarg; break;
        case 'E': o_encrypt = 1; break;
        case 'K': o_nocheck = 1; break;
        default:
            if (!common_option(o))
                usage("smbload", own, wls, N_WL);
        }
    if (optind != argc - 1 || !options_fit())
        usage("smbload", own, wls, N_WL);
    if (o_encrypt && strcmp(o_dialect, "3.1.1"))
        usage("smbload", own, wls, N_WL);
    pat_init(PAT_MAXIO);
    connect_all(false);
    for (int i = 0; i < o_conns; i++) {
        struct conn *c = &cn[i];
        c->midmap = xalloc(sizeof *c->midmap * MIDS);
        c->credits = 1;
        for (int k = 0; k < MAXQ; k++)
            c->sl[k].mid = UINT64_MAX;
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
    if (!*o_base)
        snprintf(o_base, sizeof o_base, "smbload.%d", (int)getpid());
    sync_open(&cn[0], o_base, OPEN_IF, OPT_DIR, NULL);
    snprintf(nm, sizeof nm, "%s\\d0", o_base);
    sync_open(&cn[0], nm, OPEN_IF, OPT_DIR, NULL);
    each(argv[optind], wls, N_WL, one);
    if (!o_keep)
        cleanup();
    return 0;
}
