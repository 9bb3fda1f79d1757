/* Everything below an open directory, as columns; and whether directories are still what they were.

   Called by tree.py, which says what is asked and what is answered; tree_slowly.py does the same without a compiler.
   Nothing here is Python's, so that other threads run meanwhile. No symlink is followed, no mount entered. */

#define _GNU_SOURCE
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define VERSION 2 /* as in tree.py; both go up with any change of what is asked or answered */
#define OPENAT2 437
#define GETXATTRAT 464
#define LISTXATTRAT 465
#define RESOLVE (0x01 | 0x04 | 0x08) /* no other mount, no symlink, beneath */
#define WANTED (STATX_BASIC_STATS | STATX_BTIME | MNT_ID)
#define MNT_ID 0x1000
#define HELD_OPEN 64
#define TRIES 5
#define LIST_ROOM 65536
#define NAME_ROOM 4096 /* FUSE knows names of more than 255 bytes; the kernel shows none longer than this */
#define PROC_ROOM (NAME_ROOM + 32)
#define TARGET_ROOM 4096
#define TORN_ROOM 64
#define MOST_KNOWN ((int64_t)1 << 40)

enum { FILE_ = 1, DIRECTORY = 2, SYMLINK = 3, OTHER = 4, BOUNDARY = 5 };
enum { NOTHING = 0, ENTRY = 1, CHILDREN = 2 };
enum { FULL = 1, GONE = 2 };

struct identity { uint64_t inode; int64_t born_ns; };

struct block {
    uint64_t *inode; int64_t *born_ns; uint64_t *parent_inode; int64_t *parent_born_ns;
    int64_t *size, *mtime_ns, *ctime_ns;
    uint32_t *uid, *gid, *links, *depth;
    int32_t *name_ends, *target_ends, *extra_ends;
    uint8_t *names, *targets, *extras;
    uint16_t *mode; uint8_t *kind, *unknown;
    struct identity *torn;
    int64_t rows_room, names_room, targets_room, extras_room;
    int64_t rows, torn_count;
};

struct asked {
    int64_t sure_ns;
    const struct identity *hidden, *nested;
    int64_t hidden_count, nested_count;
    int64_t descend;
    /* of the top itself, where that lies in something: else its depth is 0 and its name "" */
    int64_t depth; struct identity parent; const char *name;
    const struct known *known;
};

/* Fingerprints of inodes, with their ctimes; 0 is a free slot. */
struct known { uint64_t *slots, mask; int64_t room; };

struct entry { const char *name; uint64_t inode; uint8_t type; };

struct level {
    int descriptor;
    uint32_t major, minor; uint64_t mount;
    struct identity self;
    char *name;             /* below the level above */
    char *text; struct entry *entries; size_t count, at;
};

struct chain { struct level *levels; size_t depth, room; };

struct walk { struct chain chain; struct asked asked; int begun; char *list; };

/* What was learned of an entry, before it becomes a row. */
struct look {
    struct statx stat;
    int64_t born_ns;
    size_t target, extras;  /* bytes that lie behind the last row's */
    uint8_t kind, unknown;
};

struct how { uint64_t flags, mode, resolve; };

/* Anybody may give a file a time that 64 bits have no nanoseconds for: it counts as the last, or the first, that has. */
static int64_t nanoseconds(struct statx_timestamp time)
{
    int64_t whole;
    if (__builtin_mul_overflow((int64_t)time.tv_sec, (int64_t)1000000000, &whole) ||
        __builtin_add_overflow(whole, (int64_t)time.tv_nsec, &whole)) return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return whole;
}

static int same_identity(struct identity one, struct identity other)
{
    return one.inode == other.inode && one.born_ns == other.born_ns;
}

static int among(const struct identity *some, int64_t count, struct identity which)
{
    for (int64_t i = 0; i < count; i++)
        if (same_identity(some[i], which)) return 1;
    return 0;
}

