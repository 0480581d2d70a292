/* benchutil.h - what the tools here share: clock, latency histogram, data
 * pattern, CPU accounting, JSON result line. Header only. */
#ifndef BENCHUTIL_H
#define BENCHUTIL_H

#include <ctype.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void die(const char *msg)
{
    fprintf(stderr, "error: %s\n", msg);
    exit(2);
}

static inline void *xalloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p)
        die("out of memory");
    return p;
}

/* ---- latency histogram: 32 buckets per power of two, about 3 % wide ---- */
#define HIST_N 1920
struct hist {
    uint64_t b[HIST_N], n, max;
};

static inline void hist_add(struct hist *h, uint64_t ns)
{
    int i = (int)ns;
    if (ns >= 32) {
        int e = 63 - __builtin_clzll(ns);
        i = (e - 4) * 32 + (int)((ns >> (e - 5)) & 31);
    }
    h->b[i]++;
    h->n++;
    if (ns > h->max)
        h->max = ns;
}

/* Upper edge, in microseconds, of the bucket that holds quantile q. */
static inline double hist_q(const struct hist *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->n), seen = 0;
    if (!h->n)
        return 0;
    for (int i = 0; i < HIST_N; i++) {
        seen += h->b[i];
        if (seen > want || seen == h->n) {
            double v = i;
            if (i >= 32)
                v = (double)((uint64_t)(32 + (i & 31) + 1) << (i / 32 - 1));
            return (v > (double)h->max ? (double)h->max : v) / 1e3;
        }
    }
    return (double)h->max / 1e3;
}

/* ---- data pattern: every byte follows from (file, offset). The period is
 * no multiple of a block size, so a block at a wrong place is noticed. ---- */
#define PAT_LEN 1052744u            /* 1 MiB + 4168 */
#define PAT_MAXIO (8u << 20)
static uint8_t *pat_buf;

static inline uint64_t mix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline void pat_init(size_t maxio)
{
    pat_buf = xalloc(PAT_LEN + maxio);
    for (size_t i = 0; i + 8 <= PAT_LEN; i += 8) {
        uint64_t v = mix64(i);
        memcpy(pat_buf + i, &v, 8);
    }
    for (size_t i = 0; i < maxio; i++)
        pat_buf[PAT_LEN + i] = pat_buf[i];
}

/* The same buffer full of lines as logs have them. */
static inline void pat_text(size_t maxio)
{
    char line[160];
    size_t at = 0;

    for (unsigned i = 0; at < PAT_LEN; i++) {
        uint64_t r = mix64(i);
        int n = snprintf(line, sizeof line, "2026-11-22T%02u:%02u:%02u.%03u host-%02u sshd[%u]: Accepted publickey for user%u from 10.%u.%u.%u port %u ssh2\n",
                         i / 3600 % 24, i / 60 % 60, i % 60, (unsigned)(r % 1000), (unsigned)(r >> 10) % 16, (unsigned)(r >> 14) % 30000,
                         (unsigned)(r >> 29) % 200, (unsigned)(r >> 37) % 4, (unsigned)(r >> 39) % 256, (unsigned)(r >> 47) % 256, (unsigned)(r >> 48) % 65536);
        for (int k = 0; k < n && at < PAT_LEN; k++)
            pat_buf[at++] = (uint8_t)line[k];
    }
    for (size_t i = 0; i < maxio; i++)
        pat_buf[PAT_LEN + i] = pat_buf[i];
}

static inline const uint8_t *pat_at(uint64_t file, uint64_t off)
{
    return pat_buf + (off + file * 63352u) % PAT_LEN;
}

static uint64_t rng_state = 88172645463325252u;
static inline uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

/* A VM whose free pages go back to its host (page reporting) pays dearly for
 * the first touch of each: here 0.5 GB/s instead of 4. Touch n bytes as huge
 * pages, which is how the page cache takes them too, and free them, so that
 * whoever writes next, whichever server, finds pages that are there. */
