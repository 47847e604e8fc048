/* What the host asks for: the kernel's ring buffer, a sysrq dump, the end. */
#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static int kmsg_fd = -1, sysrq_fd = -1;

/* Opened before the shortage: /dev/kmsg allocates a buffer of 8 KiB for each reader. */
void look_open(void)
{
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	sysrq_fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
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

static void kmsg(void)
{
	static char record[8192 + 1];
	ssize_t got;

	lseek(kmsg_fd, 0, SEEK_SET);
	while ((got = read(kmsg_fd, record, sizeof(record) - 1)) >= 0 || errno == EPIPE) /* EPIPE: overwritten meanwhile */
		if (got > 0) {
			record[got] = 0;
			tell(record);
		}
}

static void obey(char *line)
{
	char *words[WORDS], quoted[64];
	int count = split(line, words);

	if (count < 1)
		return;
	if (strcmp(words[0], "kmsg") == 0)
		kmsg();
	else if (strcmp(words[0], "sysrq") == 0 && count == 2)
		for (const char *letter = words[1]; *letter; letter++)
			write(sysrq_fd, letter, 1); /* more than one at a time only since Linux 6.3 or so */
	else if (strcmp(words[0], "off") == 0) {
		reboot(RB_POWER_OFF);
		reboot(RB_AUTOBOOT); /* a machine without a power switch: QEMU's -no-reboot ends it */
	} else {
		say_fail(false, words[0], EINVAL);
		return;
	}
	say("\"ev\":\"done\",\"what\":\"%s\"", quote(quoted, sizeof(quoted), words[0], strlen(words[0])));
}

void *look_run(void *unused)
{
	char line[256];
	size_t length = 0;
	ssize_t got;
	char byte;

	(void)unused;
	while ((got = read(port_fd(), &byte, 1)) != 0) {
		if (got < 0) {
			if (errno != EINTR)
				break;
		} else if (byte == '\n') {
			line[length] = 0;
			length = 0;
			obey(line);
		} else if (length < sizeof(line) - 1) {
			line[length++] = byte;
		}
	}
	return NULL;
}
