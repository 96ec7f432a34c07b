/* A stand-in for the library of NVIDIA's driver (libcuda), for machines without a card: its checkpoints, and no more.
 *
 *   cc -shared -fPIC -O2 -fvisibility=hidden -o libcuda.so.1 fake_cuda.c
 *
 * The folder FAKE_CUDA has a file for each process with a context, named by its pid: `STATE [PATH]`. The states are 0 running,
 * 1 locked, 2 checkpointed, 3 failed; the file PATH is there while it is checkpointed. As with the real one, a call for a
 * process in another state is refused (401), and one for a process without CUDA, too (1).
 *
 * Each call is a line in its file `calls`. What is refused stands in its file `rules`:
 *
 *   cuCheckpointProcessCheckpoint 801 [pid]    this call answers 801, for one process or for all
 *   cuCheckpointProcessLock hang               this call never comes back
 *   cuCheckpointProcessRestore crash           this call ends the process that makes it
 *   cuCheckpointProcessCheckpoint fail         this call answers 999, and breaks the process (state 3)
 *
 * Compiled with -DOLD_DRIVER it has no checkpoints. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
typedef int ret;
enum { OK = 0, INVAL = 1, UNINIT = 3, ILLEGAL = 401, UNKNOWN = 999 };
static int inited;

static FILE *open_file(const char *name, const char *mode) {
  char path[4096];
  const char *folder = getenv("FAKE_CUDA");
  if (!folder) return NULL;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return fopen(path, mode);
}

static FILE *of(int pid, const char *mode) {
  char name[32];
  snprintf(name, sizeof name, "%d", pid);
  return kill(pid, 0) ? NULL : open_file(name, mode);
}

static int load(int pid, char *path, size_t size) {
  char format[32];
  int state = -1;
  FILE *in = of(pid, "r");
  if (!in) return -1;
  *path = 0;
  snprintf(format, sizeof format, "%%d %%%zus", size - 1);
  if (fscanf(in, format, &state, path) < 1) state = -1;
  fclose(in);
  return state;
}

static void store(int pid, int state, const char *path) {
  FILE *out = of(pid, "w");
  if (!out) return;
  fprintf(out, "%d %s\n", state, path);
  fclose(out);
  if (*path && state == 2 && (out = fopen(path, "w"))) fclose(out);
  if (*path && state != 2) unlink(path);
}

/* What the rules say; 0: nothing. */
static ret told(const char *call, int pid) {
  char line[512], name[96], what[32];
  ret r = OK;
  FILE *file = open_file("calls", "a");
  if (file) {
    fprintf(file, "%s %d\n", call, pid);
    fclose(file);
  }
  if (!(file = open_file("rules", "r"))) return OK;
  while (fgets(line, sizeof line, file)) {
    int of_pid = 0;
    if (sscanf(line, "%95s %31s %d", name, what, &of_pid) < 2) continue;
    if (strcmp(name, call) || (of_pid && of_pid != pid)) continue;
    if (!strcmp(what, "hang")) for (;;) pause();
    if (!strcmp(what, "crash")) abort();
    if (!strcmp(what, "fail")) {
      char path[4096];
      if (load(pid, path, sizeof path) >= 0) store(pid, 3, path);
      r = UNKNOWN;
      break;
    }
    r = atoi(what);
  }
  fclose(file);
  return r;
}

API ret cuInit(unsigned flags) {
  ret r = flags ? INVAL : told("cuInit", 0);
  inited = !r;
  return r;
}
API ret cuDriverGetVersion(int *version) {
  *version = 12080;
#ifdef OLD_DRIVER
  *version = 12040;
#endif
  return OK;
}
#ifndef OLD_DRIVER
static ret move(const char *call, int pid, int from, int to) {
  char path[4096];
  ret r = told(call, pid);
  int state = load(pid, path, sizeof path);
  if (r) return r;
  if (!inited) return UNINIT;
  if (state < 0) return INVAL;
  if (state != from) return ILLEGAL;
  store(pid, to, path);
  return OK;
}
API ret cuCheckpointProcessGetRestoreThreadId(int pid, int *tid) {
  char path[4096];
  ret r = told(__func__, pid);
  if (r) return r;
  if (load(pid, path, sizeof path) < 0) return INVAL;
  *tid = pid + 1;
  return OK;
}
API ret cuCheckpointProcessGetState(int pid, unsigned *state) {
  char path[4096];
  ret r = told(__func__, pid);
  int now = load(pid, path, sizeof path);
  if (r) return r;
  if (now < 0) return INVAL;
  *state = now;
  return OK;
}
typedef struct { unsigned timeout, reserved0; unsigned long long reserved1[7]; } lock_args;
API ret cuCheckpointProcessLock(int pid, lock_args *args) {
  int i;
  /* The manager never waits for ever. */
  if (!args || !args->timeout || args->reserved0) return INVAL;
  for (i = 0; i < 7; i++)
    if (args->reserved1[i]) return INVAL;
  return move(__func__, pid, 0, 1);
}
API ret cuCheckpointProcessCheckpoint(int pid, void *args) { return args ? INVAL : move(__func__, pid, 1, 2); }
API ret cuCheckpointProcessRestore(int pid, void *args) { return args ? INVAL : move(__func__, pid, 2, 1); }
API ret cuCheckpointProcessUnlock(int pid, void *args) { return args ? INVAL : move(__func__, pid, 1, 0); }
#endif
