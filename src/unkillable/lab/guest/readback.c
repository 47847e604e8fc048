/*
 * Every regular file and symbolic link of the image, read before the workload and again after it: is it still the same?
 *
 * What a damaged page cache or a damaged cache of the file system would hand out is seen by nobody else: a program dies of it
 * at best.
 */
#define _GNU_SOURCE
#include "watcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536, NAMED = 20, DEEPEST = 64, MOST = 200000, PATH = 1024, STUCK_S = 20, STOP_S = 30 };
#define DROP "/proc/sys/vm/drop_caches"
#define KTHREAD 0x00200000u /* PF_KTHREAD */

struct known {
	uint64_t path, content;
};

static struct known *known;
static size_t known_count, known_room, cursor;
static const char *pass;
static size_t files, bad;
static long long bytes;
static dev_t device;
static char path[PATH]; /* of the file that is being read, for whoever says that it cannot be */
static _Atomic unsigned long moved;
static _Atomic int finished;

/* FNV-1a, a word at a time: read(2) gives whole words but for the end of a file. */
static uint64_t hash(uint64_t sum, const void *data, size_t size)
{
	const unsigned char *at = data;
	uint64_t word;

	for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = (sum ^ word) * 1099511628211u;
		sum ^= sum >> 29;
	}
	while (size--)
		sum = (sum ^ *at++) * 1099511628211u;
	return sum;
}

static const uint64_t start = 14695981039346656037u;

static void name(const char *why)
{
	char quoted[LINE / 2];

	if (bad++ < NAMED)
		say("\"ev\":\"bad\",\"pass\":\"%s\",\"path\":\"%s\",\"why\":\"%s\"", pass,
		    quote(quoted, sizeof(quoted), path, strlen(path)), why);
}

/* The order of a directory is always the same, so the next one is mostly the one that is looked for. */
static struct known *find(uint64_t key)
{
	for (size_t i = 0; i < known_count; i++) {
		size_t at = (cursor + i) % known_count;

		if (known[at].path == key) {
			cursor = at + 1;
			return &known[at];
		}
	}
	return NULL;
}

static void remember(uint64_t key, uint64_t sum)
{
	if (known_count == known_room) {
		size_t room = known_room ? 2 * known_room : 1024;
		void *more = known_count < MOST ? realloc(known, room * sizeof(*known)) : NULL;

		if (!more) {
			name("too many files");
			return;
		}
		known = more;
		known_room = room;
	}
	known[known_count++] = (struct known){ key, sum };
}

static void compare(uint64_t sum, bool first)
{
	uint64_t key = hash(start, path, strlen(path));
	const struct known *one;

	files++;
	if (first) {
		remember(key, sum);
		return;
	}
	one = find(key);
	if (one && one->content != sum)
		name("differs");
}

/* -1 with errno where it cannot be read. */
static int read_file(int folder, const char *entry, uint64_t *sum)
{
	static char buffer[BUFFER];
	int fd = openat(folder, entry, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got = -1;
	int error;

	*sum = start;
	while (fd >= 0 && (got = read(fd, buffer, sizeof(buffer))) > 0) {
		*sum = hash(*sum, buffer, (size_t)got);
		bytes += got;
		moved++;
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return got < 0 ? -1 : 0;
}

static int read_link(int folder, const char *entry, uint64_t *sum)
{
	char target[4096];
	ssize_t got = readlinkat(folder, entry, target, sizeof(target));

	*sum = got < 0 ? 0 : hash(start, target, (size_t)got);
	return got < 0 ? -1 : 0;
}

static void walk(int folder, bool first, int depth);

static void visit(int folder, const char *entry, bool first, int depth)
{
	struct stat status;
	uint64_t sum;
	int done = 0, fd;

	moved++;
	if (fstatat(folder, entry, &status, AT_SYMLINK_NOFOLLOW) != 0) {
		name(strerror(errno));
	} else if (status.st_dev != device) { /* /proc and the like, mounted over it */
		return;
	} else if (S_ISDIR(status.st_mode)) {
		errno = ELOOP;
		fd = depth < DEEPEST ? openat(folder, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		if (fd < 0)
			name(strerror(errno));
		else
			walk(fd, first, depth + 1);
	} else if (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)) {
		done = (S_ISREG(status.st_mode) ? read_file : read_link)(folder, entry, &sum);
		if (done == 0)
			compare(sum, first);
		else
			name(strerror(errno));
	}
}

/* Takes the descriptor. */
static void walk(int folder, bool first, int depth)
{
	size_t length = strlen(path);
	DIR *list = fdopendir(folder);
	struct dirent *entry;

	if (!list) {
		name(strerror(errno));
		close(folder);
		return;
	}
	for (errno = 0; (entry = readdir(list)); errno = 0) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path + length, sizeof(path) - length, "/%s", entry->d_name);
		visit(dirfd(list), entry->d_name, first, depth);
		path[length] = 0;
	}
	if (errno)
		name(strerror(errno));
	closedir(list);
}

