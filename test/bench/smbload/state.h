/* state.h - what smbload keeps of connections, requests and the run, its options, and little-endian fields. */
#pragma once
#include "../benchutil.h"
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT, CREATE,
    CLOSE, FLUSH, READ, WRITE, LOCK, IOCTL, CANCEL, ECHO_, QUERY_DIRECTORY,
    CHANGE_NOTIFY, QUERY_INFO, SET_INFO
};
#define ST_PENDING 0x103u
#define ST_NO_MORE_FILES 0x80000006u
#define ST_MORE_PROCESSING 0xc0000016u
#define F_RESPONSE 1u
#define F_ASYNC 2u
#define F_SIGNED 8u
#define HDR 64
#define THDR 52                 /* transform header of an encrypted message */
#define MAXQ 1024
#define MIDS 16384              /* in-flight window of message ids, a power of 2 */
#define CREDITS 2048            /* credits wanted in hand */
#define HANG_NS 60000000000u

struct conn;
struct slot {
    struct conn *c;
    int idx, busy, step;
    uint32_t hlen, dlen, len, charge, entries;
    const uint8_t *data;        /* WRITE payload, sent after hdr */
    uint64_t t0, n, off, cookie, mid;
    uint8_t fid[16];
    uint8_t b[4 + 1020];        /* length prefix + message */
    uint8_t *sealed;            /* length prefix + encrypted message, sent instead */
    size_t sealed_cap, sealed_len;
};

struct conn {
    int fd, id, want_out;
    struct slot *sl;
    uint16_t pq[MAXQ];          /* built, waiting for credits */
    unsigned pqh, pqt;
    uint16_t sq[MAXQ];          /* numbered and signed, being sent */
    unsigned sqh, sqt;
    size_t sent;
    uint16_t *midmap;
    uint64_t mid;               /* next message id */
    int credits;
    uint8_t *in;
    size_t cap, have, need;
    size_t skip;                /* READ bytes still to be thrown away */
    uint8_t save[80];
    size_t save_reclen;
    /* session */
    uint64_t sid;
    uint32_t tid;
    bool signing;
    uint8_t preauth[64];
    EVP_CIPHER_CTX *cipher;
    EVP_CIPHER_CTX *sealer, *opener;    /* null: nothing is encrypted */
    uint64_t nonce;
    EVP_MAC_CTX *hmac;
    uint8_t k1[16], k2[16];     /* CMAC subkeys */
    /* this connection's data file */
    uint8_t dfid[16];
    uint64_t pos, valid;
    uint32_t out, pass;
    bool made, committing;
    uint8_t (*qfid)[16];        /* handles for queryinfo */
};

/* ---- options ---- */
static const char *o_host = "127.0.0.1", *o_share = "share", *o_name = "server";
static const char *o_user = "bench", *o_pass = "bench", *o_dom = "";
static const char *o_dialect = "3.1.1", *o_sign = "gmac";
static int o_port = 445, o_conns = 2, o_depth = 16;
static int o_verify, o_nowarm, o_keep, o_nocheck, o_encrypt;
static double o_secs = 5;
static uint64_t o_size = 256u << 20;
static unsigned o_files = 10000, o_passes, o_dirbytes = 65536;
static uint32_t o_io = 1u << 20;

/* ---- state of the run ---- */
enum { HMAC_SHA256, AES_CMAC, AES_GMAC };
static struct conn *cn;
static int ep, inflight, sign_alg;
static uint16_t dialect;
static bool large_mtu;
static uint32_t iosize, cur_io, maxio;
static uint8_t *fstate;
static bool have_files, have_big;
static uint64_t next_n, limit_n, t_start, t_end, t_lastio, last_reply;
static bool stopping, discard;
static struct result *R;
static uint8_t scratch[1 << 20];
static char base_[64];

struct rep { const uint8_t *m; size_t avail, len; uint32_t status; };
enum { DONE, MORE, NOLAT };
enum { ISSUED, PARKED };
struct wl {
    const char *name;
    int needs, arg;
    int (*start)(struct slot *);
    int (*reply)(struct slot *, const struct rep *);
};
enum { N_FILES = 1, N_DATA = 2, N_FRESH = 4, N_BIG = 8, N_RM = 16, N_MADE = 32, N_QFID = 64 };
static const struct wl *W;

/* ---- little-endian fields ---- */
static void w16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8); }
static void w32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static void w64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }
static uint32_t r16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t r32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint64_t r64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static uint32_t utf16(uint8_t *p, const char *s)
{
    uint32_t n = 0;
    for (; *s; s++)
        p[n++] = (uint8_t)*s, p[n++] = 0;
    return n;
}
