/* What was never synced: the bytes and names a power cut may take. powercut.c says by which rules. */
#include "unsynced.h"

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

int backing_fd, trash_fd;
static struct file *files[BUCKETS];
static struct dir *dirs;
static struct op *ops; /* newest first */
static unsigned long trash_serial;
static uint64_t seed;

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

void *need(void *p)
{
	if (!p) {
		perror("powercut: out of memory");
		_exit(3);
	}
	return p;
}

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

int will_change(int fd, off_t from, off_t to)
{
	struct file *f = changing(fd);
	if (!f)
		return -EIO;
	keep_old(f, from, to);
	return 0;
}

void file_synced(ino_t ino)
{
	struct file **at = slot_of(ino);
	if (*at)
		forget_file(at);
}

int truncate_file(int fd, off_t size)
{
	struct file *f = changing(fd);
	struct stat st;
	if (!f || fstat(f->fd, &st))
		return -EIO;
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

struct dir *dir_by_fd(int fd)
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
struct dir *parent(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	*name = slash + 1;
	char *up = need(strndup(path, slash - path));
	int fd = openat(backing_fd, up[0] ? up + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(up);
	return dir_by_fd(fd);
}

unsigned long put_aside(struct dir *d, const char *name)
{
	char to[32];
	snprintf(to, sizeof to, "%lu", ++trash_serial);
	return linkat(d->fd, name, trash_fd, to, 0) ? 0 : trash_serial;
}

void record(enum kind kind, struct dir *d1, const char *n1, struct dir *d2, const char *n2, unsigned long trash)
{
	struct op *op = need(calloc(1, sizeof *op));
	*op = (struct op){ .older = ops, .kind = kind, .d1 = d1, .d2 = d2, .n1 = need(strdup(n1)), .n2 = n2 ? need(strdup(n2)) : NULL, .trash = trash };
	ops = op;
}

void record_rmdir(struct dir *d, const char *name, struct dir *removed, mode_t mode)
{
	record(RMDIR, d, name, NULL, NULL, 0);
	ops->removed = removed;
	ops->mode = mode;
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

void dir_synced(struct dir *d)
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

void cut(uint64_t number)
{
	seed = number * 0x9E3779B97F4A7C15ULL + 1;
	for (int i = 0; i < 8; i++)
		draw();

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
	printf("cut: %lu files torn, %lu sectors lost, %lu names undone, %lu unsynced names kept\n", files_torn, sectors_lost, names_undone, names_kept);
	fflush(stdout);
}
