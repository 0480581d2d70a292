/* delayproxy - a TCP proxy that holds back the first byte of each answer.
 *
 * A store far away, on a machine that has none: what a client sends goes on at
 * once, the answer to it begins delay microseconds after the server began it,
 * and what follows goes on at once. So each request takes that much longer,
 * and no byte of a body is any slower. Bytes are spliced, never copied here;
 * one thread. A request begins with the first byte from the client after
 * bytes of an answer; its method is counted.
 *
 * gcc -O2 -Wall -Wextra -o delayproxy delayproxy.c
 * usage: delayproxy port target-port delay-us
 * A line on stdin is answered with a line of counts; the end of stdin ends it.
 */
#define _GNU_SOURCE
#include "benchutil.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define PIPE_BYTES (1 << 20)
#define ROUNDS_MAX 16           /* pieces of one direction before others get their turn */
enum { IDLE, ASKED, HELD, ANSWERING };
enum { METHODS = 5 };
static const char *const methods[METHODS] = {"PUT ", "GET ", "HEAD", "POST", "DELE"};
static const char *const names[METHODS] = {"put", "get", "head", "post", "delete"};

struct flow {                   /* one direction: socket, pipe, socket */
    int from, to, in, out;
    size_t held;                /* bytes in the pipe */
    bool ended, shut;
};
struct pair {
    struct flow up, down;
    int state;
    bool again, gone;
    uint64_t due;
    struct pair *next_due, *next_again, *next_gone;
};

static int ep, timer_fd;
static uint64_t delay_ns, counts[METHODS], bytes_up, bytes_down;
static struct pair *due_first, *due_last, *again_first, *gone_first;

static void pump(struct pair *p);

static void set_timer(void)
{
    struct itimerspec t = {0};
    if (due_first) {
        t.it_value.tv_sec = (time_t)(due_first->due / 1000000000u);
        t.it_value.tv_nsec = (long)(due_first->due % 1000000000u);
    }
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

/* All are held for the same time, so those due first stand first. */
static void hold(struct pair *p)
{
    p->state = HELD;
    p->due = now_ns() + delay_ns;
    p->next_due = NULL;
    if (due_last)
        due_last->next_due = p;
    else
        due_first = p;
    due_last = p;
    if (due_first == p)
        set_timer();
}

static void release_due(void)
{
    uint64_t n, now = now_ns();
    if (read(timer_fd, &n, sizeof n) < 0 && errno != EAGAIN)
        die("timer");
    while (due_first && due_first->due <= now) {
        struct pair *p = due_first;
        if (!(due_first = p->next_due))
            due_last = NULL;
        p->state = ANSWERING;
        p->due = 0;
        pump(p);
    }
    set_timer();
}

static void leave(struct pair *p)
{
    if (p->gone)
        return;
    p->gone = true;
    close(p->up.from), close(p->up.to);
    close(p->up.in), close(p->up.out), close(p->down.in), close(p->down.out);
    p->next_gone = gone_first;
    gone_first = p;
}

/* Freed only when no event of this turn, no timer and no turn to come speaks of them. */
static void free_gone(void)
{
    struct pair **at = &gone_first;
    while (*at) {
        struct pair *p = *at;
        if (p->again || p->due) {
            at = &p->next_gone;
            continue;
        }
        *at = p->next_gone;
        free(p);
    }
}

static void request_begins(struct pair *p)
{
    char first[4];
    if (recv(p->up.from, first, sizeof first, MSG_PEEK) != sizeof first)
        return;
    p->state = ASKED;
    for (int i = 0; i < METHODS; i++)
        if (!memcmp(first, methods[i], 4))
            counts[i]++;
}

/* Moves what there is. False: broken. */
static bool move(struct pair *p, struct flow *f, uint64_t *bytes)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        ssize_t n = 0;
        if (f == &p->down && (p->state == ASKED || p->state == HELD)) {
            char byte;
            if (p->state == HELD)
                return true;
            ssize_t begun = recv(f->from, &byte, 1, MSG_PEEK);
            if (begun < 0 && errno == EAGAIN)
                return true;
            if (begun == 1 && delay_ns) {
                hold(p);
                return true;
            }
            p->state = ANSWERING;
        }
        if (f == &p->up && !f->held && p->state != ASKED && p->state != HELD)
            request_begins(p);
        if (!f->ended && !f->held) {
            n = splice(f->from, NULL, f->in, NULL, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (n < 0 && errno != EAGAIN)
                return false;
            if (n == 0)
                f->ended = true;
            if (n > 0)
                f->held += (size_t)n, *bytes += (uint64_t)n;
        }
        if (!f->held) {
            if (f->ended && !f->shut) {
                f->shut = true;
                shutdown(f->to, SHUT_WR);
            }
            return true;
        }
        n = splice(f->out, NULL, f->to, NULL, f->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0)
            return errno == EAGAIN;
        f->held -= (size_t)n;
    }
    if (!p->again) {
        p->again = true;
        p->next_again = again_first;
        again_first = p;
    }
    return true;
}

