@@
identifier actor;
symbol mark_errored;
@@
 actor = squashfs_page_actor_init_special(...);
 if (actor == NULL)
*	goto mark_errored;