/* Generation below 0, for filesystems without birth times; nothing is opened to ask for it. */
static int64_t generation(int at, const char *name, int flags)
{
    struct { struct file_handle head; unsigned char room[128]; } handle;
    int mount;
    uint32_t told = 0;
    handle.head.handle_bytes = sizeof handle.room;
    if (name_to_handle_at(at, name, &handle.head, &mount, flags & AT_EMPTY_PATH)) return 0;
    if (handle.head.handle_type == 1 && handle.head.handle_bytes >= 8) memcpy(&told, handle.head.f_handle + 4, 4);
    if (handle.head.handle_type == 0x81 && handle.head.handle_bytes >= 12) memcpy(&told, handle.head.f_handle + 8, 4);
    return -(int64_t)told;
}

static int stat_at(int at, const char *name, struct statx *into, int64_t *born_ns)
{
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);
    if (statx(at, name, flags, WANTED, into)) return -errno;
    *born_ns = into->stx_mask & STATX_BTIME ? nanoseconds(into->stx_btime) : 0;
    if (!*born_ns) *born_ns = generation(at, name, flags);
    return 0;
}

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

/* Say whether kernel (5.6) and container let us: asked of "/", for of a directory of others EPERM may mean anything. */
static int has_openat2(void)
{
    static volatile int known; /* 1 yes, -1 no; whoever asks at the same time finds the same */
    if (!known) {
        struct how how = {O_PATH | O_CLOEXEC, 0, 0};
        int opened = (int)syscall(OPENAT2, AT_FDCWD, "/", &how, sizeof how);
        if (opened < 0 && errno != ENOSYS && errno != EPERM) return 1; /* that tells nothing: next time */
        if (opened >= 0) close(opened);
        known = opened >= 0 ? 1 : -1;
    }
    return known > 0;
}

static int open_directory(int at, const char *name)
{
    int opened;
    if (has_openat2()) {
        struct how how = {DIRECTORY_FLAGS, 0, RESOLVE};
        opened = (int)syscall(OPENAT2, at, name, &how, sizeof how);
    } else {
        opened = openat(at, name, DIRECTORY_FLAGS); /* of one name, it is beneath; who calls compares the mounts */
    }
    return opened < 0 ? -errno : opened;
}

/* --- the directories from the top down to where we are --- */

static struct level *push(struct chain *chain, const char *name)
{
    if (chain->depth == chain->room) {
        size_t room = chain->room ? chain->room * 2 : 64;
        struct level *more = realloc(chain->levels, room * sizeof *more);
        if (!more) return NULL;
        chain->levels = more;
        chain->room = room;
    }
    struct level *level = &chain->levels[chain->depth];
    memset(level, 0, sizeof *level);
    level->descriptor = -1;
    if (!(level->name = strdup(name))) return NULL;
    chain->depth++;
    return level;
}

static void forget(struct level *level)
{
    if (level->descriptor >= 0) close(level->descriptor);
    level->descriptor = -1;
}

static void pop(struct chain *chain)
{
    struct level *level = &chain->levels[--chain->depth];
    forget(level);
    free(level->name);
    free(level->text);
    free(level->entries);
}

/* Leave the deepest level. The one above it, if it was let go of, is reached from here: from the top it would be as many
   steps as it is deep, and a tree of n levels would take n * n. Where another lies above by now, `hold` finds out. */
static void climb(struct chain *chain)
{
    struct level *level = &chain->levels[chain->depth - 1], *above = level - 1;
    if (chain->depth > 1 && above->descriptor < 0 && level->descriptor >= 0) {
        struct statx found;
        struct identity self;
        int opened = openat(level->descriptor, "..", DIRECTORY_FLAGS);
        if (opened >= 0 && !stat_at(opened, "", &found, &self.born_ns)) {
            self.inode = found.stx_ino;
            if (same_identity(self, above->self)) above->descriptor = opened, opened = -1;
        }
        if (opened >= 0) close(opened);
    }
    pop(chain);
}

static void clear(struct chain *chain)
{
    while (chain->depth) pop(chain);
    free(chain->levels);
}