static void pump(struct pair *p)
{
    if (p->gone)
        return;
    if (!move(p, &p->up, &bytes_up) || !move(p, &p->down, &bytes_down) || (p->up.shut && p->down.shut))
        leave(p);
}

static struct sockaddr_in local(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void flow_init(struct flow *f, int from, int to)
{
    int fd[2];
    if (pipe2(fd, O_NONBLOCK | O_CLOEXEC))
        die("pipe");
    fcntl(fd[1], F_SETPIPE_SZ, PIPE_BYTES);
    *f = (struct flow){.from = from, .to = to, .in = fd[1], .out = fd[0]};
}

static void accept_one(int listener, int target)
{
    int on = 1, client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct sockaddr_in a = local(target);
    if (client < 0)
        return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(server, (struct sockaddr *)&a, sizeof a)) {
        close(client), close(server);
        return;
    }
    fcntl(server, F_SETFL, O_NONBLOCK);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct pair *p = xalloc(sizeof *p);
    flow_init(&p->up, client, server);
    flow_init(&p->down, server, client);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = p};
    epoll_ctl(ep, EPOLL_CTL_ADD, client, &e);
    epoll_ctl(ep, EPOLL_CTL_ADD, server, &e);
}

static void answer_stdin(void)
{
    char line[256];
    ssize_t n = read(0, line, sizeof line);
    if (n <= 0)
        exit(0);
    printf("{");
    for (int i = 0; i < METHODS; i++)
        printf("\"%s\":%llu,", names[i], (unsigned long long)counts[i]);
    printf("\"up\":%llu,\"down\":%llu}\n", (unsigned long long)bytes_up, (unsigned long long)bytes_down);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static int listener_tag, timer_tag, stdin_tag;
    struct epoll_event ev[64];
    int on = 1;

    if (argc != 4)
        die("usage: delayproxy port target-port delay-us");
    signal(SIGPIPE, SIG_IGN);
    delay_ns = strtoull(argv[3], NULL, 10) * 1000;
    int target = atoi(argv[2]), listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = local(atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 1024))
        die("the port is taken");
    ep = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct { int fd; void *tag; } own[] = {{listener, &listener_tag}, {timer_fd, &timer_tag}, {0, &stdin_tag}};
    for (int i = 0; i < 3; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = own[i].tag};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, own[i].fd, &e))
            die("epoll");
    }
    for (;;) {
        int k = epoll_wait(ep, ev, 64, again_first ? 0 : -1);
        if (k < 0 && errno != EINTR)
            die("epoll_wait");
        struct pair *again = again_first;
        again_first = NULL;
        while (again) {
            struct pair *p = again;
            again = p->next_again;
            p->again = false;
            pump(p);
        }
        for (int i = 0; i < k; i++) {
            void *tag = ev[i].data.ptr;
            if (tag == &listener_tag)
                accept_one(listener, target);
            else if (tag == &timer_tag)
                release_due();
            else if (tag == &stdin_tag)
                answer_stdin();
            else
                pump(tag);
        }
        free_gone();
    }
}
