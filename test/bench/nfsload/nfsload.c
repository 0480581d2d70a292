/* nfsload - a neutral NFSv3 load generator.
 *
 * Its own ONC-RPC/XDR over TCP, so that the client costs as little CPU as
 * possible. One JSON line per workload goes to stdout.
 *
 * gcc -O2 -Wall -Wextra -fms-extensions -o bin/nfsload nfsload/nfsload.c
 */
#define _GNU_SOURCE
#include "state.h"
#include "rpc.h"
#include "engine.h"
#include "files.h"
#include "data.h"

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
static void start_anew(void)
{
    reset_slots();
    for (int i = 0; i < o_conns; i++)
        cn[i].have_verf = false;
}

static void dname(char *b, const char *k, int i) { sprintf(b, "%s%d", k, i); }

static void make_data_files(bool fill)
{
    char nm[32];
    bool need = false;

    for (int i = 0; i < o_conns; i++) {
        if (fill && cn[i].valid == o_size)
            continue;
        dname(nm, "data", i);
        if (fill && o_reuse) {
            if (do_lookup(&base, nm, &cn[i].dfh))
                die("-R: no data file from an earlier run");
            cn[i].valid = o_size;
            continue;
        }
        need = true;
        do_make(P_CREATE, &base, nm, &cn[i].dfh);
        cn[i].made = true;
        cn[i].valid = 0;
    }
    if (fill && need) {
        start_anew();
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
    start_anew();
    cur_io = w->arg & D_4K && w->start == s_data ? 4096 : iosize;
    discard = w->start == s_data && w->arg == (D_SEQ | D_RD) && !o_verify;
}

static void one(const struct wl *w)
{
    prepare(w);
    measure("nfsload", w, o_fixed ? 600 : o_secs, (w->needs & N_RM) || (o_fixed && (w->needs & N_MADE)) ? o_files : UINT64_MAX);
    if ((w->needs & N_MADE) && !(o_fixed && o_keep)) {
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
}

/* On one set of connections: what is measured is not their beginning. */
static void again(const struct wl *w)
{
    char line[32];

    prepare(w);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        o_secs = atof(line);
        one(w);
        fflush(stdout);
    }
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
    do_remove(P_RMDIR, &root, o_base);
}

static const char own[] =
    "  -m mountport (0: = port)  -r reserved port  -u uid -g gid  -d directories (1)\n"
    "  -R  read and overwrite the data files an earlier run with -k left, of this size\n"
    "  -F  the create workloads end after -n files, which stay with -k\n"
    "  -Z  data that compresses: lines of a log\n"
    "  -L  again and again: each line of stdin says how many seconds it runs\n";

int main(int argc, char **argv)
{
    static const struct option lo[] = {COMMON_LONG_OPTIONS, {"mountport", 1, 0, 'm'}, {"export", 1, 0, 'e'}, {"dirs", 1, 0, 'd'}, {0, 0, 0, 0}};
    int o;
    char nm[32];

    o_port = 2049;
    o_export = "/";
    while ((o = getopt_long(argc, argv, COMMON_OPTIONS "m:d:ru:g:RFZL", lo, 0)) != -1)
        switch (o) {
        case 'm': o_mport = atoi(optarg); break;
        case 'd': o_dirs = atoi(optarg); break;
        case 'R': o_reuse = 1; break;
        case 'F': o_fixed = 1; break;
        case 'Z': o_text = 1; break;
        case 'L': o_lines = 1; break;
        case 'r': o_resv = 1; break;
        case 'u': o_uid = atoi(optarg); break;
        case 'g': o_gid = atoi(optarg); break;
        default:
            if (!common_option(o))
                usage("nfsload", own, wls, N_WL);
        }
    if (optind != argc - 1 || !options_fit() || o_dirs < 1)
        usage("nfsload", own, wls, N_WL);
    if (!o_mport)
        o_mport = o_port;
    make_cred();
    pat_init(PAT_MAXIO);
    if (o_text)
        pat_text(PAT_MAXIO);
    do_mount();
    connect_all(o_resv);
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
    if (!o_base[0])
        snprintf(o_base, sizeof o_base, "nfsload.%d", (int)getpid());
    do_make(P_MKDIR, &root, o_base, &base);
    for (int i = 0; i < o_dirs; i++) {
        dname(nm, "d", i);
        do_make(P_MKDIR, &base, nm, &dirs[i]);
    }
    each(argv[optind], wls, N_WL, o_lines ? again : one);
    if (!o_keep)
        cleanup();
    return 0;
}
