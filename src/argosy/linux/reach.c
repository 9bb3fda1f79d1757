/* What nearly every verb begins with, in one call each: reaching beneath a root, locking an inode, opening a file.

   Called by reach.py. Each does what the Python behind it does, call by call, and where anything is in its way it says
   no more than that: Python then does it itself, and tells why. Nothing here is Python's, so that other threads run
   meanwhile, and no other thread has to be waited for between two calls. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VERSION 1 /* as in reach.py; both go up with any change of what is asked or answered */
#define OPENAT2 437
#define RESOLVE (0x04 | 0x08) /* no symlink, beneath */
#define OTHERS (S_IRWXG | S_IRWXO)
#define QUIET (O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define LOOKUP (O_PATH | O_DIRECTORY)

struct root { const char *path; int64_t certain; uint64_t device, inode; };
struct how { uint64_t flags, mode, resolve; };
struct taken { int64_t locks; uint64_t inode; };

int argosy_reach_version(void) { return VERSION; }

static int beneath(int directory, const char *path, int flags)
{
    struct how how = { (uint64_t)(flags | O_CLOEXEC), 0, RESOLVE };
    return (int)syscall(OPENAT2, directory, *path ? path : ".", &how, sizeof how);
}

/* The directory at the root; -1 also where it is another than it has to be. */
static int top_of(const struct root *root)
{
    struct stat found;
    int top = open(root->path, LOOKUP | O_CLOEXEC);
    if (top < 0 || !root->certain)
        return top;
    if (fstat(top, &found) == 0 && found.st_dev == root->device && found.st_ino == root->inode)
        return top;
    close(top);
    return -1;
}

int argosy_beneath(const struct root *root, const char *path, int flags)
{
    int top = top_of(root), reached;
    if (top < 0)
        return -1;
    reached = beneath(top, path, flags);
    close(top);
    return reached;
}

static int set_lock(int locks, short kind, uint64_t inode)
{
    struct flock lock = { .l_type = kind, .l_whence = SEEK_SET, .l_start = (off_t)(inode & INT64_MAX), .l_len = 1 };
    return fcntl(locks, F_OFD_SETLK, &lock);
}

/* The lock of whichever inode has the name once it is held; -1 also where somebody else holds it. */
static int take(int locks, int parent, const char *name, uint64_t *inode)
{
    struct stat found;
    if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    *inode = found.st_ino;
    if (set_lock(locks, F_WRLCK, *inode) < 0)
        return -1;
    if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && found.st_ino == *inode)
        return 0;
    set_lock(locks, F_UNLCK, *inode); /* a fork may have the descriptor, too */
    return -1;
}

int argosy_lock(const struct root *root, const char *where, const char *parent, const char *name, struct taken *taken)
{
    struct stat found;
    int top = top_of(root), locks = -1, directory = -1, result = -1;
    if (top < 0)
        return -1;
    locks = beneath(top, where, O_RDWR | O_NONBLOCK);
    if (locks >= 0 && fstat(locks, &found) == 0 && found.st_uid == geteuid() && !(found.st_mode & OTHERS))
        directory = beneath(top, parent, LOOKUP);
    if (directory >= 0) {
        result = take(locks, directory, name, &taken->inode);
        close(directory);
    }
    if (result == 0)
        taken->locks = locks;
    else if (locks >= 0)
        close(locks);
    close(top);
    return result;
}

/* A regular file, and the inode it has to be, unless that is 0; its atime stays where we may have that. */
int argosy_open(const struct root *root, const char *parent, const char *name, int flags, uint64_t inode)
{
    struct stat found;
    int directory = argosy_beneath(root, parent, LOOKUP), file = -1;
    if (directory < 0)
        return -1;
    if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(found.st_mode)) {
        file = openat(directory, name, flags | QUIET | O_NOATIME);
        if (file < 0 && errno == EPERM)
            file = openat(directory, name, flags | QUIET);
    }
    close(directory);
    if (file < 0)
        return -1;
    if (fstat(file, &found) == 0 && S_ISREG(found.st_mode) && (!inode || found.st_ino == inode))
        return file;
    close(file);
    return -1;
}
