void prepare_to_wait(struct wait_queue_head *queue, int state)
{
	list_add(queue);
	set_current_state(state);
}
