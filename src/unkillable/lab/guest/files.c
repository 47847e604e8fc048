#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One write(2), as the files of /proc and /sys want it. */
int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t done;
	int error;

	if (fd < 0)
		return -1;
	done = write(fd, value, strlen(value));
	error = errno;
	close(fd);
	errno = error;
	return done < 0 ? -1 : 0;
}

/* One that is built in is no error. */
int load_module(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failed;

	if (fd < 0)
		return -1;
	failed = syscall(SYS_finit_module, fd, parameters, 0) != 0 && errno != EEXIST;
	close(fd);
	return failed ? -1 : 0;
}

/* The start of a file that stays open, as a string. */
int read_fd(int fd, char *text, size_t size)
{
	ssize_t length = pread(fd, text, size - 1, 0);

	text[length > 0 ? length : 0] = 0;
	return length < 0 ? -1 : (int)length;
}

/* The number behind `key`, which stands at the start of a line; 0 if there is none: older kernels count less. */
long long number_after(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0)
			return strtoll(line + length, NULL, 10);
	}
	return 0;
}
