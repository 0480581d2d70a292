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
#include "unsynced.h"
#include <dirent.h>
#include <fuse.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

static const char *backing, *mountpoint, *ignore = "";
static unsigned latency_us = 200;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool dead;

static const char *rel(const char *path)
{
	return path[1] ? path + 1 : ".";
}

#define ALIVE() do { if (dead) return -EIO; } while (0)

/* A new object belongs to who made it, not to us. */
static void own(struct dir *d, const char *name)
{
	struct fuse_context *who = fuse_get_context();
	if (who->uid && fchownat(d->fd, name, who->uid, who->gid, AT_SYMLINK_NOFOLLOW))
		perror("powercut: chown");
}

static void end(int signal)
{
	(void)signal;
	umount2(mountpoint, MNT_DETACH);
	_exit(0);
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
		cut(number);
		break;
	}
	end(0);
	return NULL;
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
		record(MAKEDIR, d, name, NULL, NULL, 0);
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
		record(MAKE, d, name, NULL, NULL, 0);
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
		record(MAKE, d, name, NULL, NULL, 0);
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
			record(UNLINK, d, name, NULL, NULL, trash);
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
	if (!rc)
		record_rmdir(d, name, removed, st.st_mode & 07777);
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
			record(RENAME, d1, n1, d2, n2, trash);
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
	int rc = dead ? -EIO : truncate_file(fd, size);
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
		record(MAKE, d, name, NULL, NULL, 0);
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
	int rc = dead ? -EIO : will_change(fd_of(fi), off, off + size);
	if (!rc) {
		ssize_t n = pwrite(fd_of(fi), buf, size, off);
		rc = n < 0 ? -errno : (int)n;
	}
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
	struct stat st;
	int rc = dead || fstat(fd_of(fi), &st) ? -EIO : 0;
	if (!rc)
		rc = will_change(fd_of(fi), off, !zeroes ? off : off + len < st.st_size ? off + len : st.st_size);
	if (!rc)
		rc = RESULT(fallocate(fd_of(fi), mode, off, len));
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
	if (!rc && !ignored(fd_of(fi)))
		file_synced(st.st_ino);
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
	for (int i = 0; i < 3; i++)
		signal((int[]){ SIGTERM, SIGINT, SIGHUP }[i], end);
	fuse_loop_cfg_set_max_threads(config, 8);
	fuse_loop_mt(fuse, config);
	fuse_unmount(fuse);
	return 0;
}