/* Hold the level open, and of those above it the nearest and the top: return its descriptor, or -errno. */
static int hold(struct chain *chain, size_t which)
{
    size_t nearest = which;
    while (chain->levels[nearest].descriptor < 0) nearest--; /* the top always is open */
    for (size_t i = nearest + 1; i <= which; i++) {
        struct level *level = &chain->levels[i];
        struct statx found;
        struct identity self;
        int opened = open_directory(chain->levels[i - 1].descriptor, level->name);
        if (opened < 0) return opened;
        int error = stat_at(opened, "", &found, &self.born_ns);
        if (!error) {
            self.inode = found.stx_ino;
            if (!same_identity(self, level->self)) error = -ESTALE;
        }
        if (error) {
            close(opened);
            return error;
        }
        level->descriptor = opened;
        if (i > HELD_OPEN) forget(&chain->levels[i - HELD_OPEN]);
    }
    return chain->levels[which].descriptor;
}

/* --- what is attached to an entry --- */

static volatile int no_xattrat;

static ssize_t list_attributes(int at, const char *name, char *list, size_t room)
{
    if (!*name) return flistxattr(at, list, room);
    if (!no_xattrat) {
        ssize_t size = syscall(LISTXATTRAT, at, name, AT_SYMLINK_NOFOLLOW, list, room);
        if (size >= 0 || (errno != ENOSYS && errno != EPERM)) return size;
        no_xattrat = 1; /* before Linux 6.13 */
    }
    char path[PROC_ROOM];
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", at, name);
    return llistxattr(path, list, room);
}

static ssize_t get_attribute(int at, const char *name, const char *attribute, void *value, size_t room)
{
    if (!*name) return fgetxattr(at, attribute, value, room);
    if (!no_xattrat) {
        struct { uint64_t value; uint32_t size, flags; } into = {(uint64_t)(uintptr_t)value, (uint32_t)room, 0};
        return syscall(GETXATTRAT, at, name, AT_SYMLINK_NOFOLLOW, attribute, &into, sizeof into);
    }
    char path[PROC_ROOM];
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", at, name);
    return lgetxattr(path, attribute, value, room);
}

static int is_wanted(const char *attribute)
{
    if (!strncmp(attribute, "user.", 5)) return strncmp(attribute + 5, "argosy.", 7);
    return !strcmp(attribute, "trusted.argosy") || !strcmp(attribute, "system.posix_acl_access") ||
           !strcmp(attribute, "system.posix_acl_default");
}

/* Write those wanted: length of the name in 2 bytes, of the value in 4, name, value. Return their bytes or -errno. */
static int64_t read_attributes(int at, const char *name, char *list, uint8_t *into, int64_t room)
{
    /* Only how long the list is, first: for the list itself the kernel takes as much memory as it is given room. */
    ssize_t size = list_attributes(at, name, NULL, 0);
    if (size > 0) size = list_attributes(at, name, list, LIST_ROOM);
    int64_t used = 0;
    if (size < 0) return errno == EOPNOTSUPP ? 0 : -errno;
    list[size] = 0; /* what the last name ends with, whatever the filesystem says */
    for (char *attribute = list; attribute < list + size; attribute += strlen(attribute) + 1) {
        if (!is_wanted(attribute)) continue;
        uint16_t length = (uint16_t)strlen(attribute);
        int64_t head = used + 6 + length;
        if (head + 65536 > room) return -ENOBUFS;
        ssize_t got = get_attribute(at, name, attribute, into + head, 65536);
        if (got < 0 && errno == ENODATA) continue; /* it went just now: so the ctime is another */
        if (got < 0) return -errno;
        uint32_t told = (uint32_t)got;
        memcpy(into + used, &length, 2);
        memcpy(into + used + 2, &told, 4);
        memcpy(into + used + 6, attribute, length);
        used = head + got;
    }
    return used;
}

/* --- what is known of an earlier scan --- */

