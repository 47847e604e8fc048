/* PAGES pages of machine code that cannot be told from a real program's by size or compressibility: see pages.S. */
#ifndef PAGES_H
#define PAGES_H

enum { PAGE = 4096 };
extern const unsigned char pages[];

/* Runs the function at the start of a page: the processor fetches from it, so the page must be there. */
static inline void call_page(unsigned long number)
{
	((void (*)(void))(unsigned long)(pages + number * PAGE))();
}

#endif
