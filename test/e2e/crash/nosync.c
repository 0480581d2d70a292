/*
 * LD_PRELOAD for the server under test: every sync says that it worked and does nothing. A server run with it must fail the
 * power-cut test; if it does not, that test proves nothing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned flags)
{
	(void)fd, (void)offset, (void)count, (void)flags;
	return 0;
}

int msync(void *address, size_t length, int flags)
{
	(void)address, (void)length, (void)flags;
	return 0;
}

int syncfs(int fd)
{
	(void)fd;
	return 0;
}

void sync(void)
{
}
