/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to rehearse: the stage (what of this machine is played by what in the virtual machine),
 * the scratch disks, the module that makes a kernel fault, a run of QEMU, and the runs of a play.
 * rehearse.c puts them together; guest.c is /init inside.
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
#define US_REHEARSE_SERVER "10.0.2.100"       /* in the net of QEMU's user mode */
/*
 * Stands at 0 of the disk that brings what belongs on assembled devices, in a block of its own.
 * Pieces follow: a block with their head and then bytes, filled up to a block. The last head names
 * no device.
 */
#define US_REHEARSE_FILL "UNDERSTUDY-FILL\n"
#define US_FILL_BLOCK    4096u
struct us_fill_head {
	char device[128];
	uint64_t at, bytes;
};

/* ---- stage.c ---- */
struct us_stage {
	const struct us_recipe_target *target;  /* that is played */
	const struct us_recipe_device *devices; /* that it lies on, in order of assembly */
	size_t n_devices, n_disks;              /* disks: those that are not assembled */
	const char *const *nodes;               /* of the real ones, below the host's root */
	const char *below; /* what is assembled of them, in words; NULL: nothing is */
	bool built;        /* the target is made in a machine of its own */
	bool crypt; /* what lies below it reads zeros as noise: all of the file system counts */
	struct us_bytes image;         /* the very capture image, or one for the stand-in */
	struct us_capture_image *made; /* of the stand-in */
	const char *controller;        /* "nvme": row of a table in vm.c */
	const char *cmdline;
	const char *kernel;             /* path of the running kernel's image */
	const struct us_recipe *recipe; /* of image */
	const char *card;               /* of the network, if the target is far; else NULL */
	const struct us_far_kind *far;  /* a server of this machine plays the target; NULL: none */
	bool exact;                     /* the image is the very one */
	const char *image_words;        /* what is said of it: "this very capture image" */
	const char **not_proved;
	size_t n_not_proved;
};
/* not_built: why the target cannot be made, so that a plain disk plays it; NULL: it may be */
struct us_err *us_stage_make(const struct us_host *host, const struct us_arming *arming,
			     const char *not_built, struct us_pool *pool, struct us_stage *ret)
	us_must_check;
void us_stage_deinit(struct us_stage *stage);

/* ---- disk.c: sparse files that stand for devices ---- */
struct us_disk_wish {
	const char *path;
	const struct us_recipe_device *device;
	const char *fs;      /* made on it; NULL: none */
	uint64_t most_bytes; /* of the file, if the device is larger; 0: as large as the device */
	int real;            /* what else has to be on it is read from this one; -1: nothing is */
};
struct us_err *us_disk_make(const struct us_disk_wish *wish) us_must_check;
/* The marks of a file system with that UUID (16 bytes); false: none that we know. */
bool us_disk_marks(const char *fs, struct us_bytes uuid, struct us_recipe_mark ret[2]);
/* Is it a file system that can be made, or none at all? */
bool us_disk_possible(const struct us_recipe_target *target);
/* What is on the file at path, as pieces of the device behind what stands in fd; zeros, too: also
 * what is zero, since the device does not have it so. */
