// From 6.0 on the page actor knows which pages are missing.
@@
identifier actor, msblk;
expression page, pages, length;
@@
*actor = squashfs_page_actor_init_special(msblk, page, pages, length, ...);
