/* crypto.h - MD4, RC4, HMAC, signing and sealing of messages. */
#pragma once
#include "state.h"

static void md4(const uint8_t *d, size_t n, uint8_t out[16])
{
    uint8_t buf[256] = {0};
    uint32_t h[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    static const int sh[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    static const int o3[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
    size_t blocks = (n + 8) / 64 + 1;

    if (n > 180)
        die("password too long");
    memcpy(buf, d, n);
    buf[n] = 0x80;
    w64(buf + blocks * 64 - 8, n * 8);
    for (size_t k = 0; k < blocks; k++) {
        uint32_t s[4];
        memcpy(s, h, 16);
        for (int i = 0; i < 48; i++) {
            int r = i / 16, j = i % 16;
            int w = r == 0 ? j : r == 1 ? j % 4 * 4 + j / 4 : o3[j];
            uint32_t b = s[1], c = s[2], e = s[3], f, t;
            f = r == 0 ? (b & c) | (~b & e)
              : r == 1 ? ((b & c) | (b & e) | (c & e)) + 0x5a827999
                       : (b ^ c ^ e) + 0x6ed9eba1;
            t = s[0] + f + r32(buf + k * 64 + w * 4);
            t = t << sh[r][i % 4] | t >> (32 - sh[r][i % 4]);
            s[0] = s[3], s[3] = s[2], s[2] = s[1], s[1] = t;
        }
        for (int i = 0; i < 4; i++)
            h[i] += s[i];
    }
    memcpy(out, h, 16);
}

static void rc4(const uint8_t *key, size_t kl, uint8_t *d, size_t n)
{
    uint8_t s[256], t, i = 0, j = 0;
    for (int k = 0; k < 256; k++)
        s[k] = (uint8_t)k;
    for (int k = 0; k < 256; k++) {
        j = (uint8_t)(j + s[k] + key[(size_t)k % kl]);
        t = s[k], s[k] = s[j], s[j] = t;
    }
    for (j = 0; n--; d++) {
        j = (uint8_t)(j + s[++i]);
        t = s[i], s[i] = s[j], s[j] = t;
        *d ^= s[(uint8_t)(s[i] + s[j])];
    }
}

static void hmac(const char *md, const void *k, size_t kl, const void *d, size_t n, uint8_t *out)
{
    size_t l;
    if (!EVP_Q_mac(NULL, "HMAC", NULL, md, NULL, k, kl, d, n, out, 64, &l))
        die("HMAC");
}

static void preauth_add(struct conn *c, const uint8_t *m, size_t n)
{
    EVP_MD_CTX *x = EVP_MD_CTX_new();
    EVP_DigestInit_ex(x, EVP_sha512(), NULL);
    EVP_DigestUpdate(x, c->preauth, 64);
    EVP_DigestUpdate(x, m, n);
    EVP_DigestFinal_ex(x, c->preauth, NULL);
    EVP_MD_CTX_free(x);
}

static void gf_double(uint8_t *o, const uint8_t *i)
{
    uint8_t top = i[0] >> 7;
    for (int k = 0; k < 16; k++)
        o[k] = (uint8_t)(i[k] << 1 | (k < 15 ? i[k + 1] >> 7 : 0));
    if (top)
        o[15] ^= 0x87;
}

/* A key of 3.1.1 by SP800-108 in counter mode: the hash of what was negotiated is its context. */
static void key311(struct conn *c, const uint8_t skey[16], const char *label, uint8_t key[64])
{
    uint8_t in[128] = {0, 0, 0, 1};
    size_t n = 4, l = strlen(label) + 1;
    memcpy(in + n, label, l), n += l;
    in[n++] = 0;
    memcpy(in + n, c->preauth, 64), n += 64;
    memcpy(in + n, "\0\0\0\x80", 4), n += 4;
    hmac("SHA256", skey, 16, in, n, key);
}

static void sealing_start(struct conn *c, const uint8_t skey[16])
{
    uint8_t key[64];
    key311(c, skey, "SMBC2SCipherKey", key);
    c->sealer = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(c->sealer, EVP_aes_128_gcm(), NULL, key, NULL);
    key311(c, skey, "SMBS2CCipherKey", key);
    c->opener = EVP_CIPHER_CTX_new();
    EVP_DecryptInit_ex(c->opener, EVP_aes_128_gcm(), NULL, key, NULL);
}

/* Encrypts a request into its own buffer, length prefix and transform header before it. */
static void seal(struct slot *s)
{
    struct conn *c = s->c;
    size_t n = s->hlen + s->dlen, total = 4 + THDR + n;
    int l;

    if (s->sealed_cap < total)
        s->sealed = realloc(s->sealed, s->sealed_cap = total);
    uint8_t *t = s->sealed + 4, *to = t + THDR;
    s->sealed_len = total;
    s->sealed[0] = 0, s->sealed[1] = (uint8_t)((n + THDR) >> 16), s->sealed[2] = (uint8_t)((n + THDR) >> 8), s->sealed[3] = (uint8_t)(n + THDR);
    memset(t, 0, THDR);
    memcpy(t, "\xfdSMB", 4);
    w64(t + 20, ++c->nonce);
    w32(t + 36, (uint32_t)n);
    w16(t + 42, 1);
    w64(t + 44, c->sid);
    EVP_EncryptInit_ex(c->sealer, NULL, NULL, NULL, t + 20);
    EVP_EncryptUpdate(c->sealer, NULL, &l, t + 20, 32);
    EVP_EncryptUpdate(c->sealer, to, &l, s->b + 4, (int)s->hlen);
    if (s->dlen)
        EVP_EncryptUpdate(c->sealer, to + s->hlen, &l, s->data, (int)s->dlen);
    EVP_EncryptFinal_ex(c->sealer, scratch, &l);
    EVP_CIPHER_CTX_ctrl(c->sealer, EVP_CTRL_GCM_GET_TAG, 16, t + 4);
}

/* Opens an encrypted message where it lies; the plain one is behind its transform header. */
static uint8_t *unseal(struct conn *c, uint8_t *m, size_t *n)
{
    int l;
    if (!c->opener || *n < THDR + HDR || memcmp(m, "\xfdSMB", 4))
        die("a reply that is not encrypted");
    size_t len = *n - THDR;
    EVP_DecryptInit_ex(c->opener, NULL, NULL, NULL, m + 20);
    EVP_DecryptUpdate(c->opener, NULL, &l, m + 20, 32);
    EVP_DecryptUpdate(c->opener, m + THDR, &l, m + THDR, (int)len);
    EVP_CIPHER_CTX_ctrl(c->opener, EVP_CTRL_GCM_SET_TAG, 16, m + 4);
    if (EVP_DecryptFinal_ex(c->opener, scratch, &l) != 1)
        die("an encrypted reply that does not open");
    *n = len;
    return m + THDR;
}

/* Derive the signing key from the session key and set the cipher up. */
static void signing_start(struct conn *c, const uint8_t skey[16])
{
    static const char l311[] = "SMBSigningKey", l30[] = "SMB2AESCMAC", c30[] = "SmbSign";
    uint8_t in[128], key[64], zero[16] = {0}, t[16];
    size_t n = 4;
    int l;

    memcpy(key, skey, 16);
    if (dialect >= 0x300) {             /* SP800-108, counter mode */
        memcpy(in, "\0\0\0\1", 4);
        if (dialect == 0x311) {
            memcpy(in + n, l311, sizeof l311), n += sizeof l311;
            in[n++] = 0;
            memcpy(in + n, c->preauth, 64), n += 64;
        } else {
            memcpy(in + n, l30, sizeof l30), n += sizeof l30;
            in[n++] = 0;
            memcpy(in + n, c30, sizeof c30), n += sizeof c30;
        }
        memcpy(in + n, "\0\0\0\x80", 4), n += 4;
        hmac("SHA256", skey, 16, in, n, key);
    }
    c->cipher = EVP_CIPHER_CTX_new();
    if (sign_alg == AES_GMAC) {
        EVP_EncryptInit_ex(c->cipher, EVP_aes_128_gcm(), NULL, key, NULL);
    } else if (sign_alg == AES_CMAC) {
        EVP_EncryptInit_ex(c->cipher, EVP_aes_128_cbc(), NULL, key, zero);
        EVP_CIPHER_CTX_set_padding(c->cipher, 0);
        EVP_EncryptUpdate(c->cipher, t, &l, zero, 16);
        gf_double(c->k1, t);
        gf_double(c->k2, c->k1);
    } else {
        char md[] = "SHA256";
        OSSL_PARAM p[] = {OSSL_PARAM_construct_utf8_string("digest", md, 0),
                          OSSL_PARAM_construct_end()};
        EVP_MAC *m = EVP_MAC_fetch(NULL, "HMAC", NULL);
        c->hmac = EVP_MAC_CTX_new(m);
        EVP_MAC_init(c->hmac, key, 16, p);
        EVP_MAC_free(m);
    }
    c->signing = true;
}

static void cbc(struct conn *c, const uint8_t *d, size_t n)
{
    for (size_t k; n; d += k, n -= k) {
        int l;
        k = n < 16384 ? n : 16384;
        EVP_EncryptUpdate(c->cipher, scratch, &l, d, (int)k);
    }
}

/* Signature of message a (its signature field zero) followed by b.
 * If b is not empty, an is a multiple of 16 (WRITE: 112). */
static void sign(struct conn *c, const uint8_t *a, size_t an, const uint8_t *b,
                 size_t bn, int server, uint8_t out[16])
{
    int l;

    if (sign_alg == AES_GMAC) {
        uint8_t nonce[12] = {0};
        memcpy(nonce, a + 24, 8);
        nonce[8] = (uint8_t)server;
        EVP_EncryptInit_ex(c->cipher, NULL, NULL, NULL, nonce);
        EVP_EncryptUpdate(c->cipher, NULL, &l, a, (int)an);
        if (bn)
            EVP_EncryptUpdate(c->cipher, NULL, &l, b, (int)bn);
        EVP_EncryptFinal_ex(c->cipher, scratch, &l);
        EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_GCM_GET_TAG, 16, out);
    } else if (sign_alg == AES_CMAC) {
        uint8_t last[16] = {0};
        const uint8_t zero[16] = {0};
        const uint8_t *tail = bn ? b : a;
        size_t tn = bn ? bn : an, k = (tn - 1) / 16 * 16;
        EVP_EncryptInit_ex(c->cipher, NULL, NULL, NULL, zero);
        if (bn)
            cbc(c, a, an);
        cbc(c, tail, k);
        memcpy(last, tail + k, tn - k);
        if (tn - k < 16)
            last[tn - k] = 0x80;
        for (int i = 0; i < 16; i++)
            last[i] ^= tn - k < 16 ? c->k2[i] : c->k1[i];
        EVP_EncryptUpdate(c->cipher, out, &l, last, 16);
    } else {
        uint8_t t[64];
        size_t tl;
        EVP_MAC_init(c->hmac, NULL, 0, NULL);
        EVP_MAC_update(c->hmac, a, an);
        if (bn)
            EVP_MAC_update(c->hmac, b, bn);
        EVP_MAC_final(c->hmac, t, &tl, sizeof t);
        memcpy(out, t, 16);
    }
}
