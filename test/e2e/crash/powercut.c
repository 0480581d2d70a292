/*
 * powercut - a FUSE file system that passes everything through to a backing directory and remembers what was never synced, so
 * that a power cut can be played: at "cut SEED" on its standard input it makes the backing directory what a disk might hold.
 *
 *   powercut BACKING TRASH MOUNTPOINT [latency=USEC] [ignore=file|dir|all|name:TEXT]
 *
 * The rules are those POSIX gives and no more:
 *  - bytes of a file are durable once fsync or fdatasync of that file returned; of what was written since, each 4 KiB page or
 *    512-byte sector may be new or old, and the size anything between the synced and the current one;
 *  - a truncate that was not synced happened or did not; what it cut off never mixes with what was written after it;
 *  - a create, link, rename, unlink, mkdir or rmdir is durable once the directory it put the name into (or took it from) was
 *    synced; before, it happened or did not, but a rename never half. fsync of a file does not make its name durable.
 * What is undone is drawn from SEED; sometimes in the order of a journal (a prefix survives), sometimes any subset.
 * It prints "ready" when mounted and one line of counts after the cut, then unmounts and ends. End of input: unmounts and ends.
 * "ignore" leaves fsync without effect (for files, directories, both, or files with TEXT in their name): the test of the test.
 */
#define FUSE_USE_VERSION 312
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PAGE = 4096, SECTOR = 512, BUCKETS = 4096 };

struct page {
	uint64_t no;
	char *old; /* its bytes at the last sync; NULL: it lay beyond the end */
};

/* A file with changes that were not synced. */
struct file {
	struct file *next;
	ino_t ino;
	int fd;
	off_t durable; /* size at the last sync */
	off_t shrunk;  /* smallest size since */
	struct page *pages;
	size_t used, cap; /* open addressing, cap a power of two; no == UINT64_MAX: free */
};

struct dir {
	struct dir *next;
	ino_t ino;
	int fd;
};

enum kind { MAKE, MAKEDIR, UNLINK, RMDIR, RENAME };
struct op {
	struct op *older;
	enum kind kind;
	struct dir *d1, *d2;
	struct dir *removed; /* RMDIR */
	char *n1, *n2;
	unsigned long trash; /* link to what the operation took away; 0: nothing */
	mode_t mode;
	bool durable;
};

static const char *backing, *mountpoint, *ignore = "";
static int backing_fd, trash_fd;
static unsigned latency_us = 200;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool dead;
static struct file *files[BUCKETS];
static struct dir *dirs;
static struct op *ops; /* newest first */
static unsigned long trash_serial;
static uint64_t seed = 88172645463325252ULL;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 2685821657736338717ULL >> 16;
}

static uint64_t below(uint64_t n)
{
	return n ? draw() % n : 0;
}

static bool percent(unsigned p)
{
	return below(100) < p;
}

static void *need(void *p)
{
	if (!p) {
		perror("powercut: out of memory");
		_exit(3);
	}
	return p;
}

static const char *rel(const char *path)
{
	return path[1] ? path + 1 : ".";
}

#define ALIVE() do { if (dead) return -EIO; } while (0)
#define RESULT(call) ((call) < 0 ? -errno : 0)

/* ---- unsynced file data ---- */

static struct file **slot_of(ino_t ino)
{
	struct file **at = &files[ino % BUCKETS];
	while (*at && (*at)->ino != ino)
		at = &(*at)->next;
	return at;
}

/* The record of a file about to change; fd is any descriptor of it. */
static struct file *changing(int fd)
{
	struct stat st;
	if (fstat(fd, &st))
		return NULL;
	struct file **at = slot_of(st.st_ino);
	if (*at)
		return *at;
	char self[64];
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	int own = open(self, O_RDWR | O_CLOEXEC);
	if (own < 0)
		return NULL;
	struct file *f = need(calloc(1, sizeof *f));
	f->ino = st.st_ino;
	f->fd = own;
	f->durable = f->shrunk = st.st_size;
	return *at = f;
}

static void forget_file(struct file **at)
{
	struct file *f = *at;
	*at = f->next;
	for (size_t i = 0; i < f->cap; i++)
		if (f->pages[i].no != UINT64_MAX)
			free(f->pages[i].old);
	free(f->pages);
	close(f->fd);
	free(f);
}

