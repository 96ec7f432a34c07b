/* A stand-in for NVIDIA's management library, for machines without a GPU.
 *
 *   cc -shared -fPIC -O2 -fvisibility=hidden -o libnvidia-ml.so.1 fake_nvml.c
 *   x86_64-w64-mingw32-gcc -shared -O2 -w -o nvml.dll fake_nvml.c
 *
 * What it answers stands in a text file, named by FAKE_NVML_FILE at compile time or else by the variable
 * FAKE_NVML at run time, and read anew at each call:
 *
 *   name|uuid|total MiB|used MiB|gpu %|mem %|temp C|power mW|limit mW|pid:MiB,pid:MiB|graphics pid:MiB,...
 *   mig|uuid of its card|name|uuid|total MiB|used MiB|pid:MiB,...     a slice; its card is then in MIG mode
 *   !fail nvmlDeviceGetName 999 [uuid]     this call answers 999, for one card or for all of them
 *   !init 9                                nvmlInit answers 9
 *   !sleep nvmlDeviceGetCount_v2 3000      this call takes 3000 ms
 *   !crash nvmlDeviceGetCount_v2           this call ends the process
 *   !live                                  cards that are added are seen without another nvmlInit
 *
 * As with the real library, cards are counted at nvmlInit: a card whose line is gone then answers "GPU is
 * lost" (15), and a card whose line is new is seen after the next nvmlInit. Compiled with -DOLD_DRIVER it
 * has neither nvmlDeviceGetMemoryInfo_v2 nor the _v3 lists of processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _WIN32
__declspec(dllimport) void __stdcall Sleep(unsigned long milliseconds);
#endif

#define API __attribute__((visibility("default")))
typedef int ret;
enum { OK = 0, UNINIT = 1, INVAL = 2, NOSUP = 3, NOTFOUND = 6, SMALL = 7, LOST = 15, VERSION = 25 };
#define MAXG 32
#define RESERVED 256 /* MiB that the driver keeps for itself */

typedef struct {
  char name[96], uuid[96], card[96], procs[512], graphics[512];
  unsigned long long total, used;
  unsigned gpu, mem, temp, power, limit;
  int mig; /* a slice of `card` */
} gpu;

static int inited;
static char seen[MAXG][96];   /* cards at the time of nvmlInit */
static int nseen;
static char handles[MAXG][96]; /* a handle is the address of a UUID; they are never given back */
static int nhandles;

static FILE *file(void) {
#ifdef FAKE_NVML_FILE
  return fopen(FAKE_NVML_FILE, "r");
#else
  const char *path = getenv("FAKE_NVML");
  return path ? fopen(path, "r") : NULL;
#endif
}

/* Splits at '|' in place; empty fields count. */
static int split(char *line, char **out, int max) {
  int n = 0;
  line[strcspn(line, "\r\n")] = 0;
  for (;;) {
    char *bar = strchr(line, '|');
    if (n < max) out[n++] = line;
    if (!bar) return n;
    *bar = 0;
    line = bar + 1;
  }
}

static unsigned num(int n, char **f, int i) { return i < n ? (unsigned)strtoul(f[i], 0, 10) : 0; }
static void copy(char *to, size_t size, int n, char **f, int i) { snprintf(to, size, "%s", i < n ? f[i] : ""); }

static int load(gpu *g) {
  char line[2048], *f[12];
  int n = 0;
  FILE *in = file();
  if (!in) return 0;
  while (n < MAXG && fgets(line, sizeof line, in)) {
    if (*line == '#' || *line == '!' || *line == '\n') continue;
    gpu *x = &g[n];
    memset(x, 0, sizeof *x);
    int k = split(line, f, 12);
    if (!strcmp(f[0], "mig") && k >= 6) {
      x->mig = 1;
      copy(x->card, sizeof x->card, k, f, 1);
      copy(x->name, sizeof x->name, k, f, 2);
      copy(x->uuid, sizeof x->uuid, k, f, 3);
      x->total = num(k, f, 4), x->used = num(k, f, 5);
      copy(x->procs, sizeof x->procs, k, f, 6);
      n++;
    } else if (k >= 9) {
      copy(x->name, sizeof x->name, k, f, 0);
      copy(x->uuid, sizeof x->uuid, k, f, 1);
      x->total = num(k, f, 2), x->used = num(k, f, 3), x->gpu = num(k, f, 4), x->mem = num(k, f, 5);
      x->temp = num(k, f, 6), x->power = num(k, f, 7), x->limit = num(k, f, 8);
      copy(x->procs, sizeof x->procs, k, f, 9);
      copy(x->graphics, sizeof x->graphics, k, f, 10);
      n++;
    }
  }
  fclose(in);
  return n;
}