struct us_err *us_disk_pack(const char *path, const char *device, bool zeros, int fd) us_must_check;
struct us_err *us_disk_pack_begin(int fd) us_must_check;
struct us_err *us_disk_pack_end(int fd) us_must_check;

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
#define US_VM_DISKS 20
struct us_vm_wish {
	const char *qemu, *kernel, *initrd, *append, *dir;
	const char *name; /* of its files in dir: NAME.console, NAME.answers, NAME.qemu */
	const char *controller, *disks[US_VM_DISKS + 1];
	/* card NULL: no network; else nothing is reached by it but what command answers at server */
	const char *card, *mac, *server, *port, *command;
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
/* How many disks the controller takes. */
size_t us_vm_disks_max(const char *controller);
/* QEMU's network card that a module drives; NULL: it has none. */
const char *us_vm_card(const char *module);

/* ---- far.c: a server of this machine for a target over a network ---- */
struct us_far_kind;                                              /* far-int.h */
const struct us_far_kind *us_far_kind(enum us_target_kind kind); /* NULL: none can be had */
#define US_FAR_PARTS 4
struct us_far {
	const char *folder;     /* with its files; NULL: there is none */
	const char *command;    /* for a connection: speaks on standard input and output */
	const char *mac, *port; /* the guest's card; the port that it takes for the server's */
	const char *saved;      /* where crashes arrive, here */
	pid_t server;           /* runs beside the machine; 0: there is none */
	struct us_recipe_target target; /* as it is in the recipe that is laid over */
	struct us_crash_initrd_part parts[US_FAR_PARTS]; /* laid over besides */
	size_t n_parts;
};

/* ---- runs.c: the machines of one rehearsal, and the folder with their files ---- */
struct us_play {
	const struct us_host *host;
	const struct us_arming *arming;
	const struct us_rehearse_wish *wish;
	struct us_rehearsal *r;
	struct us_stage *stage;
	struct us_pool *pool;
	const char *dir, *qemu;
	bool quick; /* only whether it is saved: nobody looks at the disk */
	/* what the lines have told */
	const char *loaded, *failed, *result, *at; /* at: the stage that was last */
	const char *died;                          /* of the capture kernel */
	bool began, crashed, captured;
	bool second; /* the capture kernel speaks */
	double clock;
	uint64_t least_kb, copied; /* copied: bytes of the dump that was brought here */
	struct us_far far;
};
struct us_err *us_play_dir(struct us_play *p) us_must_check;
void us_play_remove_dir(struct us_play *p);
/* All but what is kept: the consoles, the dump, and the disks. */
void us_play_tidy_dir(struct us_play *p);
const char *us_play_path(struct us_play *p, const char *name);
struct us_err *us_play_disks(struct us_play *p) us_must_check;
/* on_line: of the machine's wish; data is p. */
typedef bool us_play_line_fn(void *data, const char *line, bool answer);
/* What the scratch disks lack is made on them; *ret_problem: why it cannot be, or NULL. */
struct us_err *us_play_make(struct us_play *p, us_play_line_fn *on_line, const char **ret_problem)
	us_must_check;
struct us_err *us_play_crash(struct us_play *p, us_play_line_fn *on_line, struct us_vm_run *run)
	us_must_check;
struct us_err *us_play_look(struct us_play *p, us_play_line_fn *on_line, struct us_vm_run *run)
	us_must_check;

/* ---- far.c again ---- */
/* The server, and the image with its address and keys. Fails with why it cannot be had. */
struct us_err *us_far_make(struct us_play *p) us_must_check;
/* What was saved: the answers as a machine that looks would give them. */
struct us_err *us_far_look(struct us_play *p, struct us_vm_run *run) us_must_check;
void us_far_remove(struct us_play *p);

/* ---- guest.c ---- */
/* Looks at the crash that was saved in folder, without a machine: answers go to fd. *ret_dump: its
 * path; NULL: there is none. */
struct us_err *us_guest_look_here(int fd, const char *folder, struct us_pool *pool,
				  const char **ret_dump) us_must_check;

/* ---- guest-stack.c ---- */
/* Target 0 of the recipe, as a node; fill: what belongs on each device is put there as it comes up. */
struct us_err *us_guest_stack(struct us_recipe *recipe, bool fill, struct us_pool *pool,
			      const char **ret_node) us_must_check;
/* The disk at whose beginning these bytes stand; US_ERR_NOT_FOUND. */
struct us_err *us_guest_find(const char *mark, struct us_pool *pool, const char **ret)
	us_must_check;
/* The subvolume of the target's options on the file system of node. */
struct us_err *us_guest_subvolume(const struct us_recipe_target *target, const char *node)
	us_must_check;
/* Scratch keys "user NAME" or "logon NAME" of that many bytes in this process's keyring. */
struct us_err *us_guest_key(const char *type, const char *name, size_t bytes) us_must_check;
/* Its name is given to crash_dm_crypt_keys, for the volume. */
struct us_err *us_guest_hand_key(const char *volume, const char *name) us_must_check;

#endif