static uint64_t mixed(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static uint64_t fingerprint(uint64_t inode, int64_t born_ns, int64_t ctime_ns)
{
    uint64_t value = mixed(mixed(mixed(inode + 1) + (uint64_t)born_ns) + (uint64_t)ctime_ns);
    return value ? value : 1;
}

static uint64_t *slot_of(const struct known *known, uint64_t print)
{
    uint64_t at = print & known->mask;
    while (known->slots[at] && known->slots[at] != print) at = (at + 1) & known->mask;
    return &known->slots[at];
}

void *argosy_known_begin(int64_t count)
{
    uint64_t room = 64;
    if (count < 0 || count > MOST_KNOWN) return NULL;
    struct known *known = calloc(1, sizeof *known);
    while (room * 3 / 4 < (uint64_t)count) room *= 2;
    if (known && (known->slots = calloc(room, sizeof *known->slots))) {
        known->mask = room - 1;
        known->room = (int64_t)(room * 3 / 4);
        return known;
    }
    free(known);
    return NULL;
}

void argosy_known_add(struct known *known, const uint64_t *inode, const int64_t *born_ns, const int64_t *ctime_ns,
                      int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint64_t print = fingerprint(inode[i], born_ns[i], ctime_ns[i]), *slot = slot_of(known, print);
        if (!*slot && --known->room < 0) return; /* an index that tells of fewer rows than it has; full, none is found */
        *slot = print;
    }
}

void argosy_known_end(struct known *known)
{
    free(known->slots);
    free(known);
}

/* --- entries --- */

static uint8_t kind_of(uint32_t mode)
{
    return S_ISREG(mode) ? FILE_ : S_ISDIR(mode) ? DIRECTORY : S_ISLNK(mode) ? SYMLINK : OTHER;
}

/* Look at the inode alone; say whether it is known to have nothing attached, by its ctime. */
static int is_known(const struct walk *walk, int at, const char *name, struct look *look)
{
    if (!walk->asked.known || stat_at(at, name, &look->stat, &look->born_ns)) return 0;
    int64_t changed = nanoseconds(look->stat.stx_ctime);
    if (changed >= walk->asked.sure_ns) return 0;
    look->kind = kind_of(look->stat.stx_mode);
    look->unknown = NOTHING;
    look->target = look->extras = 0;
    return *slot_of(walk->asked.known, fingerprint(look->stat.stx_ino, look->born_ns, changed)) != 0;
}

/* Look at what is attached first and at the inode then. Where that has not changed since long before, both are of one
   moment; else again, until what is attached was read between two looks at an unchanged inode. */
static int look_at(struct walk *walk, struct block *block, int at, const char *name, uint8_t type, struct look *look)
{
    struct look before;
    before.stat.stx_ino = 0, before.born_ns = 0;
    if (type != DT_LNK && is_known(walk, at, name, look)) return 0;
    int64_t extras_begin = block->extra_ends[block->rows], targets_begin = block->target_ends[block->rows];
    for (int i = 0; i < TRIES; i++) {
        int64_t extras = 0, target = 0;
        if (type != DT_LNK) {
            extras = read_attributes(at, name, walk->list, block->extras + extras_begin,
                                     block->extras_room - extras_begin);
            if (extras == -ENOBUFS && block->rows) return FULL;
        }
        if (*name && (type == DT_LNK || type == DT_UNKNOWN)) {
            if (block->targets_room - targets_begin < TARGET_ROOM) return FULL;
            target = readlinkat(at, name, (char *)block->targets + targets_begin, TARGET_ROOM);
        }
        int error = stat_at(at, name, &look->stat, &look->born_ns);
        if (error == -ENOENT) return GONE;
        if (error) return error;
        look->kind = kind_of(look->stat.stx_mode);
        look->extras = extras > 0 ? (size_t)extras : 0;
        look->target = look->kind == SYMLINK && target > 0 ? (size_t)target : 0;
        int failed = extras < 0 || (look->kind == SYMLINK ? target <= 0 : type == DT_LNK);
        look->unknown = failed ? ENTRY : NOTHING;
        int64_t changed = nanoseconds(look->stat.stx_ctime);
        if (changed < walk->asked.sure_ns && !failed) return 0;
        if (i && look->stat.stx_ino == before.stat.stx_ino && look->born_ns == before.born_ns &&
            changed == nanoseconds(before.stat.stx_ctime)) return 0;
        if (look->kind == SYMLINK) type = DT_LNK;
        else if (type == DT_LNK) type = DT_UNKNOWN;
        before = *look;
    }
    look->unknown = ENTRY;
    return 0;
}

static int has_room(const struct block *block, size_t name)
{
    return block->rows < block->rows_room && block->name_ends[block->rows] + (int64_t)name <= block->names_room;
}

