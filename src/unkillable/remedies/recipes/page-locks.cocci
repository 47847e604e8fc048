// Pages that were locked before the page actor could not be allocated stay locked for ever: `out` does not unlock them.
// Before 6.0 the actor came first, when nothing was locked yet.
@locked exists@
identifier actor;
expression page;
position p;
@@
 page = <+... grab_cache_page_nowait(...) ...+>;
 ... when any
 actor@p = squashfs_page_actor_init_special(...);

@leave@
identifier locked.actor, out;
position locked.p;
@@
 actor@p = squashfs_page_actor_init_special(...);
 if (actor == NULL)
-	goto out;
+	goto mark_errored;

@other@
identifier leave.out;
@@
 goto out;

// Nobody else went there.
@depends on leave && !other@
identifier leave.out;
expression page;
@@
-out:
 kfree(page);
