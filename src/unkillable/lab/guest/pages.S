/*
 * PAGES functions, one at the start of each page of 4 KiB: each returns at once.  What fills the page up comes from noise.bin,
 * which the build makes from a seed: the same bytes on every architecture, and as compressible as machine code.
 */
#if defined(__x86_64__) || defined(__aarch64__) || defined(__riscv)
#define RETURN ret
#elif defined(__arm__)
	.arm
#define RETURN bx lr
#elif defined(__mips__)
	.set noreorder
#define RETURN jr $31; nop
#else
#error "how does a function return here?"
#endif

	.section .text.pages, "ax", %progbits
	.balign 4096
	.globl pages
pages:
	.set number, 0
	.rept PAGES
	RETURN
	.balign 16
	.incbin "noise.bin", number * 4080, 4080
	.set number, number + 1
	.endr

	.section .note.GNU-stack, "", %progbits
