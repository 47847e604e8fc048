// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/bio.h>

#include "squashfs.h"

static int squashfs_bio_read(struct super_block *sb, u64 index, int length,
			     struct bio **biop, int *block_offset)
{
	const int page_count = pages_of(index, length);
	struct bio *bio;
	int error, i;

	bio = bio_kmalloc(page_count, GFP_NOIO);
	if (!bio)
		return -ENOMEM;

	for (i = 0; i < page_count; ++i) {
		struct page *page = alloc_page(GFP_NOIO);

		if (!page) {
			error = -ENOMEM;
			goto out_free_bio;
		}
		add_page(bio, page, i);
	}

	error = submit_bio_wait(bio);
	if (error)
		goto out_free_bio;

	*biop = bio;
	return 0;

out_free_bio:
	free_bio(bio);
	return error;
}

int squashfs_read_data(struct super_block *sb, u64 index, int length,
		       u64 *next_index, struct squashfs_page_actor *output)
{
	struct squashfs_sb_info *msblk = sb->s_fs_info;
	struct bio *bio = NULL;
	int offset, res;

	res = squashfs_bio_read(sb, index, length, &bio, &offset);
	if (res)
		goto out;

	res = squashfs_decompress(msblk, bio, offset, length, output);
	free_bio(bio);
out:
	if (res < 0) {
		ERROR("Failed to read block 0x%llx: %d\n", index, res);
		if (msblk->panic_on_errors)
			panic("squashfs read failed");
	}

	return res;
}
