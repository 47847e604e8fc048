#include "records.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct records *records_attach(int fd)
{
	void *at = mmap(NULL, sizeof(struct records), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

void records_publish(struct records *all, int which, struct record record)
{
	struct ring *ring = &all->ring[which];
	uint32_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);

	/* A reader that lags by a whole ring has been stopped for minutes; to wait for it would change what is watched. */
	if (at - atomic_load_explicit(&ring->taken, memory_order_acquire) >= SLOTS)
		return;
	ring->slot[at % SLOTS] = record;
	atomic_store_explicit(&ring->written, at + 1, memory_order_release);
	atomic_fetch_add(&all->news, 1);
	syscall(SYS_futex, &all->news, FUTEX_WAKE, 1, NULL, NULL, 0);
}

int records_take(struct records *all, int which, struct record *record)
{
	struct ring *ring = &all->ring[which];
	uint32_t at = atomic_load_explicit(&ring->taken, memory_order_relaxed);

	if (at == atomic_load_explicit(&ring->written, memory_order_acquire))
		return 0;
	*record = ring->slot[at % SLOTS];
	atomic_store_explicit(&ring->taken, at + 1, memory_order_release);
	return 1;
}

void records_wait(struct records *all, uint32_t seen)
{
	syscall(SYS_futex, &all->news, FUTEX_WAIT, seen, NULL, NULL, 0);
}