static inline void warm_memory(uint64_t n)
{
    const uint64_t huge = 2u << 20;
    n = (n > (2ull << 30) ? 2ull << 30 : n) / huge * huge;
    char *p = mmap(NULL, n + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return;
    char *q = (char *)(((uintptr_t)p + huge - 1) / huge * huge);
    madvise(q, n, MADV_HUGEPAGE);
    for (uint64_t i = 0; i < n; i += 4096)
        q[i] = 1;
    munmap(p, n + huge);
}

/* ---- CPU: own process, server process tree, whole machine (seconds) ---- */
#define MAX_SRV 16
static int srv_pid[MAX_SRV], n_srv;
struct cpu {
    double cli, srv, busy, wall;
};

static inline void parse_srvpids(const char *s)
{
    while (*s && n_srv < MAX_SRV) {
        char *e;
        long v = strtol(s, &e, 10);
        if (e == s)
            break;
        srv_pid[n_srv++] = (int)v;
        s = *e ? e + 1 : e;
    }
}

/* CPU of one process: by its own clock, which is finer than the kernel's ticks. */
static inline double cpu_of(int pid, double ticks)
{
    clockid_t id;
    struct timespec t;
    if (clock_getcpuclockid(pid, &id) || clock_gettime(id, &t))
        return ticks;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU of the server pids and all their descendants. */
static inline double srv_cpu(void)
{
    static struct { int pid, ppid; double t; } p[4096];
    double sum = 0, hz = (double)sysconf(_SC_CLK_TCK);
    int n = 0;
    DIR *d;
    struct dirent *e;

    if (!n_srv || !(d = opendir("/proc")))
        return 0;
    while ((e = readdir(d)) && n < 4096) {
        char path[300], buf[1024], *q;
        unsigned long ut, st;
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        size_t l = fread(buf, 1, sizeof buf - 1, f);
        fclose(f);
        buf[l] = 0;
        if (!(q = strrchr(buf, ')')))
            continue;
        if (sscanf(q + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                   &p[n].ppid, &ut, &st) != 3)
            continue;
        p[n].pid = atoi(e->d_name);
        p[n++].t = (double)(ut + st) / hz;
    }
    closedir(d);
    for (int i = 0; i < n; i++) {
        int pid = p[i].pid, hit = 0;
        for (int depth = 0; depth < 8 && pid > 1 && !hit; depth++) {
            int up = 0;
            for (int k = 0; k < n_srv; k++)
                hit |= pid == srv_pid[k];
            for (int k = 0; k < n && !up; k++)
                if (p[k].pid == pid)
                    up = p[k].ppid;
            pid = up;
        }
        if (hit)
            sum += cpu_of(p[i].pid, p[i].t);
    }
    return sum;
}

static inline struct cpu cpu_now(void)
{
    struct cpu c = {0, 0, 0, 0};
    struct rusage ru;
    unsigned long v[8] = {0};
    FILE *f = fopen("/proc/stat", "r");

    if (f) {
        if (fscanf(f, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", v, v + 1, v + 2,
                   v + 3, v + 4, v + 5, v + 6, v + 7) == 8)
            c.busy = (double)(v[0] + v[1] + v[2] + v[5] + v[6]) /
                     (double)sysconf(_SC_CLK_TCK);
        fclose(f);
    }
    c.srv = srv_cpu();
    getrusage(RUSAGE_SELF, &ru);
    c.cli = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
            (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
    c.wall = (double)now_ns() / 1e9;
    return c;
}

/* ---- one result line ---- */
struct result {
    const char *tool, *name, *wl;
    int conns, depth;
    uint32_t io;
    uint64_t items, bytes, errors, bad;
    double secs, secs_nc;           /* with and without the final commit */
    double commit_ms;               /* slowest COMMIT / FLUSH */
    struct hist h;
    struct cpu a, b;
};

static inline void result_print(const struct result *r)
{
    double s = r->secs > 0 ? r->secs : 1e-9;
    double nc = r->secs_nc > 0 ? r->secs_nc : s;
    double w = r->b.wall - r->a.wall;
    w = w > 0 ? w : 1e-9;
    printf("{\"tool\":\"%s\",\"name\":\"%s\",\"wl\":\"%s\",\"conns\":%d,"
           "\"depth\":%d,\"io\":%u,\"secs\":%.3f,\"ops\":%llu,\"ops_s\":%.1f,"
           "\"mb_s\":%.2f,\"mb_s_nocommit\":%.2f,\"commit_ms\":%.1f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,"
           "\"errors\":%llu,\"verify_bad\":%llu,\"cli_cpu\":%.2f,"
           "\"srv_cpu\":%.4f,\"busy_cpu\":%.2f}\n",
           r->tool, r->name, r->wl, r->conns, r->depth, r->io, r->secs,
           (unsigned long long)r->items, (double)r->items / s,
           (double)r->bytes / s / 1e6, (double)r->bytes / nc / 1e6,
           r->commit_ms, hist_q(&r->h, .5), hist_q(&r->h, .99),
           hist_q(&r->h, .999), (double)r->h.max / 1e3,
           (unsigned long long)r->errors, (unsigned long long)r->bad,
           (r->b.cli - r->a.cli) / w, (r->b.srv - r->a.srv) / w,
           (r->b.busy - r->a.busy) / w);
    fflush(stdout);
}

#endif
