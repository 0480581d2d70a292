/* transport.h - requests numbered, signed or sealed, and sent as the credits allow; replies checked. */
#pragma once
#include "crypto.h"
#include "../load/sockets.h"

/* Start a request with a body of n bytes (zeroed); returns the body. */
static uint8_t *begin(struct slot *s, int cmd, uint32_t n, uint32_t ssz)
{
    uint8_t *h = s->b + 4;
    memset(h, 0, HDR + n);
    memcpy(h, "\xfeSMB", 4);
    w16(h + 4, 64);
    w16(h + 12, (uint32_t)cmd);
    w32(h + 36, s->c->tid);
    w64(h + 40, s->c->sid);
    w16(h + HDR, ssz);
    s->hlen = HDR + n;
    s->dlen = 0;
    s->charge = 1;
    return h + HDR;
}

/* Charge for a payload of n bytes sent or asked for. */
static void charge(struct slot *s, uint32_t n)
{
    if (large_mtu && n > 65536)
        s->charge = (n - 1) / 65536 + 1;
}

/* Number, sign and queue what the credits allow. */
static void pump(struct conn *c)
{
    while (c->pqh != c->pqt) {
        struct slot *s = &c->sl[c->pq[c->pqh % MAXQ]];
        uint8_t *h = s->b + 4;
        uint32_t l = s->hlen + s->dlen;
        if ((int)s->charge > c->credits)
            break;
        c->pqh++;
        c->credits -= (int)s->charge;
        s->mid = c->mid;
        c->mid += s->charge;
        c->midmap[s->mid % MIDS] = (uint16_t)s->idx;
        if (large_mtu)
            w16(h + 6, s->charge);
        w16(h + 14, s->charge + (c->credits < CREDITS ? 32 : 0));
        w64(h + 24, s->mid);
        s->b[0] = 0, s->b[1] = (uint8_t)(l >> 16), s->b[2] = (uint8_t)(l >> 8), s->b[3] = (uint8_t)l;
        if (c->sealer) {
            seal(s);
        } else if (c->signing) {
            uint8_t sig[16];
            w32(h + 16, F_SIGNED);
            sign(c, h, s->hlen, s->data, s->dlen, 0, sig);
            memcpy(h + 48, sig, 16);
        }
        c->sq[c->sqt++ % MAXQ] = (uint16_t)s->idx;
    }
}

static void end(struct slot *s)
{
    s->c->pq[s->c->pqt++ % MAXQ] = (uint16_t)s->idx;
    pump(s->c);
}

static void request_parts(const struct slot *s, struct iovec part[2])
{
    bool sealed = s->c->sealer;
    part[0] = sealed ? (struct iovec){s->sealed, s->sealed_len} : (struct iovec){(void *)s->b, s->hlen + 4};
    part[1] = (struct iovec){(void *)s->data, sealed ? 0 : s->dlen};
}

static void bad(const char *what, uint32_t st)
{
    if (R->errors++ < 3)
        fprintf(stderr, "%s: %s status 0x%08x\n", W->name, what, st);
}

/* Check a reply's signature; m is a whole message and is changed. */
static bool signature_ok(struct conn *c, uint8_t *m, size_t n)
{
    uint8_t got[16], want[16];
    if (!(r32(m + 16) & F_SIGNED))
        return false;
    memcpy(got, m + 48, 16);
    memset(m + 48, 0, 16);
    sign(c, m, n, NULL, 0, 1, want);
    return !memcmp(got, want, 16);
}

/* Credits and the message id; NULL for an interim reply. */
static struct slot *take_header(struct conn *c, const uint8_t *m, size_t avail)
{
    struct slot *s;
    if (avail < HDR || memcmp(m, "\xfeSMB", 4))
        die("not an SMB2 message");
    c->credits += (int)r16(m + 14);
    if (r32(m + 8) == ST_PENDING && r32(m + 16) & F_ASYNC) {
        pump(c);
        return NULL;
    }
    s = &c->sl[c->midmap[r64(m + 24) % MIDS]];
    if (s->mid != r64(m + 24))
        die("reply with an unknown message id");
    pump(c);
    return s;
}

static bool sync_call(struct slot *s, struct reply *p)
{
    struct conn *c = s->c;

    end(s);
    send_all(c);
    for (int tries = 0; tries < 1000; tries++) {
        read_all(c->fd, c->in, 4);
        size_t len = (size_t)c->in[1] << 16 | (size_t)c->in[2] << 8 | c->in[3];
        if (len + 4 > c->cap)
            die("reply too long");
        read_all(c->fd, c->in + 4, len);
        uint8_t *m = c->opener ? unseal(c, c->in + 4, &len) : c->in + 4;
        if (!take_header(c, m, len))
            continue;
        *p = (struct reply){m, len, len, r32(m + 8)};
        if (c->signing && !c->opener && !o_nocheck && !signature_ok(c, m, len))
            die("bad signature in a reply during set-up");
        return p->status == 0;
    }
    die("only interim replies");
    return false;
}
