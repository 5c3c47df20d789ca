// Preloaded into a program under test. It counts the calls that change files below a folder, and at a chosen one it
// kills the process, or lets the call fail. The environment tells it what to do:
//   FAULT_FOLDER  only files below it count
//   FAULT_RANK    only this process of an MPI run; absent: any process
//   FAULT_ACTION  "count", "kill" (before call FAULT_AT), "step" (the same, but writes do not count), "eio" (write or
//                 sync number FAULT_AT fails, once), "full" (no more than FAULT_AT bytes can be written)
//   FAULT_LOG     a file that gets a line: where the fault struck, or how much was counted by a process that ended well
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char* folder;
static const char* log_file;
static enum { kNothing, kCount, kKill, kStep, kEio, kFull } action;
static long at;
static atomic_long calls, steps, transfers, bytes;
static atomic_int told;

__attribute__((constructor)) static void read_environment(void) {
  folder = getenv("FAULT_FOLDER");
  log_file = getenv("FAULT_LOG");
  const char* wish = getenv("FAULT_ACTION");
  const char* number = getenv("FAULT_AT");
  const char* rank = getenv("FAULT_RANK");
  const char* own_rank = getenv("OMPI_COMM_WORLD_RANK");
  if (folder == NULL || wish == NULL) return;
  if (rank != NULL && (own_rank == NULL || strcmp(rank, own_rank) != 0)) return;
  at = number == NULL ? 0 : atol(number);
  const char* names[] = {"nothing", "count", "kill", "step", "eio", "full"};
  for (int i = kCount; i <= kFull; ++i) {
    if (strcmp(wish, names[i]) == 0) action = i;
  }
}

static void tell(const char* text) {
  if (log_file == NULL) return;
  const int file = (int)syscall(SYS_openat, AT_FDCWD, log_file, O_CREAT | O_APPEND | O_WRONLY, 0666);
  if (file < 0) return;
  syscall(SYS_write, file, text, strlen(text));
  syscall(SYS_close, file);
}

__attribute__((destructor)) static void tell_counts(void) {
  if (action != kCount || calls == 0) return;
  char text[200];
  snprintf(text, sizeof text, "counted %ld %ld %ld %ld\n", (long)calls, (long)steps, (long)transfers, (long)bytes);
  tell(text);
}

static void strike(const char* call, const char* path) {
  if (atomic_fetch_add(&told, 1) > 0) return;
  char text[PATH_MAX + 100];
  snprintf(text, sizeof text, "%s %s\n", call, path + strlen(folder));
  tell(text);
}

static int is_below(const char* path) {
  const size_t size = folder == NULL ? 0 : strlen(folder);
  return size > 0 && strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static int name_of(int descriptor, char* path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t got = readlink(link, path, PATH_MAX - 1);
  if (got < 0) return 0;
  path[got] = '\0';
  return 1;
}

// Counts a call, and kills the process where it is the chosen one.
static void count(const char* call, const char* path, int is_step) {
  const long call_number = atomic_fetch_add(&calls, 1) + 1;
  const long step_number = is_step ? atomic_fetch_add(&steps, 1) + 1 : -1;
  if ((action != kKill || call_number != at) && (action != kStep || step_number != at)) return;
  strike(call, path);
  syscall(SYS_kill, getpid(), SIGKILL);
}

// A call on a file that is known by its path.
static void before_path(const char* call, int at_folder, const char* name) {
  if (action == kNothing || action == kEio || action == kFull) return;
  char path[2 * PATH_MAX] = "";
  if (name[0] != '/' && at_folder != AT_FDCWD && name_of(at_folder, path)) strncat(path, "/", 2);
  strncat(path, name, PATH_MAX - 1);
  if (is_below(path)) count(call, path, 1);
}

// A call on an open file that moves `size` bytes to it, or syncs it. Returns how many of them it may move; -1: it
// fails, with errno set.
static ssize_t before_transfer(const char* call, int descriptor, size_t size, int is_sync) {
  if (action == kNothing) return (ssize_t)size;
  char path[PATH_MAX];
  const int saved = errno;
  const int known = name_of(descriptor, path);
  errno = saved;
  if (!known || !is_below(path)) return (ssize_t)size;
  count(call, path, is_sync);
  const long transfer_number = atomic_fetch_add(&transfers, 1) + 1;
  if (action == kEio && transfer_number == at) {
    strike(call, path);
    errno = EIO;
    return -1;
  }
  const long before = atomic_fetch_add(&bytes, (long)size);
  if (action != kFull || is_sync || before + (long)size <= at) return (ssize_t)size;
  strike(call, path);
  if (before < at) return at - before;
  errno = ENOSPC;
  return -1;
}

#define REAL(type, name, ...)                                               \
  static type (*real)(__VA_ARGS__);                                         \
  if (real == NULL) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define OPEN(name)                                                          \
  int name(const char* path, int flags, ...) {                              \
    va_list rest;                                                           \
    va_start(rest, flags);                                                  \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                           \
    REAL(int, name, const char*, int, ...);                                 \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) before_path("open", AT_FDCWD, path); \
    return real(path, flags, mode);                                         \
  }
