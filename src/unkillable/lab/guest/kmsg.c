/* The kernel's ring buffer. */
#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int kmsg_fd = -1;

/* Opened before the shortage: /dev/kmsg allocates a buffer of 8 KiB for each reader. */
void kmsg_open(void)
{
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* The kernel writes what is not printable as \xNN: back into bytes, in place. */
static size_t unescape(char *text, size_t length)
{
	size_t out = 0;

	for (size_t in = 0; in < length; out++) {
		char digits[3] = { 0 };

		if (length - in >= 4 && text[in] == '\\' && text[in + 1] == 'x') {
			memcpy(digits, text + in + 2, 2);
			text[out] = (char)strtoul(digits, NULL, 16);
			in += 4;
		} else {
			text[out] = text[in++];
		}
	}
	return out;
}

/* "PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT\n KEY=VALUE\n..." */
static void tell(char *record)
{
	static char quoted[LINE - 128];
	char *text = strchr(record, ';'), *end;
	unsigned long priority;
	long long usec;

	if (!text || sscanf(record, "%lu,%*u,%lld", &priority, &usec) != 2)
		return;
	text++;
	end = strchrnul(text, '\n');
	quote(quoted, sizeof(quoted), text, unescape(text, (size_t)(end - text)));
	say("\"ev\":\"kmsg\",\"at\":" SECONDS ",\"level\":%lu,\"text\":\"%s\"", SECONDS_OF(usec * 1000), priority & 7, quoted);
}

/* All of it, or what came since the last time. */
void kmsg_print(bool all)
{
	static char record[8192 + 1];
	ssize_t got;

	if (all)
		lseek(kmsg_fd, 0, SEEK_SET);
	while ((got = read(kmsg_fd, record, sizeof(record) - 1)) >= 0 || errno == EPIPE) /* EPIPE: overwritten meanwhile */
		if (got > 0) {
			record[got] = 0;
			tell(record);
		}
}
