/* What is done to the guest's memory before the workload starts: swap, a limit, a smaller room. */
#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"
enum { STEP_KIB = 256 };

static int procs = -1;
static int meminfo = -1;

/*
 * What mkswap writes: version, last page and number of bad pages from byte 1024 on, the magic at the end of the first page
 * (union swap_header of the kernel).
 */
static int make_swap(const char *device, long long kib)
{
	long page = sysconf(_SC_PAGESIZE);
	uint32_t info[3] = { 1, (uint32_t)(kib * 1024 / page - 1), 0 };
	char header[65536] = { 0 };
	int fd = open(device, O_WRONLY | O_CLOEXEC);
	int done;

	if (fd < 0)
		return -1;
	memcpy(header + 1024, info, sizeof(info));
	memcpy(header + page - 10, "SWAPSPACE2", 10);
	done = write(fd, header, (size_t)page) == page && fsync(fd) == 0;
	close(fd);
	return done ? 0 : -1;
}

int memory_zram(long long kib)
{
	char size[32];

	snprintf(size, sizeof(size), "%lld", kib * 1024);
	if (write_file("/sys/block/zram0/disksize", size) != 0 || make_swap("/dev/zram0", kib) != 0)
		return -1;
	return swapon("/dev/zram0", 0);
}

/* Open for writing, -1 without `cgroup`: a child writes 0 there to be put in. */
int cgroup_procs(void)
{
	return procs;
}

int memory_cgroup(long long kib)
{
	char limit[32];

	if (mount("cgroup2", CGROUPS, "cgroup2", 0, NULL) != 0 && errno != EBUSY)
		return -1;
	snprintf(limit, sizeof(limit), "%lld", kib * 1024);
	if (write_file(CGROUPS "/cgroup.subtree_control", "+memory") != 0)
		return -1;
	if (mkdir(CGROUPS "/workload", 0755) != 0 && errno != EEXIST)
		return -1;
	if (write_file(CGROUPS "/workload/memory.max", limit) != 0)
		return -1;
	procs = open(CGROUPS "/workload/cgroup.procs", O_WRONLY | O_CLOEXEC);
	return procs < 0 ? -1 : 0;
}

/* meminfo is a single_open file: the kernel allocates its buffer at the first read and keeps it. */
int meminfo_fd(void)
{
	if (meminfo < 0)
		meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	return meminfo;
}

/* MemAvailable, KiB; -1 where it cannot be read. */
long long memory_available(void)
{
	char text[4096];

	return read_fd(meminfo_fd(), text, sizeof(text)) < 0 ? -1 : number_after(text, "MemAvailable:");
}

/* Locks memory away, a little at a time, for what is left is an estimate that moves. */
int memory_room(long long kib)
{
	long long before = memory_available();
	long long left = before;

	while (left - STEP_KIB >= kib) {
		/* Large steps first: each is a mapping, of which there are 65,530 at most (vm.max_map_count). */
		size_t size = (size_t)(left - kib > 8 * STEP_KIB ? (left - kib) / 2 / STEP_KIB * STEP_KIB : STEP_KIB) * 1024;
		void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED)
			return -1;
		madvise(at, size, MADV_DONTFORK); /* children would inherit its page tables */
		if (mlock(at, size) != 0)
			return -1;
		left = memory_available();
	}
	say("\"ev\":\"room\",\"before\":%lld,\"kib\":%lld", before, left);
	return left < 0 ? -1 : 0;
}
