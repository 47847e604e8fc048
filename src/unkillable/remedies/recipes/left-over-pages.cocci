@@
identifier f =~ "^squashfs_readpage_block$";
@@
 f(...) {
 <...
-grab_cache_page_nowait
+squashfs_grab_new_page
	(...)
 ...>
 }
