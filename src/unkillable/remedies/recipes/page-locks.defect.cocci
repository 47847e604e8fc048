@locked exists@
identifier actor;
expression page;
position p;
@@
 page = <+... grab_cache_page_nowait(...) ...+>;
 ... when any
 actor@p = squashfs_page_actor_init_special(...);

@@
identifier locked.actor, out != mark_errored;
position locked.p;
@@
 actor@p = squashfs_page_actor_init_special(...);
 if (actor == NULL)
*	goto out;