/* What the file says about this call: its delay is taken, its error code is returned. */
static ret told(const char *call, const char *uuid) {
  char line[2048], verb[16], name[96], card[96];
  int code, live = 0;
  ret r = OK;
  FILE *in = file();
  if (!in) return OK;
  while (fgets(line, sizeof line, in)) {
    *card = 0;
    code = 0;
    if (!strncmp(line, "!live", 5)) live = 1;
    if (sscanf(line, "!%15s %95s %d %95s", verb, name, &code, card) < 2) continue;
    if (!strcmp(verb, "init") && !strncmp(call, "nvmlInit", 8)) r = atoi(name);
    if (strcmp(name, call)) continue;
    if (*card && (!uuid || strcmp(card, uuid))) continue;
    if (!strcmp(verb, "fail")) r = code;
    if (!strcmp(verb, "crash")) abort();
    if (!strcmp(verb, "sleep")) {
#ifdef _WIN32
      Sleep(code);
#else
      struct timespec t = {code / 1000, code % 1000 * 1000000L};
      nanosleep(&t, 0);
#endif
    }
  }
  fclose(in);
  if (live && !uuid) {
    gpu g[MAXG];
    int n = load(g), i;
    for (nseen = i = 0; i < n; i++)
      if (!g[i].mig) strcpy(seen[nseen++], g[i].uuid);
  }
  return r;
}

static void *handle(const char *uuid) {
  int i;
  for (i = 0; i < nhandles; i++)
    if (!strcmp(handles[i], uuid)) return handles[i];
  if (nhandles == MAXG) return 0;
  strcpy(handles[nhandles], uuid);
  return handles[nhandles++];
}

static ret get(const char *call, void *d, gpu *out) {
  gpu g[MAXG];
  int n, i;
  ret r;
  if (!inited) return UNINIT;
  if (!d) return INVAL;
  if ((r = told(call, d))) return r;
  n = load(g);
  for (i = 0; i < n; i++)
    if (!strcmp(g[i].uuid, d)) { *out = g[i]; return OK; }
  return LOST;
}

static ret str(const char *s, char *b, unsigned n) {
  if (strlen(s) + 1 > n) return SMALL;
  strcpy(b, s);
  return OK;
}

#define ENTER ret r0; if (!inited) return UNINIT; if ((r0 = told(__func__, 0))) return r0
#define DEV gpu g; ret r = get(__func__, d, &g); if (r) return r

