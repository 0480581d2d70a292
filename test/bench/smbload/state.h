/* state.h - what smbload keeps besides, its options, and little-endian fields. */
#pragma once
#include "../load/state.h"
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

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
#define MIDS 16384              /* in-flight window of message ids, a power of 2 */
#define CREDITS 2048            /* credits wanted in hand */

struct slot {
    struct base_slot;
    uint32_t charge;
    uint64_t mid;
    uint8_t fid[16];
    uint8_t b[4 + 1020];        /* length prefix + message */
    uint8_t *sealed;            /* length prefix + encrypted message, sent instead */
    size_t sealed_cap, sealed_len;
};

struct conn {
    struct base_conn;
    uint16_t pq[MAXQ];          /* built, waiting for credits; numbered and signed ones are in sq */
    unsigned pqh, pqt;
    uint16_t *midmap;
    uint64_t mid;               /* next message id */
    int credits;
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
    uint8_t dfid[16];           /* this connection's data file */
    uint8_t (*qfid)[16];        /* handles for queryinfo */
};

static const char *o_user = "bench", *o_pass = "bench", *o_dom = "";
static const char *o_dialect = "3.1.1", *o_sign = "gmac";
static int o_nocheck, o_encrypt;

enum { HMAC_SHA256, AES_CMAC, AES_GMAC };
static int sign_alg;
static uint16_t dialect;
static bool large_mtu;
static uint32_t maxio;

struct reply { const uint8_t *m; size_t avail, len; uint32_t status; };

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
