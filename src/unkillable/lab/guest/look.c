/* What the host asks for: the kernel's ring buffer, a sysrq dump, the files once more, the end. */
#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static int sysrq_fd = -1;

void look_open(void)
{
	kmsg_open();
	sysrq_fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
}

static void obey(char *line)
{
	char *words[WORDS], quoted[64];
	int count = split(line, words);

	if (count < 1)
		return;
	if (strcmp(words[0], "kmsg") == 0)
		kmsg_print(true);
	else if (strcmp(words[0], "readback") == 0)
		readback_after();
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
