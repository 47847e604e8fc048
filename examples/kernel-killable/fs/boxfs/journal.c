#include "boxfs.h"

void box_journal(struct box_cache *cache)
{
	mutex_lock(&cache->lock);
	cache->unused = 1;
	mutex_unlock(&cache->lock);
}
