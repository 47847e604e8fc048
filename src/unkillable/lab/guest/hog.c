/* hog: allocates and fills memory for ever. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP = 1 << 20 };

int main(void)
{
	for (;;) {
		char *memory = malloc(STEP);

		if (memory)
			memset(memory, 0x5a, STEP);
		else /* the address space of a 32-bit machine is full, or overcommit_memory=2 said no */
			usleep(100000);
	}
}
