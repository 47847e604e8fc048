/*
 * churn CALLS THREADS SEED: calls pages of a large text at random, and touches a new page of anonymous memory every CALLS calls.
 *
 * A program that runs is also the one that uses memory: what it evicts is its own text and that of its like, and soon each
 * step needs a read from the root image.
 */
#include "pages.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, STACK = 64 * 1024 };

static unsigned long calls;

static void *churn(void *seed)
{
	uint32_t state = (uint32_t)(uintptr_t)seed | 1;
	char *chunk = NULL;
	size_t used = CHUNK;

	for (unsigned long n = 0;; n++) {
		state ^= state << 13; /* xorshift */
		state ^= state >> 17;
		state ^= state << 5;
		if (n % calls == 0) {
			if (used == CHUNK) {
				chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
				used = 0;
			}
			if (chunk != MAP_FAILED) {
				chunk[used] = 1;
				used += PAGE;
			} else { /* the address space of a 32-bit machine is full, or overcommit_memory=2 said no */
				used = CHUNK;
				usleep(100000);
			}
		}
		call_page(state % PAGES);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long seed;
	pthread_attr_t attr;

	if (argc < 4 || (calls = strtoul(argv[1], NULL, 10)) == 0)
		return 2;
	seed = strtoul(argv[3], NULL, 10);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (int i = atoi(argv[2]); i > 1; i--) {
		pthread_t thread;

		if (pthread_create(&thread, &attr, churn, (void *)(uintptr_t)(seed + 7919ul * i)) != 0)
			return 3;
	}
	churn((void *)(uintptr_t)seed);
}