API ret nvmlInit_v2(void) {
  gpu g[MAXG];
  int n, i;
  const char *fail = getenv("FAKE_NVML_FAIL");
  ret r = fail ? atoi(fail) : told("nvmlInit_v2", 0);
  if (r) return r;
  if (!inited++) {
    n = load(g);
    for (nseen = i = 0; i < n; i++)
      if (!g[i].mig) strcpy(seen[nseen++], g[i].uuid);
  }
  return OK;
}
API ret nvmlInitWithFlags(unsigned f) { (void)f; return nvmlInit_v2(); }
API ret nvmlShutdown(void) { if (!inited) return UNINIT; inited--; return OK; }
API const char *nvmlErrorString(ret r) { (void)r; return "fake"; }
API ret nvmlSystemGetDriverVersion(char *b, unsigned n) { ENTER; return str("555.42.02", b, n); }
API ret nvmlSystemGetNVMLVersion(char *b, unsigned n) { ENTER; return str("12.555.42.02", b, n); }
API ret nvmlSystemGetCudaDriverVersion_v2(int *v) { ENTER; *v = 12050; return OK; }
API ret nvmlDeviceGetCount_v2(unsigned *c) { ENTER; *c = nseen; return OK; }
API ret nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) {
  if (!inited) return UNINIT;
  if ((int)i >= nseen) return INVAL;
  gpu g;
  ret r = get(__func__, handle(seen[i]), &g);
  if (!r) *d = handle(seen[i]);
  return r;
}
API ret nvmlDeviceGetHandleByUUID(const char *u, void **d) {
  gpu g;
  if (get(__func__, handle(u), &g)) return NOTFOUND;
  *d = handle(u);
  return OK;
}
API ret nvmlDeviceGetIndex(void *d, unsigned *i) {
  DEV;
  for (*i = 0; (int)*i < nseen; ++*i)
    if (!strcmp(seen[*i], g.uuid)) return OK;
  return NOTFOUND;
}
API ret nvmlDeviceGetName(void *d, char *b, unsigned n) { DEV; return str(g.name, b, n); }
API ret nvmlDeviceGetUUID(void *d, char *b, unsigned n) { DEV; return str(g.uuid, b, n); }
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char id32[32]; } pci;
API ret nvmlDeviceGetPciInfo_v3(void *d, pci *p) {
  unsigned i = 0;
  DEV;
  if (g.mig) return NOSUP;
  while ((int)i < nseen && strcmp(seen[i], g.uuid)) i++;
  /* Where a card is plugged in doesn't change when another one goes: take it from the UUID's first byte. */
  unsigned bus = strncmp(g.uuid, "GPU-", 4) ? i + 1 : (unsigned)strtoul((char[]){g.uuid[4], g.uuid[5], 0}, 0, 16);
  memset(p, 0, sizeof *p);
  p->bus = bus;
  p->id = 0x288210de;
  snprintf(p->legacy, sizeof p->legacy, "0000:%02X:00.0", bus);
  snprintf(p->id32, sizeof p->id32, "00000000:%02X:00.0", bus);
  return OK;
}
typedef struct { unsigned long long total, free, used; } mem1;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } mem2;
API ret nvmlDeviceGetMemoryInfo(void *d, mem1 *m) {
  DEV;
  m->total = g.total << 20, m->used = g.used << 20, m->free = m->total - m->used;
  return OK;
}
#ifndef OLD_DRIVER
/* As the real one: what the driver keeps for itself is neither used nor free. */
API ret nvmlDeviceGetMemoryInfo_v2(void *d, mem2 *m) {
  DEV;
  if (m->version != (sizeof *m | 2u << 24)) return VERSION;
  m->reserved = (g.used < RESERVED ? g.used : RESERVED) << 20;
  m->total = g.total << 20, m->used = (g.used << 20) - m->reserved, m->free = m->total - (g.used << 20);
  return OK;
}
#endif
typedef struct { unsigned gpu, memory; } util;
API ret nvmlDeviceGetUtilizationRates(void *d, util *u) {
  DEV;
  if (g.mig) return NOSUP;
  u->gpu = g.gpu, u->memory = g.mem;
  return OK;
}
API ret nvmlDeviceGetTemperature(void *d, int sensor, unsigned *t) {
  DEV;
  if (g.mig) return NOSUP;
  if (sensor) return INVAL;
  *t = g.temp;
  return OK;
}
API ret nvmlDeviceGetPowerUsage(void *d, unsigned *p) { DEV; if (g.mig) return NOSUP; *p = g.power; return OK; }
API ret nvmlDeviceGetEnforcedPowerLimit(void *d, unsigned *p) { DEV; *p = g.limit; return OK; }
API ret nvmlDeviceGetCudaComputeCapability(void *d, int *a, int *b) {
  DEV;
  *a = strstr(g.name, "V100") ? 7 : 8, *b = strstr(g.name, "V100") ? 0 : 9;
  return OK;
}
static int slices(const char *card, gpu *out) {
  gpu g[MAXG];
  int n = load(g), i, k = 0;
  for (i = 0; i < n; i++)
    if (g[i].mig && !strcmp(g[i].card, card)) out[k++] = g[i];
  return k;
}
API ret nvmlDeviceGetMigMode(void *d, unsigned *now, unsigned *pending) {
  gpu s[MAXG];
  DEV;
  if (g.mig) return NOSUP;
  *now = *pending = slices(g.uuid, s) > 0;
  return OK;
}
API ret nvmlDeviceGetMaxMigDeviceCount(void *d, unsigned *n) { DEV; *n = g.mig ? 0 : 7; return OK; }
API ret nvmlDeviceGetMigDeviceHandleByIndex(void *d, unsigned i, void **out) {
  gpu s[MAXG];
  DEV;
  if ((int)i >= slices(g.uuid, s)) return NOTFOUND;
  *out = handle(s[i].uuid);
  return OK;
}
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } proc;
static ret list(char *t, unsigned *n, proc *out) {
  unsigned k = 0, cap = *n;
  char *e;
  for (; *t; t = *e == ',' ? e + 1 : e) {
    unsigned pid = (unsigned)strtoul(t, &e, 10);
    unsigned long long m = ~0ull >> 20 << 20 | 0xfffff; /* without ":MiB" it isn't known */
    if (e == t) break;
    if (*e == ':') m = strtoull(e + 1, &e, 10) << 20;
    if (out && k < cap) out[k].pid = pid, out[k].used = m, out[k].gi = out[k].ci = ~0u;
    k++;
  }
  *n = k;
  return k > cap ? SMALL : OK;
}
#ifdef OLD_DRIVER
#define COMPUTE nvmlDeviceGetComputeRunningProcesses_v2
#define GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v2
#else
#define COMPUTE nvmlDeviceGetComputeRunningProcesses_v3
#define GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v3
#endif
API ret COMPUTE(void *d, unsigned *n, proc *out) { DEV; return list(g.procs, n, out); }
API ret GRAPHICS(void *d, unsigned *n, proc *out) { DEV; return list(g.graphics, n, out); }
