/*
 * guest - what the kernel tests do in the mount, in one program because forks are slow in the guest.
 *
 *   guest treesum DIR            one line: objects, bytes and a checksum of names, types, permissions and content below DIR
 *   guest contentsum DIR         the same without permissions, for mounts that have none of their own
 *   guest many DIR COUNT         make COUNT files in a new DIR, list them, remove them
 *   guest semantics DIR root|user   files as POSIX has them, in a new DIR
 *   guest move DIR ID ROUNDS     with others at once: move tokens between DIR/a and DIR/b; the loser of a race sees ENOENT
 *   guest moved DIR COUNT        afterwards: each token is there once, with its content
 *   guest replace DIR ID ROUNDS  with others at once: rename a new version over DIR/current and read it, always whole
 *
 * Exit status 0, or 1 and a line that says what is wrong.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void die(const char *format, ...)
{
	int error = errno;
	va_list ap;
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf(" (%s)\n", strerror(error));
	exit(1);
}

#define MUST(call) do { if ((call) < 0) die("line %d: %s", __LINE__, #call); } while (0)
#define CHECK(condition) do { if (!(condition)) die("line %d: not so: %s", __LINE__, #condition); } while (0)
#define FAILS(call, with) do { errno = 0; if ((call) >= 0 || errno != (with)) die("line %d: %s, expected %s", __LINE__, #call, #with); } while (0)

/* ---- treesum ---- */

static uint64_t objects, bytes, sum;
static uint32_t permissions = 0111;

static uint64_t mix(uint64_t hash, const void *data, size_t length)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ p[i]) * 1099511628211ULL;
	return hash;
}

static void treesum(int at, const char *name, const char *path)
{
	struct stat st;
	static char buffer[1 << 16];
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
		die("stat %s", path);
	uint64_t hash = mix(14695981039346656037ULL, path, strlen(path));
	uint32_t mode = st.st_mode & (S_IFMT | permissions);
	hash = mix(hash, &mode, sizeof mode);
	objects++;
	if (S_ISREG(st.st_mode)) {
		int fd = openat(at, name, O_RDONLY);
		if (fd < 0)
			die("open %s", path);
		ssize_t n;
		while ((n = read(fd, buffer, sizeof buffer)) > 0) {
			hash = mix(hash, buffer, n);
			bytes += n;
		}
		if (n < 0)
			die("read %s", path);
		close(fd);
	} else if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(at, name, buffer, sizeof buffer);
		if (n < 0)
			die("readlink %s", path);
		hash = mix(hash, buffer, n);
	}
	sum += hash; /* the order of a listing is no matter */
	if (!S_ISDIR(st.st_mode))
		return;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	if (!d)
		die("opendir %s", path);
	for (struct dirent *e; (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		char *below;
		MUST(asprintf(&below, "%s/%s", path, e->d_name));
		treesum(fd, e->d_name, below);
		free(below);
	}
	closedir(d);
}

/* ---- many ---- */

static void many(const char *dir, int count)
{
	char name[64];
	unsigned char *seen = calloc(count, 1);
	MUST(mkdir(dir, 0755));
	MUST(chdir(dir));
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "file-%d", i);
		int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0)
			die("making %s", name);
		close(fd);
	}
	int found = 0;
	DIR *d = opendir(".");
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));) {
		int i;
		if (sscanf(e->d_name, "file-%d", &i) != 1)
			continue;
		if (i < 0 || i >= count || seen[i]++)
			die("%s listed wrongly", e->d_name);
		found++;
	}
	closedir(d);
	CHECK(found == count);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "file-%d", i);
		if (unlink(name))
			die("removing %s", name);
	}
	MUST(chdir(".."));
	MUST(rmdir(strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir));
}

/* ---- semantics ---- */

