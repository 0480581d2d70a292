/* session.h - NEGOTIATE, NTLMv2 in SPNEGO, TREE_CONNECT. */
#pragma once
#include "transport.h"

static uint8_t *der(uint8_t *end_, uint8_t tag, size_t n)   /* header before end_ */
{
    if (n > 255)
        *--end_ = (uint8_t)n, *--end_ = (uint8_t)(n >> 8), *--end_ = 0x82;
    else if (n > 127)
        *--end_ = (uint8_t)n, *--end_ = 0x81;
    else
        *--end_ = (uint8_t)n;
    *--end_ = tag;
    return end_;
}

/* Wrap an NTLMSSP token; first: NegTokenInit, else NegTokenResp. */
static size_t spnego(uint8_t *out, const uint8_t *tok, size_t n, bool first)
{
    static const uint8_t oid[] = {0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02};
    static const uint8_t mech[] = {0xa0, 0x0e, 0x30, 0x0c, 0x06, 0x0a, 0x2b, 0x06, 0x01,
                                   0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a};
    uint8_t buf[1024], *e = buf + sizeof buf, *p = e - n;

    memcpy(p, tok, n);
    p = der(p, 0x04, (size_t)(e - p));
    p = der(p, 0xa2, (size_t)(e - p));
    if (first)
        memcpy(p -= sizeof mech, mech, sizeof mech);
    p = der(p, 0x30, (size_t)(e - p));
    p = der(p, first ? 0xa0 : 0xa1, (size_t)(e - p));
    if (first) {
        memcpy(p -= sizeof oid, oid, sizeof oid);
        p = der(p, 0x60, (size_t)(e - p));
    }
    memcpy(out, p, (size_t)(e - p));
    return (size_t)(e - p);
}

#define NTLM_FLAGS 0xe0888215u  /* unicode, sign, ESS, target info, key exch., 128, 56 */

/* Answer the NTLM challenge; returns the token's length, sets the key. */
static size_t ntlm_auth(const uint8_t *ch, size_t n, uint8_t *out, uint8_t skey[16])
{
    uint8_t nt[64], v2[64], proof[64], base[64], u[512], blob[1024], up[128], rnd[16];
    uint32_t flags, til, tio, ul = 0, dl, at = 64;
    size_t bl = 0;

    if (n < 48 || r32(ch + 8) != 2)
        die("NTLM: no challenge");
    flags = r32(ch + 20);
    til = r16(ch + 40), tio = r32(ch + 44);
    if (tio > n || til > n - tio || til > 512)
        die("NTLM: bad target info");
    if (strlen(o_user) > 60 || strlen(o_pass) > 80 || strlen(o_dom) > 60)
        die("user, password or domain too long");
    md4(u, utf16(u, o_pass), nt);
    ul = utf16(u, o_user);
    for (uint32_t i = 0; i < ul; i++)
        up[i] = (uint8_t)toupper(u[i]);
    dl = utf16(u + ul, o_dom);
    memcpy(u, up, ul);
    hmac("MD5", nt, 16, u, ul + dl, v2);
    /* blob, after the server challenge */
    memcpy(blob, ch + 24, 8);
    memset(blob + 8, 0, 28);
    blob[8] = blob[9] = 1;
    w64(blob + 16, ((uint64_t)time(NULL) + 11644473600u) * 10000000u);
    for (uint32_t i = 0; i + 4 <= til;) {       /* the server's own time, if given */
        const uint8_t *av = ch + tio + i;
        uint32_t id = r16(av), l = r16(av + 2);
        if (id == 7 && l == 8 && i + 12 <= til)
            memcpy(blob + 16, av + 4, 8);
        i += 4 + l;
    }
    RAND_bytes(blob + 24, 8);
    memcpy(blob + 36, ch + tio, til);
    memset(blob + 36 + til, 0, 4);
    bl = 40 + til;
    hmac("MD5", v2, 16, blob, bl, proof);
    hmac("MD5", v2, 16, proof, 16, base);
    memcpy(skey, base, 16);
    memcpy(rnd, base, 16);
    if (flags & 0x40000000) {
        RAND_bytes(skey, 16);
        memcpy(rnd, skey, 16);
        rc4(base, 16, rnd, 16);
    }
    memset(out, 0, 64);
    memcpy(out, "NTLMSSP", 8);
    w32(out + 8, 3);
#define FIELD(o, src, l) \
    (memcpy(out + at, src, l), w16(out + (o), (uint32_t)(l)), \
     w16(out + (o) + 2, (uint32_t)(l)), w32(out + (o) + 4, at), at += (uint32_t)(l))
    FIELD(28, u + ul, dl);
    ul = utf16(u, o_user);
    FIELD(36, u, ul);
    FIELD(44, u, 0);
    memset(u, 0, 24);
    FIELD(12, u, 24);
    memcpy(out + at, proof, 16);
    memcpy(out + at + 16, blob + 8, bl - 8);
    w16(out + 20, (uint32_t)(bl + 8)), w16(out + 22, (uint32_t)(bl + 8)), w32(out + 24, at);
    at += (uint32_t)bl + 8;
    FIELD(52, rnd, (flags & 0x40000000 ? 16u : 0u));
    w32(out + 60, flags & NTLM_FLAGS);
    return at;
}

