#include "boxfs.h"

static int box_open(struct inode *inode, struct file *file)
{
	struct box_cache *cache = file->private_data;

	wait_event_killable(cache->queue, cache->unused);
	return mutex_lock_killable(&cache->lock);
}

static const struct address_space_operations box_aops = {
	.read_folio = box_read_folio,
};

static const struct file_operations box_file_operations = {
	.open = box_open,
};

static int init_boxfs(void)
{
	return register_filesystem(&box_type);
}
