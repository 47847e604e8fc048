// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/pagemap.h>

#include "squashfs.h"
#include "page_actor.h"

int squashfs_readpage_block(struct page *target_page, u64 block, int bsize,
	int expected)
{
	struct inode *inode = target_page->mapping->host;
	struct squashfs_sb_info *msblk = inode->i_sb->s_fs_info;
	struct squashfs_page_actor *actor;
	int i, n, pages = pages_of(inode, target_page), res = -ENOMEM;
	struct page **page;

	page = kmalloc_array(pages, sizeof(void *), GFP_KERNEL);
	if (page == NULL)
		return res;

	for (i = 0, n = 0; n < pages; n++) {
		page[i] = (n == target_page->index) ? target_page :
			grab_cache_page_nowait(target_page->mapping, n);

		if (page[i] == NULL)
			continue;

		i++;
	}

	pages = i;

	actor = squashfs_page_actor_init_special(msblk, page, pages, expected);
	if (actor == NULL)
		goto out;

	res = squashfs_read_data(inode->i_sb, block, bsize, NULL, actor);
	squashfs_page_actor_free(actor);
	if (res < 0)
		goto mark_errored;

	unlock_uptodate(page, pages, target_page);
	kfree(page);
	return 0;

mark_errored:
	unlock_errored(page, pages, target_page);
out:
	kfree(page);
	return res;
}
