/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to rehearse: the stage (what of this machine is played by what in the virtual machine),
 * the scratch disk, the module that makes a kernel fault, and a run of QEMU. rehearse.c puts them
 * together; guest.c is /init inside.
 */
#ifndef US_REHEARSE_REHEARSE_INT_H
#define US_REHEARSE_REHEARSE_INT_H

#include "rehearse/rehearse.h"

#include <signal.h>
#include <sys/types.h>

/* ---- the order that /init reads from /rehearsal, and what it answers on the second serial port:
 * lines as in state.txt ---- */
#define US_REHEARSE_ORDER  "/rehearsal"
#define US_REHEARSE_KERNEL "/set/kernel"
#define US_REHEARSE_INITRD "/set/initrd"
#define US_REHEARSE_TRAP   "/set/trap.ko"
#define US_REHEARSE_OUT    "UNDERSTUDY-OUT\n" /* stands at 0 of the disk that takes the dump */

/* ---- stage.c ---- */
struct us_stage {
	const struct us_recipe_target *target; /* that is played */
	const struct us_recipe_device *device; /* its disk */
	struct us_bytes image;                 /* the very capture image, or one for the stand-in */
	struct us_capture_image *made;         /* of the stand-in */
	const char *controller;                /* "nvme": row of a table in vm.c */
	const char *cmdline;
	const char *kernel; /* path of the running kernel's image */
	bool exact;         /* the image is the very one */
	const char **not_proved;
	size_t n_not_proved;
};
struct us_err *us_stage_make(const struct us_host *host, const struct us_arming *arming,
			     struct us_pool *pool, struct us_stage *ret) us_must_check;
void us_stage_deinit(struct us_stage *stage);

/* ---- disk.c: a sparse file with a file system of the same kind and the same marks ---- */
struct us_err *us_disk_make(const char *path, const struct us_recipe_device *device, const char *fs)
	us_must_check;
/* The marks of a file system with that UUID (16 bytes); false: none that we know. */
bool us_disk_marks(const char *fs, struct us_bytes uuid, struct us_recipe_mark ret[2]);
/* Can it be made: a file system that we know, on a disk that is found by its marks? */
bool us_disk_possible(const struct us_recipe_device *device, const struct us_recipe_target *target);

/* ---- trap.c: one of the kernel's own modules whose first instructions fault, or spin with
 * interrupts off ---- */
struct us_err *us_trap_make(const char *modules_dir, enum us_crash_kind kind, struct us_blob *ret)
	us_must_check;
/* The same of one unpacked module. */
struct us_err *us_trap_patch(struct us_bytes module, enum us_crash_kind kind, struct us_blob *ret)
	us_must_check;

/* ---- vm.c ---- */
/* Signals that end the program are held from here to there, so that what a rehearsal has made is
 * removed; a machine that runs is ended by one, with an error. */
struct us_held {
	sigset_t before;
};
void us_held_begin(struct us_held *held);
void us_held_end(struct us_held *held);
struct us_vm_wish {
	const char *qemu, *kernel, *initrd, *append, *dir;
	const char *name; /* of its files in dir: NAME.console, NAME.answers, NAME.qemu */
	const char *controller, *disks[2];
	uint64_t memory_bytes;
	unsigned int cpus, timeout_s;
	unsigned int silent_s; /* within which the first answer must come; 0: any time */
	bool kvm;
	/* each line as it comes, answer: of the second port. True: press the NMI button. */
	bool (*on_line)(void *data, const char *line, bool answer);
	void *data;
};
struct us_vm_run {
	struct us_blob console, answers;
	bool timed_out, stopped; /* stopped: ended by us, a while after its last word */
	int status;              /* of QEMU */
	double seconds;
};
struct us_err *us_vm_boot(const struct us_vm_wish *wish, struct us_vm_run *ret) us_must_check;
void us_vm_run_deinit(struct us_vm_run *run);
#define _us_vm_run_deinit_ __attribute__((cleanup(us_vm_run_deinit)))
/* The controller of the table that a list of modules names; NULL if QEMU has none of them. */
const char *us_vm_controller(const char *module);
/* program run to its end, its words in the error if it fails. */
struct us_err *us_vm_run_program(const char *const *words) us_must_check;
bool us_vm_has_kvm(void);
/* A program in PATH; NULL if it is not there. */
const char *us_vm_find_program(const char *name, struct us_pool *pool);

#endif
