/*
 * How fast the machine is: pages of new memory are touched and added up, a fixed number of them between two lines.  The host
 * takes its emulator's processor time at each line, so that what else it does meanwhile counts for nothing.  Nothing is left
 * behind: the memory is given back, and no file is read.
 */
#define _GNU_SOURCE
#include "watcher.h"

#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 12, PASSES = 4, PAGES = 512, REST_MS = 40 };

static uint64_t sum(const uint64_t *words, size_t count)
{
	uint64_t all = 0;

	for (size_t i = 0; i < count; i++)
		all = (all ^ words[i]) * 0x100000001b3;
	return all;
}

static uint64_t work(unsigned char *area, size_t page)
{
	uint64_t all = 0;

	for (int pass = 0; pass < PASSES; pass++) {
		for (size_t i = 0; i < PAGES; i++) {
			area[i * page] = 1;
			all += sum((const uint64_t *)(area + i * page), page / sizeof(uint64_t));
		}
		madvise(area, PAGES * page, MADV_DONTNEED);
	}
	return all;
}

int speed_measure(void)
{
	/* The machine is idle, and the host has time to read the clock, before the next round begins. */
	const struct timespec rest = { .tv_nsec = REST_MS * 1000000 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *area = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint64_t result = 0;

	if (area == MAP_FAILED)
		return -1;
	/* Locked memory is there from the beginning (MCL_FUTURE), and a huge page would be one fault for 512. */
	munlock(area, PAGES * page);
	madvise(area, PAGES * page, MADV_NOHUGEPAGE);
	madvise(area, PAGES * page, MADV_DONTNEED);
	for (int round = 0;; round++) {
		say("\"ev\":\"speed\",\"pages\":%d,\"available\":%lld", round * PASSES * PAGES, memory_available());
		nanosleep(&rest, NULL);
		if (round == ROUNDS)
			return munmap(area, PAGES * page);
		result += work(area, page);
	}
}
