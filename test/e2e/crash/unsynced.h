/* What powercut.c and unsynced.c share. All of it is used under one lock. */
#ifndef UNSYNCED_H
#define UNSYNCED_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct dir {
	struct dir *next;
	ino_t ino;
	int fd;
};

enum kind { MAKE, MAKEDIR, UNLINK, RMDIR, RENAME };

extern int backing_fd, trash_fd;

#define RESULT(call) ((call) < 0 ? -errno : 0)

void *need(void *p);

/* Before the bytes [from, to) of a file change; fd is any descriptor of it. */
int will_change(int fd, off_t from, off_t to);
int truncate_file(int fd, off_t size);
void file_synced(ino_t ino);

struct dir *dir_by_fd(int fd);
struct dir *parent(const char *path, const char **name);
unsigned long put_aside(struct dir *d, const char *name);
void record(enum kind kind, struct dir *d1, const char *n1, struct dir *d2, const char *n2, unsigned long trash);
void record_rmdir(struct dir *d, const char *name, struct dir *removed, mode_t mode);
void dir_synced(struct dir *d);

/* Makes the backing directory what a disk might hold, drawn from the number, and prints what was lost. */
void cut(uint64_t number);
#endif
