/*
 * Counters, once a second.  A thread of its own, for it may block: /proc/vmstat allocates its array of counters at every read
 * (vmstat_start: kmalloc with GFP_KERNEL).  meminfo and pressure keep their buffer and only take locks that nobody holds while
 * he sleeps for memory.
 */
#define _GNU_SOURCE
#include "watcher.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int vmstat_fd = -1, pressure_fd = -1;
static char text[32768];

bool sample_open(void)
{
	vmstat_fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	pressure_fd = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
	return pressure_fd >= 0;
}

/* A seq_file of many records is handed out a page at a time. */
static void read_all(int fd)
{
	size_t length = 0;
	ssize_t got;

	while (length < sizeof(text) - 1 && (got = pread(fd, text + length, sizeof(text) - 1 - length, (off_t)length)) > 0)
		length += (size_t)got;
	text[length] = 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234": microseconds. */
static long long total_of(const char *kind)
{
	const char *line = strstr(text, kind);
	const char *total = line ? strstr(line, "total=") : NULL;

	return total ? strtoll(total + 6, NULL, 10) : 0;
}

static void sample(void)
{
	int64_t began = now_ns(), done;
	long long free_kib, available, file, swap, some, full, faults, scanned, stolen, kills;

	read_all(meminfo_fd());
	free_kib = number_after(text, "MemFree:");
	available = number_after(text, "MemAvailable:");
	file = number_after(text, "Active(file):") + number_after(text, "Inactive(file):");
	swap = number_after(text, "SwapFree:");
	read_all(pressure_fd);
	some = total_of("some ");
	full = total_of("full ");
	read_all(vmstat_fd);
	faults = number_after(text, "pgmajfault ");
	scanned = number_after(text, "pgscan_kswapd ") + number_after(text, "pgscan_direct ");
	stolen = number_after(text, "pgsteal_kswapd ") + number_after(text, "pgsteal_direct ");
	kills = number_after(text, "oom_kill ");
	done = now_ns();
	say_at(began,
	       "\"ev\":\"sample\",\"free\":%lld,\"available\":%lld,\"file\":%lld,\"swap_free\":%lld,\"majflt\":%lld,\"scan\":%lld,"
	       "\"steal\":%lld,\"oom\":%lld,\"psi_some\":%lld,\"psi_full\":%lld,\"took\":" SECONDS,
	       free_kib, available, file, swap, faults, scanned, stolen, kills, some, full, SECONDS_OF(done - began));
}

void *sample_run(void *unused)
{
	const struct timespec second = { .tv_sec = 1 };

	(void)unused;
	for (;;) {
		sample();
		nanosleep(&second, NULL);
	}
	return NULL;
}
