/*
 * /init of a guest that reads files of a squashfs and prints which blocks the kernel filled.
 *
 * /accesses has one access per line: `r PATH OFFSET LENGTH` reads with pread(), `m PATH OFFSET 0` touches a page of a
 * mapping of the whole file, `d` drops the page cache. What ftrace saw goes to the second serial port.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing/"
#define FILES 64

static struct opened {
	char path[256];
	int fd;
	char *map;
} files[FILES];
static FILE *out;

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND);
	int bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	if (bad)
		fprintf(out, "fail %s: %s: %m\n", path, text);
	close(fd);
	return bad;
}

static void load(void)
{
	char name[256];
	FILE *list = fopen("/modules", "r");

	while (list && fscanf(list, "%255s", name) == 1) {
		int fd = open(name, O_RDONLY);

		if (syscall(SYS_finit_module, fd, "", 0))
			fprintf(out, "fail %s: %m\n", name);
		close(fd);
	}
}

static struct opened *get(const char *path)
{
	struct stat st;
	int i;

	for (i = 0; i < FILES && files[i].path[0]; i++)
		if (!strcmp(files[i].path, path))
			return &files[i];
	strcpy(files[i].path, path);
	files[i].fd = open(path, O_RDONLY);
	if (files[i].fd < 0 || fstat(files[i].fd, &st))
		fprintf(out, "fail %s: %m\n", path);
	files[i].map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, files[i].fd, 0);
	return &files[i];
}

static void play(void)
{
	static char buffer[1 << 20];
	volatile char sink;
	char how, path[256];
	long long offset, length;
	FILE *list = fopen("/accesses", "r");

	while (fscanf(list, " %c %255s %lld %lld", &how, path, &offset, &length) == 4) {
		char note[400];
		struct opened *one;

		snprintf(note, sizeof(note), "%c %s %lld %lld", how, path, offset, length);
		put(TRACING "trace_marker", note);
		if (how == 'd') {
			put("/proc/sys/vm/drop_caches", "1");
			continue;
		}
		one = get(path);
		if (how == 'r')
			pread(one->fd, buffer, length, offset);
		else
			sink = one->map[offset];
	}
	(void)sink;
}

static void show(const char *path)
{
	static char buffer[1 << 16];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		fwrite(buffer, 1, n, out);
	close(fd);
}

int main(void)
{
	mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/dev", 0755), mkdir("/mnt", 0755);
	mount("none", "/proc", "proc", 0, NULL);
	mount("none", "/sys", "sysfs", 0, NULL);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	out = fopen("/dev/ttyS1", "w");
	load();
	mount("none", "/sys/kernel/tracing", "tracefs", 0, NULL);
	put(TRACING "buffer_size_kb", "16384");
	put(TRACING "kprobe_events", "p:squashfs_read squashfs:squashfs_read_data index=%si:u64 length=%dx:s32\n");
	put(TRACING "events/kprobes/squashfs_read/enable", "1");
	put(TRACING "events/filemap/mm_filemap_add_to_page_cache/enable", "1");
	put(TRACING "events/filemap/mm_filemap_delete_from_page_cache/enable", "1");
	if (!access(TRACING "events/filemap/mm_filemap_fault", F_OK)) {
		put(TRACING "events/filemap/mm_filemap_fault/enable", "1");
		put(TRACING "events/filemap/mm_filemap_get_pages/enable", "1");
	}
	put(TRACING "trace_marker", "mount");
	if (mount("/dev/vda", "/mnt", "squashfs", MS_RDONLY, NULL))
		fprintf(out, "fail mount: %m\n");
	fprintf(out, "# read_ahead_kb ");
	show("/sys/block/vda/queue/read_ahead_kb");
	fprintf(out, "# before ");
	show("/sys/block/vda/stat");
	play();
	put(TRACING "trace_marker", "end");
	put(TRACING "tracing_on", "0");
	fprintf(out, "# after ");
	show("/sys/block/vda/stat");
	show(TRACING "trace");
	fprintf(out, "done\n");
	fflush(out);
	fsync(fileno(out));
	sleep(1);
	reboot(RB_POWER_OFF);
	return 0;
}
