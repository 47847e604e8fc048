// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mutex.h>

#include "squashfs.h"

int squashfs_decompress(struct squashfs_sb_info *msblk, struct bio *bio,
			int offset, int length,
			struct squashfs_page_actor *output)
{
	struct squashfs_stream *stream = msblk->stream;
	int res;

	mutex_lock(&stream->mutex);
	res = msblk->decompressor->decompress(msblk, stream->stream, bio,
		offset, length, output);
	mutex_unlock(&stream->mutex);

	return res;
}
