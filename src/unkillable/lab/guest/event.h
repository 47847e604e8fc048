/* A line of the kernel's trace into one of the watcher's. */
#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes `"ev":"trace",...` to `out` and returns true; an empty `out` for an event that is nobody's business; false for what
 * is no event (the kernel says so when it has lost some).  `line` is changed.
 */
bool event_translate(char *line, char *out, size_t size);

#endif
