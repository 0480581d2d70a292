/* state.h - what nfsload and smbload both keep of connections, requests and the run, and the options both have.
 *
 * One thread, epoll, deep pipelining: requests are written with one sendmsg a batch straight from the pattern buffer, and
 * read data is either thrown away in the kernel (MSG_TRUNC) or, with --verify, compared. A protocol's struct slot begins
 * with a struct base_slot, its struct conn with a struct base_conn (-fms-extensions).
 */
#pragma once
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

#define MAXQ 1024               /* slots per connection */
#define IN_BYTES ((8u << 20) + 65536)
#define HEAD_BYTES 200          /* in which the head of a reply with data ends */
#define HANG_NS 60000000000u    /* no reply for this long: give up */

struct conn;
struct slot;
struct reply;

/* One request in flight. */
struct base_slot {
    struct conn *c;
    int idx, busy, step;
    uint32_t hlen, dlen, len, entries;
    const uint8_t *data;        /* payload, sent after the head */
    uint64_t t0, n, off, cookie;
};

struct base_conn {
    int fd, id, want_out;       /* id -1: not watched by epoll */
    struct slot *sl;
    uint16_t sq[MAXQ];          /* slots waiting to be sent, a ring */
    unsigned sqh, sqt;
    size_t sent;                /* bytes of sq[sqh] already sent */
    uint8_t *in;                /* received bytes not yet consumed */
    size_t cap, have, need;     /* need: length of the record begun */
    size_t skip;                /* bytes of data still to be thrown away */
    uint8_t save[HEAD_BYTES];   /* head of the reply whose data is skipped */
    size_t save_reclen;
    /* this connection's data file */
    uint64_t pos, valid;        /* next offset; bytes known to hold pattern */
    uint32_t out, pass;         /* writes outstanding; passes flushed */
    bool made, committing;
};

/* ---- state of the run ---- */
static struct conn *cn;
static int ep, inflight;
static uint32_t iosize, cur_io;
static uint8_t *fstate;         /* 1: file i is at present called g<i> */
static bool have_files, have_big;
static uint64_t next_n, limit_n, t_start, t_end, t_lastio, last_reply;
static bool stopping, discard;
static struct result *R;
static uint8_t scratch[1 << 20];

enum { DONE, MORE, NOLAT };     /* reply(): item finished / next request issued /
                                 * finished, but no latency to record */
enum { ISSUED, PARKED };        /* start(): sent something / nothing to do */
struct wl {
    const char *name;
    int needs, arg;
    int (*start)(struct slot *);
    int (*reply)(struct slot *, struct reply *);
};
enum { N_FILES = 1, N_DATA = 2, N_FRESH = 4, N_BIG = 8, N_RM = 16, N_MADE = 32, N_OWN = 64 };
static const struct wl *W;

/* ---- options ---- */
static const char *o_host = "127.0.0.1", *o_export, *o_name = "server";
static int o_port, o_conns = 2, o_depth = 16;
static int o_verify, o_nowarm, o_keep, o_announce;
static double o_secs = 5;
static uint64_t o_size = 256u << 20;
static unsigned o_files = 10000, o_passes, o_dirbytes = 65536;
static uint32_t o_io = 1u << 20;
static char o_base[64];         /* the working directory */

#define COMMON_OPTIONS "H:p:e:C:Q:t:s:n:b:P:D:VMS:N:kAB:"
#define COMMON_LONG_OPTIONS                                                                   \
    {"verify", 0, 0, 'V'}, {"nowarm", 0, 0, 'M'}, {"srvpid", 1, 0, 'S'}, {"name", 1, 0, 'N'}, \
    {"host", 1, 0, 'H'}, {"port", 1, 0, 'p'}, {"conns", 1, 0, 'C'}, {"depth", 1, 0, 'Q'},     \
    {"seconds", 1, 0, 't'}, {"size", 1, 0, 's'}, {"files", 1, 0, 'n'}, {"passes", 1, 0, 'P'}

/* Takes an option both have; false for any other. */
static bool common_option(int o)
{
    switch (o) {
    case 'H': o_host = optarg; break;
    case 'p': o_port = atoi(optarg); break;
    case 'e': o_export = optarg; break;
    case 'C': o_conns = atoi(optarg); break;
    case 'Q': o_depth = atoi(optarg); break;
    case 't': o_secs = atof(optarg); break;
    case 's': o_size = strtoull(optarg, 0, 10) << 20; break;
    case 'n': o_files = (unsigned)atoi(optarg); break;
    case 'b': o_io = (uint32_t)atoi(optarg) << 10; break;
    case 'P': o_passes = (unsigned)atoi(optarg); break;
    case 'D': o_dirbytes = (unsigned)atoi(optarg); break;
    case 'V': o_verify = 1; break;
    case 'M': o_nowarm = 1; break;
    case 'S': parse_srvpids(optarg); break;
    case 'N': o_name = optarg; break;
    case 'k': o_keep = 1; break;
    case 'A': o_announce = 1; break;
    case 'B': snprintf(o_base, sizeof o_base, "%s", optarg); break;
    default: return false;
    }
    return true;
}

static bool options_fit(void)
{
    return o_conns >= 1 && o_conns <= 64 && o_depth >= 1 && o_depth <= MAXQ && o_files >= 1 && o_files <= 9999999 &&
           o_size >= 1u << 20 && o_io >= 4096 && o_io <= 4u << 20 && o_dirbytes >= 4096;
}

static void usage(const char *tool, const char *own, const struct wl *wls, size_t count)
{
    fprintf(stderr,
        "usage: %s [options] workload[,workload...]\n"
        "  -H host -p port -e export   the server\n"
        "  -C conns (2)  -Q depth per connection (16)  -t seconds (5)\n"
        "  -s MiB per data file, one file per connection (256)\n"
        "  -n files for the metadata workloads (10000)\n"
        "  -b KiB per sequential read or write (1024)  -P passes of seqwrite (0: any)\n"
        "  -D bytes asked of a directory at a time (65536)\n"
        "  -V, --verify   check data, directory counts and handles\n"
        "  -M, --nowarm  do not touch and free memory before writes in order\n"
        "  -S, --srvpid p,p  -N, --name label  -k keep files\n"
        "  -B name of the working directory; what lies in it is used again, with -k kept\n"
        "  -A  say on stderr when the measured part of a workload begins\n"
        "%s  workloads:", tool, own);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %s", wls[i].name);
    fprintf(stderr, "\n");
    exit(1);
}