/* One reading, which is called that; the first is what the others are held against. */
int readback_read(const char *which, bool first)
{
	int64_t began = now_ns();
	struct stat status;
	int root = openat(root_dir(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || fstat(root, &status) != 0)
		return -1;
	pass = which;
	files = bad = cursor = 0;
	bytes = 0;
	device = status.st_dev;
	path[0] = 0;
	walk(root, first, 0);
	say("\"ev\":\"readback\",\"pass\":\"%s\",\"files\":%zu,\"kib\":%lld,\"bad\":%zu,\"took\":" SECONDS, pass, files,
	    bytes / 1024, bad, SECONDS_OF(now_ns() - began));
	return 0;
}

/* Before the workload, by main. */
int readback_before(void)
{
	return readback_read("before", true) == 0 && write_file(DROP, "3") == 0 ? 0 : -1;
}

/* Whether a process of /proc is a user's and can still do something. */
static bool lives(const char *pid)
{
	char where[64], text[512], *end;
	unsigned flags = 0;
	char state = 'Z';
	int fd;

	snprintf(where, sizeof(where), "/proc/%.20s/stat", pid);
	fd = open(where, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read_fd(fd, text, sizeof(text)) > 0 && (end = strrchr(text, ')')))
		sscanf(end + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags);
	close(fd);
	return !(flags & KTHREAD) && state != 'Z' && state != 'X';
}

static int living(void)
{
	DIR *list = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while (list && (entry = readdir(list))) {
		int pid = atoi(entry->d_name);

		count += pid > 1 && pid != getpid() && lives(entry->d_name);
	}
	if (list)
		closedir(list);
	return count;
}

/* Everybody but the watcher and process 1, and how many that did not end. */
static int stop(void)
{
	const struct timespec step = { .tv_nsec = 100000000 };
	int left = 0;

	for (int tries = 0; tries < 10 * STOP_S; tries++) {
		kill(-1, SIGKILL);
		nanosleep(&step, NULL);
		left = living();
		if (left == 0)
			break;
	}
	return left;
}

static void *read_again(void *unused)
{
	(void)unused;
	readback_read("cached", false);
	if (write_file(DROP, "3") != 0)
		say_fail(false, DROP, errno);
	readback_read("fresh", false);
	finished = 1;
	return NULL;
}

/* After it: what the page cache holds by now, then what is on the disk.  A page that somebody left locked is read by nobody,
 * so the reading is a thread that is given up if it does not get on. */
void readback_after(void)
{
	const struct timespec second = { .tv_sec = 1 };
	unsigned long before = 0;

	say("\"ev\":\"stopped\",\"left\":%d", stop());
	if (thread_start(read_again, NULL, 0) != 0) {
		say_fail(false, "readback", EAGAIN);
		return;
	}
	for (int still = 0; !finished && still < STUCK_S; still++) {
		nanosleep(&second, NULL);
		if (moved != before)
			still = 0;
		before = moved;
	}
	if (!finished)
		name("stuck");
}