static void add_row(struct walk *walk, struct block *block, const char *name, const struct look *look)
{
    int64_t row = block->rows++;
    size_t length = strlen(name), depth = walk->chain.depth;
    struct identity self = {look->stat.stx_ino, look->born_ns};
    struct identity parent = depth ? walk->chain.levels[depth - 1].self : walk->asked.depth ? walk->asked.parent : self;
    int sized = look->kind == FILE_ || look->kind == SYMLINK;
    block->inode[row] = self.inode;
    block->born_ns[row] = self.born_ns;
    block->parent_inode[row] = parent.inode;
    block->parent_born_ns[row] = parent.born_ns;
    block->size[row] = !sized ? 0 : look->stat.stx_size > INT64_MAX ? INT64_MAX : (int64_t)look->stat.stx_size;
    block->mtime_ns[row] = nanoseconds(look->stat.stx_mtime);
    block->ctime_ns[row] = nanoseconds(look->stat.stx_ctime);
    block->uid[row] = look->stat.stx_uid;
    block->gid[row] = look->stat.stx_gid;
    block->links[row] = look->stat.stx_nlink;
    block->mode[row] = look->stat.stx_mode & 07777;
    block->depth[row] = (uint32_t)(depth + (size_t)walk->asked.depth);
    block->kind[row] = look->kind;
    block->unknown[row] = look->unknown;
    memcpy(block->names + block->name_ends[row], name, length);
    block->name_ends[row + 1] = block->name_ends[row] + (int32_t)length;
    int attached = look->unknown != ENTRY && look->kind != BOUNDARY;
    block->target_ends[row + 1] = block->target_ends[row] + (int32_t)(attached ? look->target : 0);
    block->extra_ends[row + 1] = block->extra_ends[row] + (int32_t)(attached ? look->extras : 0);
}

static uint8_t kind_of_type(uint8_t type)
{
    return type == DT_REG ? FILE_ : type == DT_DIR ? DIRECTORY : type == DT_LNK ? SYMLINK : OTHER;
}

/* A row for what could not be looked at: its name, its parent, and what the listing said of it. */
static void add_unknown(struct walk *walk, struct block *block, const struct entry *entry, uint8_t kind)
{
    struct look look;
    memset(&look, 0, sizeof look);
    look.stat.stx_ino = entry->inode;
    look.kind = kind;
    look.unknown = kind == BOUNDARY ? NOTHING : ENTRY;
    add_row(walk, block, entry->name, &look);
}

static int is_elsewhere(const struct level *above, const struct statx *found, uint8_t kind)
{
    if ((found->stx_mask & MNT_ID) && above->mount && found->stx_mnt_id != above->mount) return 1;
    return kind == DIRECTORY && (found->stx_dev_major != above->major || found->stx_dev_minor != above->minor);
}

/* --- listing --- */

struct dirent_ { uint64_t d_ino; int64_t d_off; uint16_t d_reclen; uint8_t d_type; char d_name[]; };

static int by_name(const void *one, const void *other)
{
    return strcmp(((const struct entry *)one)->name, ((const struct entry *)other)->name);
}

static void *grown(void *old, size_t *room, size_t needed, size_t each)
{
    if (needed <= *room) return old;
    size_t more = *room ? *room * 2 : 64;
    while (more < needed) more *= 2;
    void *new = realloc(old, more * each);
    if (new) *room = more;
    return new;
}

static long read_names(int descriptor, char *buffer, size_t room)
{
    long got;
    do got = syscall(SYS_getdents64, descriptor, buffer, room);
    while (got < 0 && errno == EINTR); /* FUSE and NFS, when a signal comes: nothing was read then */
    return got;
}

static int keep_name(struct level *level, const struct dirent_ *found, size_t *text, size_t *room, size_t *entries)
{
    size_t length = strlen(found->d_name) + 1;
    char *more = grown(level->text, room, *text + length, 1);
    if (!more) return -ENOMEM;
    level->text = more;
    struct entry *rows = grown(level->entries, entries, level->count + 1, sizeof *rows);
    if (!rows) return -ENOMEM;
    level->entries = rows;
    memcpy(level->text + *text, found->d_name, length);
    level->entries[level->count++] = (struct entry){(const char *)(uintptr_t)*text, found->d_ino, found->d_type};
    *text += length;
    return 0;
}

