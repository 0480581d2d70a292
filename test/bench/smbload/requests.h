/* requests.h - the requests of the workloads. */
#pragma once
#include "transport.h"

enum { OPEN = 1, MAKE = 2, OPEN_IF = 3, OVERWRITE_IF = 5 };
#define A_ALL 0x0013019fu       /* read, write, attributes, delete, read control, sync. */
#define OPT_DIR 0x1u
#define OPT_FILE 0x40u
#define OPT_DOC 0x1000u         /* delete on close */

/* The put_ functions build a request; end() or sync_call() sends it. */
static void put_create(struct slot *s, const char *name, uint32_t disp, uint32_t opt)
{
    uint8_t *b = begin(s, CREATE, 56, 57);
    uint32_t n = utf16(b + 56, name);

    w32(b + 4, 2);
    w32(b + 24, opt & OPT_DIR ? 0x001000a1u | (disp == OPEN && !(opt & OPT_DOC) ? 0 : 0x10000u) : A_ALL);
    w32(b + 32, 7);
    w32(b + 36, disp);
    w32(b + 40, opt);
    w16(b + 44, HDR + 56), w16(b + 46, n);
    if (!n)
        b[56] = b[57] = 0, n = 1;
    s->hlen += n;
}
static void enc_create(struct slot *s, const char *name, uint32_t disp, uint32_t opt)
{
    put_create(s, name, disp, opt);
    end(s);
}
static bool create_fid(struct reply *p, uint8_t fid[16])
{
    if (p->len < HDR + 88)
        return false;
    memcpy(fid, p->m + HDR + 64, 16);
    return true;
}
static void put_close(struct slot *s, const uint8_t *fid)
{
    memcpy(begin(s, CLOSE, 24, 24) + 8, fid, 16);
}
static void enc_close(struct slot *s, const uint8_t *fid)
{
    put_close(s, fid);
    end(s);
}
static void enc_flush(struct slot *s, const uint8_t *fid)
{
    uint8_t *b = begin(s, FLUSH, 24, 24);
    memcpy(b + 8, fid, 16);
    end(s);
}
static void enc_write(struct slot *s, const uint8_t *fid, uint64_t pat, bool through)
{
    uint8_t *b = begin(s, WRITE, 48, 49);
    w16(b + 2, HDR + 48), w32(b + 4, s->len), w64(b + 8, s->off);
    memcpy(b + 16, fid, 16);
    w32(b + 44, through);
    s->data = pat_at(pat, s->off);
    s->dlen = s->len;
    charge(s, s->len);
    end(s);
}
static void enc_read(struct slot *s, const uint8_t *fid)
{
    uint8_t *b = begin(s, READ, 49, 49);
    b[2] = HDR + 16;
    w32(b + 4, s->len), w64(b + 8, s->off);
    memcpy(b + 16, fid, 16);
    charge(s, s->len);
    end(s);
}
static void enc_querydir(struct slot *s, const uint8_t *fid, bool restart)
{
    uint8_t *b = begin(s, QUERY_DIRECTORY, 34, 33);
    b[2] = 0x25;                                /* FileIdBothDirectoryInformation */
    b[3] = restart;
    memcpy(b + 8, fid, 16);
    w16(b + 24, HDR + 32), w16(b + 26, 2);
    w32(b + 28, o_dirbytes);
    b[32] = '*';
    charge(s, o_dirbytes);
    end(s);
}
static void enc_rename(struct slot *s, const uint8_t *fid, const char *to)
{
    uint8_t *b = begin(s, SET_INFO, 52, 33);
    uint32_t n = utf16(b + 52, to);
    b[2] = 1, b[3] = 10;                        /* FileRenameInformation */
    w32(b + 4, 20 + n), w16(b + 8, HDR + 32);
    memcpy(b + 16, fid, 16);
    w32(b + 48, n);
    s->hlen += n;
    if (n < 4)
        s->hlen += 4;
    end(s);
}
