/* engine.h - replies taken apart as they come. */
#pragma once
#include "requests.h"
#include "../load/engine.h"

static void on_reply(struct conn *c, uint8_t *m, size_t avail, size_t len)
{
    struct slot *s = take_header(c, m, avail);
    struct reply p = {m, avail, len, 0};

    if (!s)
        return;
    if (!s->busy)
        die("reply to a request that is not in flight");
    p.status = r32(m + 8);
    if (!o_nocheck && !c->opener && avail == len && !signature_ok(c, m, len))
        bad("signature", p.status);
    answered(s, W->reply(s, &p));
}

static void parse_in(struct conn *c)
{
    size_t pos = 0;

    c->need = 0;
    while (c->have - pos >= 4) {
        uint8_t *b = c->in + pos;
        size_t fl = (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        if (fl + 4 > c->cap)
            die("reply longer than the receive buffer");
        if (c->have - pos < fl + 4) {
            if (discard && fl > sizeof c->save && c->have - pos >= sizeof c->save + 4) {
                skip_data(c, b, fl, pos);
                return;
            }
            c->need = fl + 4;
            break;
        }
        if (c->opener) {
            size_t len = fl;
            uint8_t *m = unseal(c, b + 4, &len);
            on_reply(c, m, len, len);
        } else {
            on_reply(c, b + 4, fl, fl);
        }
        pos += fl + 4;
    }
    if (pos && (c->have -= pos))
        memmove(c->in, c->in + pos, c->have);
}