static struct page *page_slot(struct file *f, uint64_t no)
{
	size_t i = (no * 0x9E3779B97F4A7C15ULL >> 20) & (f->cap - 1);
	while (f->pages[i].no != UINT64_MAX && f->pages[i].no != no)
		i = (i + 1) & (f->cap - 1);
	return &f->pages[i];
}

static void grow(struct file *f)
{
	struct page *old = f->pages;
	size_t n = f->cap;
	f->cap = n ? n * 2 : 64;
	f->pages = need(malloc(f->cap * sizeof *f->pages));
	for (size_t i = 0; i < f->cap; i++)
		f->pages[i].no = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		if (old[i].no != UINT64_MAX)
			*page_slot(f, old[i].no) = old[i];
	free(old);
}

/* Keeps what [from, to) held at the last sync, before it changes. */
static void keep_old(struct file *f, off_t from, off_t to)
{
	for (uint64_t no = from / PAGE; (off_t)(no * PAGE) < to; no++) {
		if (f->used * 2 >= f->cap)
			grow(f);
		struct page *p = page_slot(f, no);
		if (p->no == no)
			continue;
		p->no = no;
		p->old = NULL;
		f->used++;
		if ((off_t)(no * PAGE) < f->durable) {
			p->old = need(calloc(1, PAGE));
			if (pread(f->fd, p->old, PAGE, no * PAGE) < 0)
				perror("powercut: reading an old page");
		}
	}
}

static int truncate_file(struct file *f, off_t size)
{
	struct stat st;
	if (!f || fstat(f->fd, &st))
		return -errno;
	if (size < st.st_size) {
		off_t end = st.st_size < f->durable ? st.st_size : f->durable;
		if (size < end)
			keep_old(f, size, end);
		if (size < f->shrunk)
			f->shrunk = size;
	}
	return RESULT(ftruncate(f->fd, size));
}

/* ---- unsynced names ---- */

static struct dir *dir_by_fd(int fd)
{
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		return NULL;
	for (struct dir *d = dirs; d; d = d->next) {
		if (d->ino == st.st_ino) {
			close(fd);
			return d;
		}
	}
	struct dir *d = need(calloc(1, sizeof *d));
	d->ino = st.st_ino;
	d->fd = fd;
	d->next = dirs;
	return dirs = d;
}

