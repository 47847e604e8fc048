struct box_cache {
	struct wait_queue_head queue;
	struct mutex lock;
	int unused;
};