static void semantics(const char *dir, int root)
{
	struct stat st;
	char buffer[64];
	MUST(mkdir(dir, 0755));
	MUST(chdir(dir));

	int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0640);
	MUST(fd);
	FAILS(open("f", O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
	CHECK(write(fd, "hello", 5) == 5);
	MUST(fsync(fd));
	MUST(fstat(fd, &st));
	CHECK(st.st_size == 5 && (st.st_mode & 07777) == 0640 && st.st_nlink == 1);

	/* a hole reads as zeros, across truncates too */
	CHECK(pwrite(fd, "end", 3, 3000000) == 3);
	MUST(ftruncate(fd, 2000000));
	MUST(ftruncate(fd, 4000000));
	MUST(fsync(fd));
	CHECK(pread(fd, buffer, 8, 2999998) == 8 && !memcmp(buffer, "\0\0\0\0\0\0\0\0", 8));
	CHECK(pread(fd, buffer, 8, 0) == 8 && !memcmp(buffer, "hello\0\0\0", 8));

	/* explicit times stay */
	struct timespec times[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	MUST(futimens(fd, times));
	MUST(close(fd));
	MUST(stat("f", &st));
	CHECK(st.st_mtim.tv_sec == 1100000000 && st.st_mtim.tv_nsec == 987654321 && st.st_atim.tv_sec == 1000000000);

	/* links */
	MUST(link("f", "g"));
	MUST(stat("g", &st));
	CHECK(st.st_nlink == 2);
	MUST(symlink("../somewhere/else", "s"));
	CHECK(readlink("s", buffer, sizeof buffer) == 17 && !memcmp(buffer, "../somewhere/else", 17));
	MUST(rename("f", "g")); /* two names of one file: nothing happens */
	MUST(stat("f", &st));
	MUST(unlink("f"));
	MUST(stat("g", &st));
	CHECK(st.st_nlink == 1);

	/* directories */
	MUST(mkdir("d", 0700));
	MUST(mkdir("d/e", 0755));
	FAILS(rmdir("d"), ENOTEMPTY);
	FAILS(rename("d", "d/e/d"), EINVAL);
	MUST(rename("d/e", "e2"));
	MUST(stat("d", &st));
	CHECK(st.st_nlink == 2);
	FAILS(rename("e2", "g"), ENOTDIR);
	FAILS(unlink("d"), EISDIR);
	MUST(rmdir("d"));

	/* an open file outlives its name */
	fd = open("gone", O_RDWR | O_CREAT, 0600);
	MUST(fd);
	CHECK(write(fd, "still here", 10) == 10);
	MUST(unlink("gone"));
	FAILS(open("gone", O_RDONLY), ENOENT);
	CHECK(pread(fd, buffer, 10, 0) == 10 && !memcmp(buffer, "still here", 10));
	MUST(close(fd));

	/* appending, and replacing */
	fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
	for (int i = 0; i < 100; i++)
		CHECK(write(fd, "0123456789", 10) == 10);
	MUST(close(fd));
	MUST(stat("log", &st));
	CHECK(st.st_size == 1000);
	MUST(rename("log", "g"));
	MUST(stat("g", &st));
	CHECK(st.st_size == 1000);

	/* names */
	char name[300];
	memset(name, 'n', sizeof name);
	name[255] = 0;
	fd = open(name, O_CREAT | O_WRONLY, 0644);
	MUST(fd);
	close(fd);
	MUST(unlink(name));
	name[255] = 'n';
	name[256] = 0;
	FAILS(open(name, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);

	MUST(mkfifo("fifo", 0600));
	MUST(stat("fifo", &st));
	CHECK(S_ISFIFO(st.st_mode));
	if (root) {
		MUST(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
		MUST(stat("null", &st));
		CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
		MUST(chown("g", 1234, 5678));
		MUST(stat("g", &st));
		CHECK(st.st_uid == 1234 && st.st_gid == 5678);
		MUST(chmod("g", 0000));
		fd = open("g", O_RDONLY);
		MUST(fd);
		close(fd);
	} else {
		FAILS(chown("g", 0, 0), EPERM);
		MUST(chmod("g", 0200));
		FAILS(open("g", O_RDONLY), EACCES);
		MUST(chmod("g", 0600));
		MUST(stat("g", &st));
		CHECK(st.st_uid == geteuid());
	}
	struct statvfs fs;
	MUST(statvfs(".", &fs));
	CHECK(fs.f_blocks > 0 && fs.f_bavail <= fs.f_blocks && fs.f_namemax == 255);
}

/* ---- storms ---- */

static unsigned state;
static unsigned below(unsigned n)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % n;
}

static void move(const char *dir, int id, int rounds)
{
	static char names[256][256];
	int won = 0, lost = 0;
	state = id * 7919 + 1;
	MUST(chdir(dir));
	for (int i = 0; i < rounds; i++) {
		const char *from = below(2) ? "a" : "b", *to = *from == 'a' ? "b" : "a";
		int n = 0;
		DIR *d = opendir(from);
		CHECK(d);
		for (struct dirent *e; (e = readdir(d)) && n < 256;)
			if (e->d_name[0] == 't')
				snprintf(names[n++], 256, "%s", e->d_name);
		closedir(d);
		if (n == 0)
			continue;
		for (int k = 0; k < 8; k++) {
			char one[300], two[300];
			const char *name = names[below(n)];
			snprintf(one, sizeof one, "%s/%s", from, name);
			snprintf(two, sizeof two, "%s/t%d.%d-%d-%d", to, atoi(name + 1), id, i, k);
			if (!rename(one, two))
				won++;
			else if (errno == ENOENT)
				lost++;
			else
				die("rename %s to %s", one, two);
		}
	}
	printf("client %d moved %d, came late %d times\n", id, won, lost);
	CHECK(won > 0);
}

static void moved(const char *dir, int count)
{
	unsigned char *seen = calloc(count, 1);
	int found = 0;
	MUST(chdir(dir));
	for (const char *where = "ab"; *where; where++) {
		char in[2] = { *where, 0 };
		DIR *d = opendir(in);
		CHECK(d);
		for (struct dirent *e; (e = readdir(d));) {
			if (e->d_name[0] != 't')
				continue;
			int token = atoi(e->d_name + 1), inside = -1;
			char path[300], text[32] = "";
			if (token < 0 || token >= count || seen[token]++)
				die("token %s is there twice", e->d_name);
			snprintf(path, sizeof path, "%s/%s", in, e->d_name);
			int fd = open(path, O_RDONLY);
			MUST(fd);
			MUST(read(fd, text, sizeof text - 1));
			close(fd);
			sscanf(text, "token %d", &inside);
			CHECK(inside == token);
			found++;
		}
		closedir(d);
	}
	CHECK(found == count);
}

static void replace(const char *dir, int id, int rounds)
{
	enum { SIZE = 5000 };
	static char text[SIZE], back[SIZE + 1];
	char mine[64];
	int stale = 0;
	MUST(chdir(dir));
	snprintf(mine, sizeof mine, "new-%d", id);
	for (int i = 0; i < rounds; i++) {
		memset(text, 'A' + (id * 7 + i) % 26, SIZE);
		int fd = open(mine, O_WRONLY | O_CREAT | O_TRUNC, 0666);
		MUST(fd);
		CHECK(write(fd, text, SIZE) == SIZE);
		MUST(close(fd));
		MUST(rename(mine, "current"));
		fd = open("current", O_RDONLY);
		/* The other client may replace the file between look-up and open, or between open and read. */
		ssize_t n = fd < 0 ? -1 : read(fd, back, sizeof back);
		if (n < 0 && errno == ESTALE) {
			stale++;
		} else {
			CHECK(n == SIZE);
			for (int k = 1; k < SIZE; k++)
				if (back[k] != back[0])
					die("a mixture of versions");
		}
		if (fd >= 0)
			close(fd);
	}
	printf("client %d replaced %d times, saw a stale file %d times\n", id, rounds, stale);
	CHECK(stale < rounds / 2);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	setvbuf(stdout, NULL, _IOLBF, 0);
	umask(022);
	if (!strcmp(what, "treesum") || !strcmp(what, "contentsum")) {
		if (!strcmp(what, "contentsum"))
			permissions = 0;
		treesum(AT_FDCWD, argv[2], "");
		printf("%llu objects, %llu bytes, %016llx\n", (unsigned long long)objects, (unsigned long long)bytes, (unsigned long long)sum);
	} else if (!strcmp(what, "many") && argc == 4) {
		many(argv[2], atoi(argv[3]));
	} else if (!strcmp(what, "semantics") && argc == 4) {
		semantics(argv[2], !strcmp(argv[3], "root"));
	} else if (!strcmp(what, "move") && argc == 5) {
		move(argv[2], atoi(argv[3]), atoi(argv[4]));
	} else if (!strcmp(what, "moved") && argc == 4) {
		moved(argv[2], atoi(argv[3]));
	} else if (!strcmp(what, "replace") && argc == 5) {
		replace(argv[2], atoi(argv[3]), atoi(argv[4]));
	} else {
		fprintf(stderr, "usage: see the top of guest.c\n");
		return 2;
	}
	return 0;
}