/* The directory a path lies in, and its last component. */
static struct dir *parent(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	*name = slash + 1;
	char *up = need(strndup(path, slash - path));
	int fd = openat(backing_fd, up[0] ? up + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(up);
	return dir_by_fd(fd);
}

static unsigned long put_aside(struct dir *d, const char *name)
{
	char to[32];
	snprintf(to, sizeof to, "%lu", ++trash_serial);
	return linkat(d->fd, name, trash_fd, to, 0) ? 0 : trash_serial;
}

/* A new object belongs to who made it, not to us. */
static void own(struct dir *d, const char *name)
{
	struct fuse_context *who = fuse_get_context();
	if (who->uid && fchownat(d->fd, name, who->uid, who->gid, AT_SYMLINK_NOFOLLOW))
		perror("powercut: chown");
}

static void record(enum kind kind, struct dir *d1, const char *n1, struct dir *d2, const char *n2, unsigned long trash, mode_t mode)
{
	struct op *op = need(calloc(1, sizeof *op));
	*op = (struct op){ .older = ops, .kind = kind, .d1 = d1, .d2 = d2, .n1 = need(strdup(n1)), .n2 = n2 ? need(strdup(n2)) : NULL, .trash = trash, .mode = mode };
	ops = op;
}

static void free_op(struct op *op)
{
	char name[32];
	if (op->trash) {
		snprintf(name, sizeof name, "%lu", op->trash);
		unlinkat(trash_fd, name, 0);
	}
	free(op->n1);
	free(op->n2);
	free(op);
}

/* Durable operations older than every one that is not have nothing left to decide. */
static void prune(void)
{
	struct op **keep = &ops;
	for (struct op **at = &ops; *at; at = &(*at)->older)
		if (!(*at)->durable)
			keep = &(*at)->older;
	struct op *gone = *keep;
	*keep = NULL;
	while (gone) {
		struct op *older = gone->older;
		free_op(gone);
		gone = older;
	}
}

static void dir_synced(struct dir *d)
{
	for (struct op *op = ops; op; op = op->older)
		if ((op->d2 ? op->d2 : op->d1) == d)
			op->durable = true;
	prune();
}

/* ---- the cut ---- */

static unsigned long sectors_lost, files_torn, names_undone, names_kept;

/* Puts one sector back to what it was; what lay beyond a truncate becomes zeros. */
static void lose_sector(struct file *f, const struct page *p, int sector, off_t cut)
{
	static const char zeros[SECTOR];
	off_t at = p->no * PAGE + sector * SECTOR;
	char bytes[SECTOR];
	memcpy(bytes, p->old ? p->old + sector * SECTOR : zeros, SECTOR);
	if (at + SECTOR > cut)
		memset(bytes + (at < cut ? cut - at : 0), 0, at < cut ? at + SECTOR - cut : SECTOR);
	if (pwrite(f->fd, bytes, SECTOR, at) != SECTOR)
		perror("powercut: losing a sector");
	sectors_lost++;
}

static void tear(struct file *f)
{
	struct stat st;
	if (fstat(f->fd, &st))
		return;
	files_torn++;
	unsigned how = below(100), keep = below(101);
	bool nothing = how < 20, all = how >= 20 && how < 40, sectors = how >= 60 && how < 80, prefix = how >= 80;
	if (f->shrunk < f->durable && percent(30))
		nothing = true, all = sectors = prefix = false;
	off_t cut = nothing ? INT64_MAX : f->shrunk < f->durable ? f->shrunk : INT64_MAX;
	uint64_t limit = below(st.st_size / PAGE + 1);
	for (size_t i = 0; i < f->cap && !all; i++) {
		struct page *p = &f->pages[i];
		if (p->no == UINT64_MAX)
			continue;
		bool lost = nothing || (prefix ? p->no >= limit : !percent(keep));
		for (int s = 0; s < PAGE / SECTOR; s++)
			if (sectors ? !percent(keep) : lost)
				lose_sector(f, p, s, cut);
	}
	off_t low = f->shrunk < f->durable ? f->shrunk : f->durable, size = st.st_size;
	if (nothing)
		size = f->durable;
	else if (!all && size > low && percent(66))
		size = percent(50) ? low : low + (off_t)below(size - low + 1) / SECTOR * SECTOR;
	if (ftruncate(f->fd, size))
		perror("powercut: setting a size");
}

struct pin {
	struct pin *next;
	ino_t dir;
	const char *name;
};
static struct pin *pins;

static bool pinned(struct dir *d, const char *name)
{
	for (struct pin *p = pins; p; p = p->next)
		if (d && p->dir == d->ino && !strcmp(p->name, name))
			return true;
	return false;
}

static void pin(struct dir *d, const char *name)
{
	if (!d)
		return;
	struct pin *p = need(malloc(sizeof *p));
	*p = (struct pin){ pins, d->ino, name };
	pins = p;
}

static void bring_back(const struct op *op, struct dir *d, const char *name)
{
	char from[32];
	snprintf(from, sizeof from, "%lu", op->trash);
	if (op->trash && linkat(trash_fd, from, d->fd, name, 0))
		perror("powercut: bringing a file back");
}

/* Removed for good: what was done in it is of no interest any more. */
static bool gone(const struct dir *d)
{
	struct stat st;
	return d && (fstat(d->fd, &st) || st.st_nlink == 0);
}

static void undo(const struct op *op)
{
	char aside[48];
	int rc = 0;
	switch (op->kind) {
	case MAKE:
		rc = unlinkat(op->d1->fd, op->n1, 0);
		break;
	case MAKEDIR:
		snprintf(aside, sizeof aside, "dir%lu", ++trash_serial);
		rc = renameat(op->d1->fd, op->n1, trash_fd, aside);
		break;
	case UNLINK:
		bring_back(op, op->d1, op->n1);
		break;
	case RMDIR: /* a new directory takes the place of the old one in what is undone next */
		rc = mkdirat(op->d1->fd, op->n1, op->mode);
		if (op->removed) {
			close(op->removed->fd);
			op->removed->fd = openat(op->d1->fd, op->n1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
		break;
	case RENAME:
		rc = renameat(op->d2->fd, op->n2, op->d1->fd, op->n1);
		bring_back(op, op->d2, op->n2);
		break;
	}
	if (rc)
		fprintf(stderr, "powercut: undoing an operation on %s: %s\n", op->n1, strerror(errno));
	names_undone++;
}

static void cut(void)
{
	for (int i = 0; i < BUCKETS; i++)
		for (struct file *f = files[i]; f; f = f->next)
			tear(f);
	unsigned long open = 0;
	for (struct op *op = ops; op; op = op->older)
		open += !op->durable;
	bool journal = percent(50);
	unsigned long undone_max = below(open + 1), keep = below(101);
	for (struct op *op = ops; op; op = op->older) {
		bool lose = !op->durable && !pinned(op->d1, op->n1) && !(op->n2 && pinned(op->d2, op->n2));
		if (lose && !gone(op->d1) && !gone(op->d2) && (journal ? names_undone < undone_max : !percent(keep))) {
			undo(op);
			continue;
		}
		names_kept += !op->durable;
		pin(op->d1, op->n1);
		if (op->n2)
			pin(op->d2, op->n2);
	}
}

static void *control(void *arg)
{
	(void)arg;
	char line[128];
	while (fgets(line, sizeof line, stdin)) {
		unsigned long long number;
		if (sscanf(line, "cut %llu", &number) != 1)
			continue;
		pthread_mutex_lock(&lock);
		dead = true;
		seed = number * 0x9E3779B97F4A7C15ULL + 1;
		for (int i = 0; i < 8; i++)
			draw();
		cut();
		printf("cut: %lu files torn, %lu sectors lost, %lu names undone, %lu unsynced names kept\n", files_torn, sectors_lost, names_undone, names_kept);
		fflush(stdout);
		break;
	}
	umount2(mountpoint, MNT_DETACH);
	_exit(0);
}

/* ---- the file system ---- */

static int fd_of(struct fuse_file_info *fi)
{
	return (int)fi->fh;
}

static int do_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	ALIVE();
	return RESULT(fi ? fstat(fd_of(fi), st) : fstatat(backing_fd, rel(path), st, AT_SYMLINK_NOFOLLOW));
}

static int do_readlink(const char *path, char *buf, size_t size)
{
	ssize_t n = readlinkat(backing_fd, rel(path), buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	return 0;
}

static int do_mkdir(const char *path, mode_t mode)
{
	const char *name;
	pthread_mutex_lock(&lock);
	struct dir *d = parent(path, &name);
	int rc = dead || !d ? -EIO : RESULT(mkdirat(d->fd, name, mode));
	if (!rc) {
		own(d, name);
		record(MAKEDIR, d, name, NULL, NULL, 0, mode);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int do_symlink(const char *target, const char *path)
{
	const char *name;
	pthread_mutex_lock(&lock);
	struct dir *d = parent(path, &name);
	int rc = dead || !d ? -EIO : RESULT(symlinkat(target, d->fd, name));
	if (!rc) {
		own(d, name);
		record(MAKE, d, name, NULL, NULL, 0, 0);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int do_link(const char *from, const char *path)
{
	const char *name;
	pthread_mutex_lock(&lock);
	struct dir *d = parent(path, &name);
	int rc = dead || !d ? -EIO : RESULT(linkat(backing_fd, rel(from), d->fd, name, 0));
	if (!rc)
		record(MAKE, d, name, NULL, NULL, 0, 0);
	pthread_mutex_unlock(&lock);
	return rc;
}

static int do_unlink(const char *path)
{
	const char *name;
	pthread_mutex_lock(&lock);
	struct dir *d = parent(path, &name);
	int rc = dead || !d ? -EIO : 0;
	if (!rc) {
		unsigned long trash = put_aside(d, name);
		rc = RESULT(unlinkat(d->fd, name, 0));
		if (!rc)
			record(UNLINK, d, name, NULL, NULL, trash, 0);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int do_rmdir(const char *path)
{
	const char *name;
	struct stat st = { 0 };
	pthread_mutex_lock(&lock);
	struct dir *d = parent(path, &name);
	struct dir *removed = NULL;
	if (d && !fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		removed = dir_by_fd(openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int rc = dead || !d ? -EIO : RESULT(unlinkat(d->fd, name, AT_REMOVEDIR));
	if (!rc) {
		record(RMDIR, d, name, NULL, NULL, 0, st.st_mode & 07777);
		ops->removed = removed;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int do_rename(const char *from, const char *to, unsigned flags)
{
	const char *n1, *n2;
	if (flags & ~RENAME_NOREPLACE)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	struct dir *d1 = parent(from, &n1), *d2 = parent(to, &n2);
	int rc = dead || !d1 || !d2 ? -EIO : 0;
	if (!rc) {
		unsigned long trash = flags ? 0 : put_aside(d2, n2);
		rc = RESULT(renameat2(d1->fd, n1, d2->fd, n2, flags));
		if (!rc)
			record(RENAME, d1, n1, d2, n2, trash, 0);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int do_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	return RESULT(fi ? fchmod(fd_of(fi), mode) : fchmodat(backing_fd, rel(path), mode, 0));
}

static int do_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	return RESULT(fi ? fchown(fd_of(fi), uid, gid) : fchownat(backing_fd, rel(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int do_utimens(const char *path, const struct timespec tv[2], struct fuse_file_info *fi)
{
	return RESULT(fi ? futimens(fd_of(fi), tv) : utimensat(backing_fd, rel(path), tv, AT_SYMLINK_NOFOLLOW));
}

static int do_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	int fd = fi ? fd_of(fi) : openat(backing_fd, rel(path), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	pthread_mutex_lock(&lock);
	int rc = dead ? -EIO : truncate_file(changing(fd), size);
	pthread_mutex_unlock(&lock);
	if (!fi)
		close(fd);
	return rc;
}

static int do_open(const char *path, struct fuse_file_info *fi)
{
	ALIVE();
	int fd = openat(backing_fd, rel(path), (fi->flags & ~(O_TRUNC | O_CREAT | O_EXCL | O_APPEND | O_DIRECT | O_SYNC | O_DSYNC)) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fi->fh = fd;
	return fi->flags & O_TRUNC ? do_truncate(path, 0, fi) : 0;
}

static int do_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	const char *name;
	pthread_mutex_lock(&lock);
	struct dir *d = parent(path, &name);
	int fd = -1, rc = dead || !d ? -EIO : 0;
	if (!rc) {
		fd = openat(d->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		rc = fd < 0 ? -errno : 0;
	}
	if (!rc) {
		own(d, name);
		record(MAKE, d, name, NULL, NULL, 0, 0);
		fi->fh = fd;
	}
	pthread_mutex_unlock(&lock);
	return rc == -EEXIST && !(fi->flags & O_EXCL) ? do_open(path, fi) : rc;
}

static int do_read(const char *path, char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)path;
	ALIVE();
	ssize_t n = pread(fd_of(fi), buf, size, off);
	return n < 0 ? -errno : (int)n;
}

static int do_write(const char *path, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)path;
	pthread_mutex_lock(&lock);
	struct file *f = dead ? NULL : changing(fd_of(fi));
	ssize_t n = -1;
	errno = EIO;
	if (f) {
		keep_old(f, off, off + size);
		n = pwrite(fd_of(fi), buf, size, off);
	}
	int rc = n < 0 ? -errno : (int)n;
	pthread_mutex_unlock(&lock);
	return rc;
}

static int do_fallocate(const char *path, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
	(void)path;
	bool zeroes = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	pthread_mutex_lock(&lock);
	struct file *f = dead ? NULL : changing(fd_of(fi));
	struct stat st;
	int rc = f && !fstat(f->fd, &st) ? 0 : -EIO;
	if (!rc) {
		if (zeroes)
			keep_old(f, off, off + len < st.st_size ? off + len : st.st_size);
		rc = RESULT(fallocate(fd_of(fi), mode, off, len));
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static bool ignored(int fd)
{
	if (!strncmp(ignore, "name:", 5)) {
		char self[64], name[PATH_MAX + 1];
		snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(self, name, PATH_MAX);
		name[n < 0 ? 0 : n] = 0;
		return strstr(name, ignore + 5);
	}
	return !strcmp(ignore, "file") || !strcmp(ignore, "all");
}

/* A sync takes its time, before or after the moment that counts. */
static void take_time(bool before)
{
	static _Thread_local unsigned phase;
	if (latency_us && (phase++ & 1) == before)
		usleep(latency_us);
}

static int do_fsync(const char *path, int datasync, struct fuse_file_info *fi)
{
	(void)path;
	(void)datasync;
	struct stat st;
	ALIVE();
	take_time(true);
	pthread_mutex_lock(&lock);
	int rc = dead ? -EIO : RESULT(fstat(fd_of(fi), &st));
	if (!rc && !ignored(fd_of(fi))) {
		struct file **at = slot_of(st.st_ino);
		if (*at)
			forget_file(at);
	}
	pthread_mutex_unlock(&lock);
	take_time(false);
	return rc;
}

static int do_opendir(const char *path, struct fuse_file_info *fi)
{
	ALIVE();
	int fd = openat(backing_fd, rel(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fi->fh = fd;
	return fd < 0 ? -errno : 0;
}

static int do_fsyncdir(const char *path, int datasync, struct fuse_file_info *fi)
{
	(void)path;
	(void)datasync;
	take_time(true);
	pthread_mutex_lock(&lock);
	struct dir *d = dir_by_fd(dup(fd_of(fi)));
	if (!dead && d && strcmp(ignore, "dir") && strcmp(ignore, "all"))
		dir_synced(d);
	pthread_mutex_unlock(&lock);
	take_time(false);
	return dead ? -EIO : 0;
}

static int do_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t off, struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	(void)path;
	(void)off;
	(void)flags;
	DIR *d = fdopendir(openat(fd_of(fi), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!d)
		return -errno;
	for (struct dirent *e; (e = readdir(d));) {
		struct stat st = { .st_ino = e->d_ino, .st_mode = e->d_type << 12 };
		fill(buf, e->d_name, &st, 0, 0);
	}
	closedir(d);
	return 0;
}

static int do_release(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	close(fd_of(fi));
	return 0;
}

static int do_statfs(const char *path, struct statvfs *st)
{
	(void)path;
	return RESULT(fstatvfs(backing_fd, st));
}

static off_t do_lseek(const char *path, off_t off, int whence, struct fuse_file_info *fi)
{
	(void)path;
	off_t at = lseek(fd_of(fi), off, whence);
	return at < 0 ? -errno : at;
}

static void *do_init(struct fuse_conn_info *conn, struct fuse_config *cfg)
{
	(void)conn;
	cfg->use_ino = cfg->nullpath_ok = cfg->hard_remove = cfg->kernel_cache = 1;
	pthread_t thread;
	pthread_create(&thread, NULL, control, NULL);
	puts("ready");
	fflush(stdout);
	return NULL;
}

static const struct fuse_operations operations = {
	.init = do_init, .getattr = do_getattr, .readlink = do_readlink, .mkdir = do_mkdir, .symlink = do_symlink, .link = do_link,
	.unlink = do_unlink, .rmdir = do_rmdir, .rename = do_rename, .chmod = do_chmod, .chown = do_chown, .utimens = do_utimens,
	.truncate = do_truncate, .open = do_open, .create = do_create, .read = do_read, .write = do_write, .fallocate = do_fallocate,
	.fsync = do_fsync, .opendir = do_opendir, .fsyncdir = do_fsyncdir, .readdir = do_readdir, .release = do_release,
	.releasedir = do_release, .statfs = do_statfs, .lseek = do_lseek,
};

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: powercut BACKING TRASH MOUNTPOINT [latency=USEC] [ignore=file|dir|all|name:TEXT]\n");
		return 2;
	}
	backing = argv[1];
	mountpoint = realpath(argv[3], NULL);
	if (!mountpoint) {
		perror(argv[3]);
		return 1;
	}
	for (int i = 4; i < argc; i++) {
		if (!strncmp(argv[i], "latency=", 8))
			latency_us = atoi(argv[i] + 8);
		else if (!strncmp(argv[i], "ignore=", 7))
			ignore = argv[i] + 7;
	}
	struct rlimit files_max = { 65536, 65536 };
	setrlimit(RLIMIT_NOFILE, &files_max);
	umask(0);
	backing_fd = open(backing, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	trash_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (backing_fd < 0 || trash_fd < 0) {
		perror("powercut");
		return 1;
	}
	char *argv_fuse[] = { argv[0], "-o", "fsname=powercut,default_permissions,allow_other", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv_fuse);
	struct fuse *fuse = fuse_new(&args, &operations, sizeof operations, NULL);
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	if (!fuse || !config || fuse_mount(fuse, mountpoint))
		return 1;
	fuse_loop_cfg_set_max_threads(config, 8);
	fuse_loop_mt(fuse, config);
	fuse_unmount(fuse);
	return 0;
}
