@@
identifier f =~ "^squashfs_readpage_block$";
@@
 f(...) {
 <...
*grab_cache_page_nowait(...)
 ...>
 }
