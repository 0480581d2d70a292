/* nfsload: replies taken apart as they come. */
#include "../load/engine.h"

static void bad(const char *what, uint32_t st)
{
    if (R->errors++ < 3)
        fprintf(stderr, "%s: %s status %u\n", W->name, what, st);
}

static void on_reply(struct conn *c, uint8_t *p, size_t avail, size_t reclen)
{
    struct reply x = {p, p + avail, false, reclen, p};
    uint32_t xid = g32(&x);
    struct slot *s = &c->sl[xid & (MAXQ - 1)];
    int r = DONE;

    if (x.bad || !s->busy || s->xid != xid)
        die("reply with an unknown xid");
    if (!rpc_ok(&x))
        bad("RPC", 0);
    else
        r = W->reply(s, &x);
    if (x.bad)
        bad("short or malformed reply", 0);
    answered(s, r);
}

static void parse_in(struct conn *c)
{
    size_t pos = 0;

    c->need = 0;
    while (c->have - pos >= 4) {
        uint8_t *b = c->in + pos;
        size_t off = 0, out = 0, fl;
        uint32_t m;
        bool last = false, whole = true;

        memcpy(&m, b, 4);
        m = ntohl(m);
        fl = m & 0x7fffffff;
        if (fl + 4 > c->cap)
            die("reply longer than the receive buffer");
        if (discard && (m >> 31) && c->have - pos < fl + 4) {
            if (fl <= sizeof c->save || c->have - pos < sizeof c->save + 4)
                break;
            skip_data(c, b, fl, pos);
            return;
        }
        while (!last) {                         /* all fragments here? */
            if (c->have - pos - off < 4) {
                whole = false;
                break;
            }
            memcpy(&m, b + off, 4);
            m = ntohl(m);
            last = m >> 31;
            fl = m & 0x7fffffff;
            if (c->have - pos - off - 4 < fl) {
                c->need = off + 4 + fl;
                whole = false;
                break;
            }
            off += 4 + fl;
        }
        if (!whole) {
            if (!pos && c->have == c->cap)
                die("reply longer than the receive buffer");
            break;
        }
        for (size_t o = 0; o < off; o += 4 + fl) {      /* join them */
            memcpy(&m, b + o, 4);
            fl = ntohl(m) & 0x7fffffff;
            if (o != out)
                memmove(b + 4 + out, b + o + 4, fl);
            out += fl;
        }
        on_reply(c, b + 4, out, out);
        pos += off;
    }
    if (pos && (c->have -= pos))
        memmove(c->in, c->in + pos, c->have);
}
