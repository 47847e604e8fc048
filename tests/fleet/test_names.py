"""The names under which all kernels' spellings of a function go."""

import pytest

from unkillable.fleet.names import canonical, family, part_of, site, tables


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # compilers
        ("squashfs_cache_get.isra.0", "squashfs_cache_get"),
        ("__alloc_pages_slowpath.constprop.0", "alloc_pages_slowpath"),
        ("do_exit.part.1", "do_exit"),
        ("oom_kill_process.cold", "oom_kill_process"),
        ("ext4_map_blocks.llvm.123", "ext4_map_blocks"),
        # helpers
        ("__wait_on_buffer", "wait_on_buffer"),
        # releases
        ("bio_await", "submit_bio_wait"),
        ("__lock_page", "__folio_lock"),
        ("__lock_page_killable", "folio_lock"),
        ("wait_on_page_bit_common", "folio_wait_bit_common"),
        ("put_and_wait_on_page_locked", "folio_put_wait_locked"),
        ("wait_on_page_writeback", "folio_wait_writeback"),
        ("generic_file_buffered_read", "filemap_read"),
        ("filemap_read_page", "filemap_read_folio"),
        ("pagecache_get_page", "__filemap_get_folio_mpol"),
        ("squashfs_readpage", "squashfs_read_folio"),
        ("squashfs_readpage", "squashfs_readahead"),
        ("squashfs_bio_read", "squashfs_read_data"),
        ("ext4_readpage", "ext4_read_folio"),
        ("mpage_readpage", "mpage_read_folio"),
        ("shrink_page_list", "shrink_folio_list"),
        ("__alloc_pages_nodemask", "__alloc_frozen_pages_noprof"),
        ("__alloc_pages_noprof", "__alloc_pages"),
        ("do_unlinkat", "filename_unlinkat"),
        ("mnt_want_write", "__sb_start_write"),
        ("do_last", "open_last_lookups"),
        # architectures
        ("__x64_sys_write", "ksys_write"),
        ("__arm64_sys_write", "sys_write"),
        ("__se_sys_write", "SyS_write"),
        ("__riscv_sys_pwrite64", "__s390x_sys_pwrite64"),
        ("__ia32_compat_sys_write", "__x64_sys_write"),
    ],
)
def test_one_function(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("squashfs_read_folio", "ext4_read_folio"),
        ("squashfs_cache_get", "squashfs_cache_put"),
        ("folio_lock", "folio_wait_writeback"),
        ("lab_do", "lab_hold"),
        ("__x64_sys_write", "__x64_sys_read"),
        ("sysfs_write", "sys_write"),
        ("filename_unlinkat", "filename_mkdirat"),
    ],
)
def test_two_functions(one, other):
    assert canonical(one) != canonical(other)


def test_the_table_is_sound():
    rows = tables().function
    others = [name for row in rows for name in row.also]
    assert len(others) == len(set(others))
    assert not {row.name for row in rows} & set(others), "a name that leads to another one"
    for row in rows:
        assert row.cite, row.name
        assert all(canonical(name) == row.name for name in (row.name, *row.also)), row.name
        assert all(canonical(cite.function) == row.name for cite in row.cite), row.name
    assert all(canonical(name) == name for row in tables().helper for name in row.names)


def test_a_site_is_the_callers():
    assert site(["__wait_on_buffer", "__bread_gfp", "ext4_find_extent"]) == "ext4_find_extent"
    assert site(["bio_await", "submit_bio_wait"]) is None
    assert site([]) is None


def test_a_family_is_the_innermost():
    assert (
        family(["submit_bio_wait", "squashfs_bio_read", "squashfs_readahead", "ovl_read_iter"]) == "squashfs"
    )
    assert family(["__wait_on_buffer", "jbd2_journal_commit_transaction", "kjournald2", "kthread"]) == "ext4"
    assert family(["alloc_pages", "handle_mm_fault"]) is None
    assert part_of("__lab_do.cold") == "lab"
    assert part_of(None) is None
