/*
 * The first pages of a program on the image, which a supervisor needs for its next step.
 *
 * A shell that is to start something has its own text on the image, and waits for it when it was evicted.  keep and canary do
 * so too where the image is the lab's.  On a user's image they run from RAM: not having to wait, they would come to fork(2),
 * which allocates with __GFP_FS, and so call the OOM killer when nobody else can; the freeze would end because it is watched.
 * So they first read what a shell of that image would have to.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

struct text {
	const volatile char *at;
	size_t size;
};

struct text text_map(const char *path);
void text_touch(struct text text);

#endif