static void negotiate(struct conn *c)
{
    struct slot *s = c->sl;
    struct reply p;
    uint8_t *b = begin(s, NEGOTIATE, 36, 36);

    dialect = !strcmp(o_dialect, "2.1") ? 0x210 : !strcmp(o_dialect, "3.0.2") ? 0x302 : 0x311;
    w16(b + 2, 1);
    w16(b + 4, 3);                              /* signing enabled and required */
    w32(b + 8, o_encrypt ? 0x44 : 4);           /* large MTU, encryption */
    RAND_bytes(b + 12, 16);
    w16(b + 36, dialect);
    s->hlen += 2;
    if (dialect == 0x311) {
        uint8_t *x = s->b + 4 + HDR + 40;       /* 8-aligned: 104 */
        memset(b + 38, 0, 200);
        w32(b + 28, HDR + 40);
        w16(b + 32, 2);
        w16(x, 1), w16(x + 2, 38), w16(x + 8, 1), w16(x + 10, 32), w16(x + 12, 1);
        RAND_bytes(x + 14, 32);
        x += 48;
        w16(x, 8), w16(x + 2, 4), w16(x + 8, 1);
        w16(x + 10, !strcmp(o_sign, "cmac") ? AES_CMAC : AES_GMAC);
        s->hlen = HDR + 40 + 48 + 12;
        if (o_encrypt) {                        /* AES-128-GCM alone */
            x += 16;
            w16(b + 32, 3);
            w16(x, 2), w16(x + 2, 4), w16(x + 8, 1), w16(x + 10, 2);
            s->hlen = HDR + 40 + 48 + 16 + 12;
        }
    }
    large_mtu = false;
    memset(c->preauth, 0, 64);
    if (!sync_call(s, &p) || p.len < HDR + 65) {
        fprintf(stderr, "error: NEGOTIATE: status 0x%08x\n", p.status);
        exit(2);
    }
    preauth_add(c, s->b + 4, s->hlen);
    preauth_add(c, p.m, p.len);
    b = (uint8_t *)p.m + HDR;
    if (r16(b + 4) != dialect)
        die("the server chose another dialect");
    large_mtu = r32(b + 24) & 4;
    maxio = r32(b + 32) < r32(b + 36) ? r32(b + 32) : r32(b + 36);
    if (r32(b + 28) < o_dirbytes)
        o_dirbytes = r32(b + 28);
    sign_alg = dialect >= 0x300 ? AES_CMAC : HMAC_SHA256;
    if (dialect == 0x311) {
        size_t o = r32(b + 60);
        for (uint32_t i = 0; i < r16(b + 6) && o + 8 <= p.len; i++) {
            uint32_t l = r16(p.m + o + 2);
            if (r16(p.m + o) == 8 && l >= 4 && o + 12 <= p.len)
                sign_alg = (int)r16(p.m + o + 10);
            if (r16(p.m + o) == 2 && o_encrypt && r16(p.m + o + 10) != 2)
                die("the server does not offer AES-128-GCM");
            o = (o + 8 + l + 7) & ~(size_t)7;
        }
    }
    if (sign_alg > AES_GMAC)
        die("unknown signing algorithm");
}

static void session_setup(struct conn *c)
{
    struct slot *s = c->sl;
    struct reply p;
    uint8_t tok[1024] = "NTLMSSP", skey[16], *b;
    size_t n = 32;

    w32(tok + 8, 1);
    w32(tok + 12, NTLM_FLAGS);
    for (int round = 0; round < 2; round++) {
        b = begin(s, SESSION_SETUP, 24, 25);
        n = spnego(b + 24, tok, n, round == 0);
        b[3] = 3;
        w16(b + 12, HDR + 24), w16(b + 14, (uint32_t)n);
        s->hlen += (uint32_t)n;
        sync_call(s, &p);
        preauth_add(c, s->b + 4, s->hlen);
        c->sid = r64(p.m + 40);
        if (round == 0) {
            const uint8_t *ch;
            if (p.status != ST_MORE_PROCESSING)
                break;
            preauth_add(c, p.m, p.len);
            ch = memmem(p.m + HDR, p.len - HDR, "NTLMSSP", 8);
            if (!ch)
                die("no NTLMSSP challenge");
            n = ntlm_auth(ch, (size_t)(p.m + p.len - ch), tok, skey);
        }
    }
    if (p.status) {
        fprintf(stderr, "error: SESSION_SETUP: status 0x%08x\n", p.status);
        exit(2);
    }
    signing_start(c, skey);
    if (!o_nocheck && !signature_ok(c, (uint8_t *)p.m, p.len))
        die("bad signature in the last SESSION_SETUP reply");
    if (o_encrypt)
        sealing_start(c, skey);
}

static void tree_connect(struct conn *c)
{
    struct slot *s = c->sl;
    struct reply p;
    char unc[256];
    uint8_t *b = begin(s, TREE_CONNECT, 8, 9);
    uint32_t n;

    snprintf(unc, sizeof unc, "\\\\%s\\%s", o_host, o_export);
    n = utf16(b + 8, unc);
    w16(b + 4, HDR + 8), w16(b + 6, n);
    s->hlen += n;
    if (!sync_call(s, &p)) {
        fprintf(stderr, "error: TREE_CONNECT %s: status 0x%08x\n", unc, p.status);
        exit(2);
    }
    c->tid = r32(p.m + 36);
}
