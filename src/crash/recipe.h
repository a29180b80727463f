/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the capture kernel is to do, in order. Made while arming, put in the capture image as the
 * file /recipe (one statement a line: recipe.c), followed by PID 1 (capture.c) there. It holds no
 * secrets; those are files beside it.
 */
#ifndef US_CRASH_RECIPE_H
#define US_CRASH_RECIPE_H

#include "base/pool.h"
#include "target/target.h"

#define US_RECIPE_PATH "/recipe"
#define US_RECIPE_LAST (-2) /* of a module: wanted only where no target holds */

struct us_recipe_module {
	const char *file;      /* in the capture image: /m/ext4.ko; in order of loading */
	uint64_t bytes;        /* unpacked: the file is one lzo1x block; 0: it is as it is loaded */
	const char *params;    /* "" if none */
	const char *feature;   /* what needs it: "base", "target 0"...: reports name it */
	int target;            /* index of the only target that needs it; -1: several or all;
				  US_RECIPE_LAST */
	unsigned int budget_s; /* after this it is abandoned, and we go on without it */
};

/* Bytes that stand on a device: how it is known whatever its name is today (the UUID of a file
 * system, of an LVM physical volume, of an md member; our own mark on a raw partition). */
struct us_recipe_mark {
	uint64_t at;
	struct us_bytes bytes; /* up to 64 */
};

enum us_recipe_device_kind {
	US_DEVICE_FOUND, /* a disk or partition, found by its marks */
	US_DEVICE_DM,    /* assembled from its table: LVM, LUKS, multipath */
	US_DEVICE_MD,
};
struct us_recipe_device {
	const char *name; /* "d0": what tables and targets call it; DM: /dev/mapper/NAME of today */
	enum us_recipe_device_kind kind;
	const struct us_recipe_mark *marks; /* all must hold; of DM and MD: checked once assembled */
	size_t n_marks;
	uint64_t bytes; /* size; 0 = not compared */
	/* DM: lines "START LENGTH TYPE PARAMS" with ${NAME} for each device below; MD: members */
	const char *const *table; /* NULL-terminated */
	const char *uuid;         /* DM */
	/* names, NULL-terminated. MD: what it is made of; FOUND: the device that has to be
	 * assembled before, since this is a partition of it */
	const char *const *members;
	unsigned int md_major, md_minor; /* MD: metadata version 1.2 etc. */
	/* DM of LVM: the logical volume's part of the volume group's metadata on device lvm_pv must
	 * have this hash (us_lvm_hash), else its extents have moved: refused */
	const char *lvm_pv, *lvm_lv, *lvm_hash;
	bool needs_keys; /* DM crypt: by crash_dm_crypt_keys */
};

struct us_recipe_mount {
	const char *device;         /* name above; NULL for NFS */
	const char *type, *options; /* "ext4", "" */
};

struct us_recipe_net {
	const char *mac;                /* how the interface is known */
	const char *address;            /* "10.0.2.15/24" or IPv6; NULL: DHCP is not done */
	const char *gateway;            /* or NULL */
	const char *const *nameservers; /* NULL-terminated */
	const char *name;               /* today's, for reports */
	unsigned int vlan;              /* the address is on this VLAN of it; 0: on itself */
};

struct us_recipe_target {
	struct us_target_spec spec;  /* paths as in the capture image */
	const char *device;          /* DIR, RAW: name of a device; DIR without one: by hand only */
	const char *fs, *fs_options; /* DIR; NFS has its own in spec */
	bool network;
};

struct us_recipe {
	struct us_pool pool;
	const char *host_tag;                        /* nodename at arm time, for reports */
	const char *armed_release, *capture_release; /* the pair */
	const struct us_recipe_module *modules;
	size_t n_modules;
	const struct us_recipe_device *devices; /* in order of assembly */
	size_t n_devices;
	const struct us_recipe_net *nets;
	size_t n_nets;
	const struct us_recipe_target *targets; /* in order of preference */
	size_t n_targets;
	/* policy */
	unsigned int level, jobs;
	const char *codec;
	struct us_keep_policy keep;
	const char *pre, *post;               /* hooks in the image, NULL: none */
	unsigned int hook_budget_s, budget_s; /* budget_s: of all, then reboot */
	const char *final;                    /* "reboot", "poweroff", "halt" */
	const char *watchdog;                 /* "/dev/watchdog" or NULL */
	const char *webhook;                  /* URL or NULL */
	const char *fence_nodes;              /* space separated, NULL: none */
	unsigned int fence_port;
};

/* Text <-> recipe. US_ERR_BAD_DATA with the line. */
struct us_err *us_recipe_write(const struct us_recipe *recipe, char **ret) us_must_check;
struct us_err *us_recipe_parse(struct us_bytes text, struct us_recipe **ret) us_must_check;
void us_recipe_free(struct us_recipe *recipe);
static inline void us_recipe_freep(struct us_recipe **recipe)
{
	us_recipe_free(*recipe);
}
#define _us_recipe_free_ __attribute__((cleanup(us_recipe_freep)))

#endif