/* A name that goes and comes again while names are read is told twice by some filesystems. */
static void drop_doubles(struct level *level)
{
    size_t kept = 0;
    for (size_t i = 0; i < level->count; i++) {
        struct entry *last = kept ? &level->entries[kept - 1] : NULL;
        if (!last || strcmp(last->name, level->entries[i].name)) level->entries[kept++] = level->entries[i];
        else if (last->type != level->entries[i].type) last->type = DT_UNKNOWN;
    }
    level->count = kept;
}

/* Read all names, sorted. Where that goes wrong half way there are none. */
static int list_names(struct level *level)
{
    _Alignas(8) char buffer[65536];
    size_t text = 0, room = 0, entries = 0;
    long got;
    while ((got = read_names(level->descriptor, buffer, sizeof buffer)) > 0)
        for (char *at = buffer; at < buffer + got; at += ((struct dirent_ *)at)->d_reclen) {
            struct dirent_ *found = (struct dirent_ *)at;
            if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, "..")) continue;
            if (keep_name(level, found, &text, &room, &entries)) return -ENOMEM;
        }
    if (got < 0 && errno != ENOENT) {
        level->count = 0;
        return -errno;
    }
    for (size_t i = 0; i < level->count; i++)
        level->entries[i].name = level->text + (uintptr_t)level->entries[i].name;
    if (level->count > 1) qsort(level->entries, level->count, sizeof *level->entries, by_name);
    drop_doubles(level);
    return 0;
}

/* --- the walk --- */

/* Show the open directory, and go down into it. `descriptor` is the walk's from now on. */
static int enter(struct walk *walk, struct block *block, int descriptor, const char *name)
{
    struct look look;
    memset(&look, 0, sizeof look);
    int error = look_at(walk, block, descriptor, "", DT_DIR, &look);
    struct identity self = {look.stat.stx_ino, look.born_ns};
    const struct level *above = walk->chain.depth ? &walk->chain.levels[walk->chain.depth - 1] : NULL;
    if (!error && above && among(walk->asked.hidden, walk->asked.hidden_count, self)) error = GONE;
    if (error || (above && (is_elsewhere(above, &look.stat, DIRECTORY) ||
                            among(walk->asked.nested, walk->asked.nested_count, self)))) {
        close(descriptor);
        if (error) return error;
        look.kind = BOUNDARY;
        add_row(walk, block, name, &look);
        return 0;
    }
    struct level *level = push(&walk->chain, name);
    if (!level) {
        close(descriptor);
        return -ENOMEM;
    }
    level->descriptor = descriptor;
    level->self = self;
    level->major = look.stat.stx_dev_major;
    level->minor = look.stat.stx_dev_minor;
    level->mount = look.stat.stx_mask & MNT_ID ? look.stat.stx_mnt_id : 0;
    error = list_names(level);
    if (error == -ENOMEM) return error;
    if (error && look.unknown == NOTHING) look.unknown = CHILDREN;
    walk->chain.depth--; /* its own row is of the level above */
    add_row(walk, block, name, &look);
    walk->chain.depth++;
    if (walk->chain.depth > HELD_OPEN + 1) forget(&walk->chain.levels[walk->chain.depth - 1 - HELD_OPEN]);
    return 0;
}

/* Show an entry that is not gone into. */
static int show(struct walk *walk, struct block *block, int at, const struct entry *entry, int unreadable)
{
    struct look look;
    const struct level *above = &walk->chain.levels[walk->chain.depth - 1];
    int result = look_at(walk, block, at, entry->name, entry->type, &look);
    if (result == GONE || result == FULL) return result;
    if (result) {
        add_unknown(walk, block, entry, kind_of_type(entry->type));
        return 0;
    }
    struct identity self = {look.stat.stx_ino, look.born_ns};
    if (look.kind == DIRECTORY && among(walk->asked.hidden, walk->asked.hidden_count, self)) return GONE;
    if (is_elsewhere(above, &look.stat, look.kind) ||
        (look.kind == DIRECTORY && among(walk->asked.nested, walk->asked.nested_count, self)))
        look.kind = BOUNDARY;
    else if (look.kind == DIRECTORY && unreadable && look.unknown == NOTHING)
        look.unknown = CHILDREN;
    add_row(walk, block, entry->name, &look);
    return 0;
}

