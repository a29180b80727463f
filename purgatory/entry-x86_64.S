/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First and last instructions of the purgatory. The old kernel enters at byte 0 in long mode with
 * 4- or 5-level identity-mapped paging, interrupts off, no usable GDT or IDT and all general
 * registers zero (Linux 6.12 arch/x86/kernel/relocate_kernel_64.S). The next kernel is entered as
 * Documentation/arch/x86/boot.rst (64-bit boot protocol) asks: CS 0x10 and DS/ES/SS 0x18 flat from a
 * loaded GDT, interrupts off, rsi at boot_params, the paging mode untouched. CR0 and CR4 leave as
 * they came; only around the digest are the bits set that SSE and SHA instructions need.
 */
#if defined(__x86_64__)
#include "purgatory/asm.h"

	.code64
	.section .entry, "ax", @progbits
	.globl us_purgatory_entry
us_purgatory_entry:
	cli
	cld
	jmp	start

	/* filled in by the loader */
	.org	US_PURGATORY_PARAMS_AT
params:
	.fill	US_PURGATORY_PARAMS_SIZE, 1, 0

start:
	lea	stack_top(%rip), %rsp
	lea	gdt(%rip), %rax
	mov	%rax, gdt_base(%rip)
	lgdt	gdt_limit(%rip)
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	pushq	$0x10
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:
	mov	%cr0, %rbx
	mov	%cr4, %rbp
	mov	%rbx, %rax
	and	$~0xc, %rax		/* no EM (2), no TS (3): SSE does not fault */
	or	$0x2, %rax		/* MP (1) goes with it */
	mov	%rax, %cr0
	mov	%rbp, %rax
	or	$0x600, %rax		/* OSFXSR (9), OSXMMEXCPT (10) */
	mov	%rax, %cr4

	lea	params(%rip), %rdi
	call	us_purgatory_main	/* returns if all is well */

	mov	%rbp, %cr4
	mov	%rbx, %cr0
	mov	params + 16(%rip), %rsi	/* boot_params */
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%edi, %edi
	xor	%ebp, %ebp
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	jmp	*params + 8(%rip)	/* entry */

	/* An interrupt table without entries: the next exception resets the machine. */
	.globl us_purgatory_triple_fault
us_purgatory_triple_fault:
	lidt	no_idt(%rip)
	int3
	hlt
	jmp	us_purgatory_triple_fault

	.section .data, "aw", @progbits
	.balign	16
gdt:
	.quad	0, 0
	.quad	0x00af9a000000ffff	/* 0x10: 64-bit code */
	.quad	0x00cf92000000ffff	/* 0x18: data, 4 GiB */
gdt_end:
	.balign	16
	.skip	6
gdt_limit:
	.word	gdt_end - gdt - 1
gdt_base:
	.quad	0
no_idt:
	.word	0
	.quad	0

	.section .stack, "aw", @progbits
	.balign	16
	.skip	4096
stack_top:

	.section .note.GNU-stack, "", @progbits
#endif