OPEN(open)
OPEN(open64)

ssize_t write(int descriptor, const void* data, size_t size) {
  REAL(ssize_t, write, int, const void*, size_t);
  const ssize_t allowed = before_transfer("write", descriptor, size, 0);
  return allowed < 0 ? allowed : real(descriptor, data, (size_t)allowed);
}

ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  REAL(ssize_t, writev, int, const struct iovec*, int);
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  const ssize_t allowed = before_transfer("writev", descriptor, size, 0);
  if (allowed == (ssize_t)size) return real(descriptor, parts, count);
  errno = allowed < 0 ? errno : ENOSPC;
  return -1;
}

#define PWRITE(name)                                                        \
  ssize_t name(int descriptor, const void* data, size_t size, off_t offset) { \
    REAL(ssize_t, name, int, const void*, size_t, off_t);                   \
    const ssize_t allowed = before_transfer("pwrite", descriptor, size, 0); \
    return allowed < 0 ? allowed : real(descriptor, data, (size_t)allowed, offset); \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define FALLOCATE(name)                                                     \
  int name(int descriptor, off_t offset, off_t size) {                      \
    REAL(int, name, int, off_t, off_t);                                     \
    const ssize_t allowed = before_transfer("fallocate", descriptor, (size_t)size, 0); \
    if (allowed == (ssize_t)size) return real(descriptor, offset, size);    \
    return action == kEio ? EIO : ENOSPC;                                   \
  }
FALLOCATE(posix_fallocate)
FALLOCATE(posix_fallocate64)

#define SYNC(name)                                                          \
  int name(int descriptor) {                                                \
    REAL(int, name, int);                                                   \
    return before_transfer(#name, descriptor, 0, 1) < 0 ? -1 : real(descriptor); \
  }
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)

#define TRUNCATE(name)                                                      \
  int name(int descriptor, off_t size) {                                    \
    REAL(int, name, int, off_t);                                            \
    return before_transfer("ftruncate", descriptor, 0, 1) < 0 ? -1 : real(descriptor, size); \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int rename(const char* from, const char* to) {
  REAL(int, rename, const char*, const char*);
  before_path("rename", AT_FDCWD, to);
  return real(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  REAL(int, renameat2, int, const char*, int, const char*, unsigned);
  before_path("renameat2", to_folder, to);
  return real(from_folder, from, to_folder, to, flags);
}

int unlink(const char* path) {
  REAL(int, unlink, const char*);
  before_path("unlink", AT_FDCWD, path);
  return real(path);
}

int unlinkat(int at_folder, const char* path, int flags) {
  REAL(int, unlinkat, int, const char*, int);
  before_path("unlinkat", at_folder, path);
  return real(at_folder, path, flags);
}

int mkdir(const char* path, mode_t mode) {
  REAL(int, mkdir, const char*, mode_t);
  before_path("mkdir", AT_FDCWD, path);
  return real(path, mode);
}
