#include "boxfs.h"

static void box_cache_get(struct box_cache *cache)
{
	wait_event(cache->queue, cache->unused);
	cache->unused--;
}

static void box_cache_put(struct box_cache *cache)
{
	cache->unused++;
	wake_up(&cache->queue);
}

static int box_read_block(struct box_cache *cache)
{
	struct page *page = alloc_page(GFP_NOIO);

	return box_submit(cache, page);
}

int box_read_folio(struct file *file, struct folio *folio)
{
	struct box_cache *cache = file->private_data;
	int error;

	box_cache_get(cache);
	error = box_read_block(cache);
#ifdef CONFIG_BOXFS_JOURNAL
	box_journal(cache);
#endif
	box_cache_put(cache);
	return error;
}
