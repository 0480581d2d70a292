/* nfsload - a neutral NFSv3 load generator.
 *
 * One thread, epoll, its own ONC-RPC/XDR over TCP with deep pipelining, so
 * that the client costs as little CPU as possible: requests are written with
 * one sendmsg per batch straight from the pattern buffer, and READ data is
 * either thrown away in the kernel (MSG_TRUNC) or, with --verify, compared.
 * One JSON line per workload goes to stdout.
 *
 * gcc -O2 -Wall -Wextra -o bin/nfsload nfsload/nfsload.c
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
    if (!o_nowarm && w->start == s_data && (w->arg & D_SEQ) && (w->arg & D_WR))
        warm_memory(o_size * (uint64_t)o_conns + (64u << 20));
    if (o_announce)
        fprintf(stderr, "running %s\n", w->name);
    run(w, o_fixed ? 600 : o_secs, (w->needs & N_RM) || (o_fixed && (w->needs & N_MADE)) ? o_files : UINT64_MAX, r);
    if (w->start != s_data)
        r->secs_nc = 0;
    discard = false;
    result_print(r);
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
    free(r);
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
        "  -R  read and overwrite the data files an earlier run with -k left, of this size\n"
        "  -F  the create workloads end after -n files, which stay with -k; -P ends seqread, too\n"
        "  -Z  data that compresses: lines of a log\n"
        "  -A  say on stderr when the measured part of a workload begins\n"
        "  -L  again and again: each line of stdin says how many seconds it runs\n"
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

    while ((o = getopt_long(argc, argv, "H:p:m:e:C:Q:t:s:n:d:b:P:D:VMS:N:kru:g:AB:RFZL", lo, 0)) != -1)
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
        case 'R': o_reuse = 1; break;
        case 'F': o_fixed = 1; break;
        case 'Z': o_text = 1; break;
        case 'L': o_lines = 1; break;
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
    if (o_text)
        pat_text(PAT_MAXIO);
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
        else if (o_lines)
            again(&wls[i]);
        else
            one(&wls[i]);
    }
    if (!o_keep)
        cleanup();
    return 0;
}