static int is_fatal(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

/* Go one name on: 0, FULL, or -errno. */
static int step(struct walk *walk, struct block *block)
{
    struct level *level = &walk->chain.levels[walk->chain.depth - 1];
    const struct entry *entry = &level->entries[level->at];
    if (!has_room(block, strlen(entry->name))) return FULL;
    int at = hold(&walk->chain, walk->chain.depth - 1);
    if (is_fatal(at)) return at;
    if (at < 0) { /* somebody moved it away while we were below it */
        if (block->torn_count == TORN_ROOM) return FULL;
        block->torn[block->torn_count++] = level->self;
        level->at = level->count;
        return 0;
    }
    int result;
    if ((entry->type == DT_DIR || entry->type == DT_UNKNOWN) && walk->asked.descend) {
        int opened = open_directory(at, entry->name);
        if (is_fatal(opened)) return opened;
        if (opened >= 0) {
            size_t index = walk->chain.depth - 1;
            result = enter(walk, block, opened, entry->name);
            level = &walk->chain.levels[index]; /* it may lie elsewhere now */
        } else if (opened == -EXDEV) {
            result = show(walk, block, at, entry, 0);
            if (result == GONE || result == FULL) return result == FULL ? FULL : (level->at++, 0);
            block->kind[block->rows - 1] = BOUNDARY;
            block->unknown[block->rows - 1] = NOTHING;
        } else if (opened == -ENOENT) {
            result = GONE;
        } else {
            result = show(walk, block, at, entry, opened != -ENOTDIR && opened != -ELOOP);
        }
    } else {
        result = show(walk, block, at, entry, 0);
    }
    if (result == FULL || is_fatal(result)) return result;
    if (result < 0) add_unknown(walk, block, entry, kind_of_type(entry->type));
    level->at++;
    return 0;
}

/* --- prints of rows: see snapshots/prints.py, which does the same --- */

static uint64_t folded(uint64_t made, uint64_t word)
{
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    unsigned __int128 product = (unsigned __int128)(made ^ word ^ odd) * odd;
    uint64_t turned = (uint64_t)product ^ (uint64_t)(product >> 64);
    return turned << 23 | turned >> 41;
}

void argosy_print_numbers(uint64_t *made, const uint64_t *numbers, int64_t rows)
{
    for (int64_t row = 0; row < rows; row++) made[row] = folded(made[row], numbers[row]);
}

/* `ends` has one value more than there are rows: where each begins, and where the last ends. */
void argosy_print_bytes(uint64_t *made, const int32_t *ends, const uint8_t *bytes, int64_t rows)
{
    for (int64_t row = 0; row < rows; row++) {
        int32_t at = ends[row], end = ends[row + 1];
        uint64_t print = folded(made[row], (uint64_t)(end - at));
        for (; at < end; at += 8) {
            uint64_t word = 0;
            memcpy(&word, bytes + at, end - at < 8 ? (size_t)(end - at) : 8);
            print = folded(print, le64toh(word));
        }
        made[row] = print;
    }
}

int argosy_version(void) { return VERSION; }

void argosy_tree_end(struct walk *walk)
{
    if (walk->begun >= 0) close(walk->begun);
    clear(&walk->chain);
    free(walk->list);
    free(walk);
}

/* Return a walk, or NULL, and errno says why. */
void *argosy_tree_begin(int top, const struct asked *asked)
{
    struct walk *walk = calloc(1, sizeof *walk);
    if (!walk) return NULL;
    walk->asked = *asked;
    walk->list = malloc(LIST_ROOM + 1);
    walk->begun = open_directory(top, "."); /* one that was duplicated would go on reading where the other was */
    if (walk->list && walk->begun >= 0) return walk;
    int error = walk->begun < 0 ? -walk->begun : ENOMEM;
    argosy_tree_end(walk);
    errno = error;
    return NULL;
}

/* Fill the block with the next rows: 1 where more may come, 0 at the end, or -errno. */
int argosy_tree_next(struct walk *walk, struct block *block)
{
    block->rows = block->torn_count = 0;
    block->name_ends[0] = block->target_ends[0] = block->extra_ends[0] = 0;
    if (walk->begun >= 0) {
        int descriptor = walk->begun;
        walk->begun = -1;
        int error = enter(walk, block, descriptor, walk->asked.name);
        if (error) return error < 0 ? error : -ENOENT;
    }
    while (walk->chain.depth) {
        struct level *level = &walk->chain.levels[walk->chain.depth - 1];
        if (level->at == level->count) {
            climb(&walk->chain);
            continue;
        }
        int result = step(walk, block);
        if (result == FULL) return 1;
        if (result < 0) return result;
    }
    return 0;
}

/* --- whether directories are still what they were --- */

void argosy_check_end(struct chain *chain)
{
    clear(chain);
    free(chain);
}

/* As argosy_tree_begin. */
void *argosy_check_begin(int top)
{
    struct chain *chain = calloc(1, sizeof *chain);
    if (!chain) return NULL;
    struct level *level = push(chain, "");
    int opened = level ? open_directory(top, ".") : -ENOMEM;
    if (opened >= 0) {
        level->descriptor = opened;
        return chain;
    }
    argosy_check_end(chain);
    errno = -opened;
    return NULL;
}

enum { SAME = 0, CHANGED = 1, ELSEWHERE = 2 };

/* SAME, CHANGED, ELSEWHERE where another or nothing has the name now, or -errno. */
static int compared(struct chain *chain, const char *name, struct identity self, int64_t ctime_ns)
{
    struct statx found;
    struct identity now;
    int at = hold(chain, chain->depth - 1);
    if (at < 0) return is_fatal(at) ? at : ELSEWHERE;
    if (stat_at(at, name, &found, &now.born_ns)) return ELSEWHERE;
    now.inode = found.stx_ino;
    if (!same_identity(now, self)) return ELSEWHERE;
    return nanoseconds(found.stx_ctime) == ctime_ns ? SAME : CHANGED;
}

/* Write the path of a name in the deepest directory, its end a 0 byte: the bytes written, 0 where there is no room. */
static int64_t write_path(const struct chain *chain, const char *name, char *into, int64_t room)
{
    int64_t used = 0;
    for (size_t i = 1; i <= chain->depth; i++) {
        const char *part = i < chain->depth ? chain->levels[i].name : name;
        int64_t length = (int64_t)strlen(part);
        if (used + length + 1 > room) return 0;
        memcpy(into + used, part, (size_t)length);
        used += length;
        into[used++] = i < chain->depth ? '/' : 0;
    }
    return used;
}

/* Say of directories, told in the order of a walk, which are not what they were, or cannot be told from what they were
   because their ctime is not before `sure_ns`. The paths of those CHANGED are written one behind the other; one whose
   path finds no room is told as being ELSEWHERE. Returns 0 or -errno. */
int argosy_check(struct chain *chain, const uint64_t *inode, const int64_t *born_ns, const int64_t *ctime_ns,
                 const uint32_t *depth, const int32_t *ends, const char *names, int64_t count, int64_t sure_ns,
                 uint8_t *found, char *paths, int64_t room)
{
    char name[NAME_ROOM];
    int64_t used = 0;
    for (int64_t i = 0; i < count; i++) {
        struct identity self = {inode[i], born_ns[i]};
        size_t length = (size_t)(ends[i + 1] - ends[i]);
        if (length >= sizeof name) return -ENAMETOOLONG;
        memcpy(name, names + ends[i], length);
        name[length] = 0;
        while (depth[i] && chain->depth > depth[i]) climb(chain);
        int result = compared(chain, name, self, ctime_ns[i]);
        if (result < 0) return result;
        if (result == SAME && ctime_ns[i] >= sure_ns) result = CHANGED;
        if (result == CHANGED) {
            int64_t more = write_path(chain, name, paths + used, room - used);
            if (!more) result = ELSEWHERE;
            used += more;
        }
        found[i] = (uint8_t)result;
        struct level *level = depth[i] ? push(chain, name) : chain->levels;
        if (!level) return -ENOMEM;
        level->self = self;
    }
    return 0;
}
