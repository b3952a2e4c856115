// A stand-in for libcuda, libcublas, libnvrtc and libcudnn, so that everything for a card runs in tests without one:
// device memory is host memory, a launch runs the kernel's host-compiled twin, cuBLAS and cuDNN are plain loops that check
// what they are given. What it cannot show: races between blocks, missing waits, TF32, speed.
//
// STANDIN_KERNELS  libraries of twins for PTX that a real nvcc made (dfdx's kernels), separated by colons
// STANDIN_CACHE    a folder in which NVRTC's work is kept between processes
// STANDIN_ORDER    reverse: last block and last thread first, which shows a missing __syncthreads
// STANDIN_OOM_AT   the allocation of this number fails; STANDIN_LIMIT: bytes of memory there are
// STANDIN_FAIL_AT  the launch of this number leaves a sticky error
// STANDIN_CARDS    how many cards there are; STANDIN_INIT: what cuInit answers
// STANDIN_OTHERS   bytes that another process, of number 4242, holds
// STANDIN_PEAK     a file that gets the most bytes that were in use, when the process ends
// STANDIN_DRIVER   the version that the driver tells: 13000 is 13.0
// STANDIN_TRACE    a file that gets the names of all kernels that ran
#include "include/standin.h"
#undef assert
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#include <stdarg.h>
#include <dlfcn.h>
#include <algorithm>
#include <sys/mman.h>
#include <signal.h>
#include <unistd.h>
#include <chrono>
#include <map>
#include <set>
#include <mutex>
#include <string>
#include <vector>
#include <fstream>
#include <sstream>
#define API extern "C" __attribute__((visibility("default")))
typedef unsigned long long u64;
enum { OK = 0, INVALID_VALUE = 1, OOM = 2, NOT_INIT = 3, INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_HANDLE = 400,
       NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, ASSERT = 710, LAUNCH_FAILED = 719 };
static std::recursive_mutex big;
#define LOCK std::lock_guard<std::recursive_mutex> lock_(big)
static int say(int code, const char *fmt, ...) {
    va_list a; va_start(a, fmt); fprintf(stderr, "[stand-in CUDA] error %d: ", code); vfprintf(stderr, fmt, a); fputc('\n', stderr); va_end(a);
    return code;
}
// ---------------------------------------------------------------- memory
struct Block { size_t n; char *map; size_t mapped; };
static std::map<u64, Block> blocks;                       // live device allocations
static size_t live_bytes, peak_bytes; static u64 launches, n_allocs, n_asked;
static bool guard_mode() { static bool g = !getenv("STANDIN_GUARD") || strcmp(getenv("STANDIN_GUARD"), "0"); return g; }
static thread_local int has_ctx; static bool inited; static int sticky;
#define CTX do { if (!inited) return NOT_INIT; if (!has_ctx) return say(INVALID_CONTEXT, "%s: no context is current on this thread (bind_to_thread)", __func__); if (sticky) return sticky; } while (0)
static u64 number(const char *name, u64 otherwise) { const char *v = getenv(name); return v && *v ? strtoull(v, nullptr, 10) : otherwise; }
static size_t limit() { static size_t l = number("STANDIN_LIMIT", 80ull << 30); return l; }
static size_t others() { static size_t o = number("STANDIN_OTHERS", 0); return o; }
static struct Report { ~Report() { if (const char *f = getenv("STANDIN_PEAK")) std::ofstream(f) << peak_bytes + others(); } } report;
static int dev_alloc(u64 *p, size_t n) {
    LOCK; Block b{n, nullptr, 0}; char *q;
    static u64 fail_at = number("STANDIN_OOM_AT", 0);
    if (++n_asked == fail_at || live_bytes + n + others() > limit()) return OOM;
    if (guard_mode()) {                                   // the block ends at a page that faults
        size_t pages = (n + 15 + 4095) / 4096 * 4096; b.mapped = pages + 4096;
        b.map = (char *)mmap(nullptr, b.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (b.map == MAP_FAILED) return OOM;
        mprotect(b.map + pages, 4096, PROT_NONE); q = b.map + pages - (n + 15) / 16 * 16;
    } else if (!(q = (char *)aligned_alloc(256, (n + 256) / 256 * 256))) return OOM;
    memset(q, 0xFF, n);                                   // NaN: what is read before it is written shows
    blocks[(u64)q] = b; *p = (u64)q; live_bytes += n; n_allocs++; if (live_bytes > peak_bytes) peak_bytes = live_bytes;
    return OK;
}
static int dev_free(u64 p) {
    LOCK; if (!p) return OK; auto it = blocks.find(p);
    if (it == blocks.end()) return say(INVALID_VALUE, "free of %#llx, which is not a live allocation", p);
    live_bytes -= it->second.n;
    if (it->second.map) munmap(it->second.map, it->second.mapped); else { memset((void *)p, 0xFF, it->second.n); free((void *)p); }
    blocks.erase(it); return OK;
}
static size_t room(u64 p) {                               // bytes from p to the end of its allocation; 0: none
    auto it = blocks.upper_bound(p); if (it == blocks.begin()) return 0; --it;
    return p <= it->first + it->second.n ? it->first + it->second.n - p + 1 : 0;
}
static bool inside(u64 p, size_t n) { LOCK; return n == 0 || room(p) > n; }
#define DEV(p, n) do { if (!inside(p, n)) return say(INVALID_VALUE, "%s: %zu bytes at %#llx are not within one device allocation", __func__, (size_t)(n), (u64)(p)); } while (0)
API int cuMemAlloc_v2(u64 *p, size_t n) { CTX; if (!n) return INVALID_VALUE; return dev_alloc(p, n); }
API int cuMemAllocAsync(u64 *p, size_t n, void *) { CTX; return dev_alloc(p, n); }
API int cuMemFree_v2(u64 p) { return dev_free(p); }
API int cuMemFreeAsync(u64 p, void *) { return dev_free(p); }
API int cuMemcpyHtoD_v2(u64 d, const void *s, size_t n) { CTX; DEV(d, n); memcpy((void *)d, s, n); return OK; }
API int cuMemcpyDtoH_v2(void *d, u64 s, size_t n) { CTX; DEV(s, n); memcpy(d, (void *)s, n); return OK; }
API int cuMemcpyDtoD_v2(u64 d, u64 s, size_t n) { CTX; DEV(d, n); DEV(s, n); memcpy((void *)d, (void *)s, n); return OK; }
API int cuMemsetD8_v2(u64 d, unsigned char c, size_t n) { CTX; DEV(d, n); memset((void *)d, c, n); return OK; }
API int cuMemcpyHtoDAsync_v2(u64 d, const void *s, size_t n, void *) { return cuMemcpyHtoD_v2(d, s, n); }
API int cuMemcpyDtoHAsync_v2(void *d, u64 s, size_t n, void *) { return cuMemcpyDtoH_v2(d, s, n); }
API int cuMemcpyDtoDAsync_v2(u64 d, u64 s, size_t n, void *) { return cuMemcpyDtoD_v2(d, s, n); }
API int cuMemsetD8Async(u64 d, unsigned char c, size_t n, void *) { return cuMemsetD8_v2(d, c, n); }
API int cuMemGetInfo_v2(size_t *f, size_t *t) { CTX; *t = limit(); *f = *t - std::min(live_bytes + others(), *t); return OK; }
API int cuDeviceGetDefaultMemPool(void **p, int) { *p = (void *)0x9001; return OK; }
API int cuMemPoolGetAttribute(void *p, int a, u64 *v) { LOCK; if (p != (void *)0x9001 || a < 5 || a > 8) return INVALID_VALUE; *v = a % 2 ? live_bytes : peak_bytes; return OK; }
API int cuMemPoolSetAttribute(void *p, int a, void *v) { return p == (void *)0x9001 && a == 4 && v ? OK : INVALID_VALUE; }
// ---------------------------------------------------------------- device, context, streams, events
API int cuInit(unsigned) { int e = number("STANDIN_INIT", 0); inited = !e; return e; }
API int cuDriverGetVersion(int *v) { *v = number("STANDIN_DRIVER", 13000); return OK; }
API int cuDeviceGetCount(int *n) { *n = number("STANDIN_CARDS", 1); return OK; }
API int cuDeviceGet(int *d, int i) { if (i) return INVALID_DEVICE; *d = 0; return OK; }
API int cuDeviceGetName(char *s, int n, int) { snprintf(s, n, "stand-in (host)"); return OK; }
API int cuDeviceTotalMem_v2(size_t *n, int) { *n = limit(); return OK; }
API int cuDeviceGetAttribute(int *v, int a, int) {
    switch (a) {
    case 1: *v = 1024; break; case 2: case 3: *v = 1024; break; case 4: *v = 64; break; case 5: *v = 2147483647; break; case 6: case 7: *v = 65535; break;
    case 8: *v = 49152; break; case 10: *v = 32; break; case 16: *v = 132; break; case 39: *v = 2048; break;
    case 75: *v = 9; break; case 76: *v = 0; break; case 81: *v = 233472; break; case 97: *v = 232448; break;
    case 115: *v = 1; break;                              // memory pools: cudarc then uses cuMemAllocAsync
    default: *v = 0;
    }
    return OK;
}
static int retained;
API int cuDevicePrimaryCtxRetain(void **c, int) { retained++; *c = (void *)0x5AD0; return OK; }
API int cuDevicePrimaryCtxRelease_v2(int) { retained--; return OK; }
API int cuCtxSetCurrent(void *c) { has_ctx = c != nullptr; return OK; }
API int cuCtxGetCurrent(void **c) { *c = has_ctx ? (void *)0x5AD0 : nullptr; return OK; }
API int cuCtxSynchronize() { CTX; return OK; }
API int cuStreamCreate(void **s, unsigned) { CTX; *s = malloc(1); return OK; }
API int cuStreamDestroy_v2(void *s) { free(s); return OK; }
API int cuStreamSynchronize(void *) { CTX; return OK; }
API int cuStreamWaitEvent(void *, void *, unsigned) { CTX; return OK; }
API int cuEventCreate(void **e, unsigned) { CTX; *e = calloc(1, 8); return OK; }
API int cuEventDestroy_v2(void *e) { free(e); return OK; }
API int cuEventRecord(void *e, void *) { CTX; *(double *)e = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); return OK; }
API int cuEventSynchronize(void *) { CTX; return OK; }
API int cuEventElapsedTime(float *ms, void *a, void *b) { *ms = *(double *)b - *(double *)a; return OK; }
static const char *names(int e) {
    switch (e) { case OK: return "CUDA_SUCCESS"; case INVALID_VALUE: return "CUDA_ERROR_INVALID_VALUE"; case OOM: return "CUDA_ERROR_OUT_OF_MEMORY"; case NOT_INIT: return "CUDA_ERROR_NOT_INITIALIZED";
    case INVALID_DEVICE: return "CUDA_ERROR_INVALID_DEVICE"; case INVALID_IMAGE: return "CUDA_ERROR_INVALID_IMAGE"; case INVALID_CONTEXT: return "CUDA_ERROR_INVALID_CONTEXT"; case INVALID_HANDLE: return "CUDA_ERROR_INVALID_HANDLE"; case NOT_FOUND: return "CUDA_ERROR_NOT_FOUND";
    case ILLEGAL_ADDRESS: return "CUDA_ERROR_ILLEGAL_ADDRESS"; case ASSERT: return "CUDA_ERROR_ASSERT"; case LAUNCH_FAILED: return "CUDA_ERROR_LAUNCH_FAILED"; }
    return "CUDA_ERROR_UNKNOWN";                          // never fail: cudarc's Debug unwraps this
}
API int cuGetErrorName(int e, const char **s) { *s = names(e); return OK; }
API int cuGetErrorString(int e, const char **s) { *s = names(e); return OK; }
// ---------------------------------------------------------------- fibres
extern "C" void standin_switch(void **save, void *to);
asm(R"(
.text
.type standin_switch,@function
standin_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
enum { IDLE, RUN, AT_BLOCK, AT_WARP };
struct Fibre { void *sp; char *stack; int state, line; unsigned t; u64 slot; };
static const size_t STACK = 64 << 10;
static StandinState S; static std::vector<Fibre *> pool; static Fibre *cur; static void *sched;
static unsigned next_t, n_t; static void (*thunk)(void **); static void **params; static const char *kname; static int failed;
static bool rev;                                          // STANDIN_ORDER=reverse: last block and last thread first
static void set_tid(unsigned t) { S.tid.x = t % S.bdim.x; S.tid.y = t / S.bdim.x % S.bdim.y; S.tid.z = t / S.bdim.x / S.bdim.y; }
static void leave(int st) { cur->state = st; standin_switch(&cur->sp, sched); }
static void fibre_main() {
    for (;;) {
        while (next_t < n_t && !failed) { cur->state = RUN; cur->t = rev ? n_t - 1 - next_t++ : next_t++; set_tid(cur->t); thunk(params); }   // a thread that never waits costs no switch
        leave(IDLE);
    }
}
static void reset(Fibre *f) {
    void **sp = (void **)(f->stack + STACK) - 2;          // the entry sees rsp = 8 mod 16
    *sp = (void *)fibre_main; sp -= 6; f->sp = sp; f->state = IDLE;
}
static Fibre *fibre(size_t i) {
    if (i == pool.size()) {
        auto *f = new Fibre{}; f->stack = (char *)mmap(nullptr, STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        mprotect(f->stack, 4096, PROT_NONE); f->stack += 4096; reset(f); pool.push_back(f);
    }
    return pool[i];
}
static void resume(Fibre *f) { cur = f; f->state = RUN; set_tid(f->t); standin_switch(&sched, f->sp); }
static void sync_(int kind, int line) { cur->line = line; leave(kind == 1 ? AT_BLOCK : AT_WARP); }
static void trap_(int code, const char *what, const char *file, int line) {
    failed = say(code, "%s:%d: %s in %s, block (%u,%u,%u), thread (%u,%u,%u)", file, line, what, kname, S.bid.x, S.bid.y, S.bid.z, S.tid.x, S.tid.y, S.tid.z);
    Fibre *me = cur; void *dummy; reset(me); standin_switch(&dummy, sched);   // does not come back
}
static thread_local bool in_kernel; static struct sigaction old_segv;
static void on_segv(int sig, siginfo_t *si, void *) {     // a guard page was touched (or the address is wild)
    if (!in_kernel) { sigaction(sig, &old_segv, nullptr); return; }
    char what[80]; snprintf(what, sizeof what, "illegal address %p", si->si_addr); trap_(ILLEGAL_ADDRESS, what, "kernel", 0);
}
static void watch_segv() {
    static thread_local bool done; if (done) return; done = true;
    stack_t st{}; st.ss_size = 64 << 10; st.ss_sp = malloc(st.ss_size); sigaltstack(&st, nullptr);
    struct sigaction a{}; a.sa_sigaction = on_segv; a.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    struct sigaction was; sigaction(SIGSEGV, &a, &was); if (was.sa_sigaction != on_segv) old_segv = was;
}
static std::vector<Fibre *> waiting;
static u64 shfl_(u64 v, unsigned src, int line) {
    Fibre *me = cur; me->slot = v; sync_(2, line); u64 r = v;
    for (Fibre *f : pool) if (f->state != IDLE && f->t / 32 == me->t / 32 && f->t % 32 == src) r = f->slot;
    sync_(2, line); return r;
}
static void run_block() {
    next_t = 0; waiting.clear(); size_t used = 0;
    while (next_t < n_t && !failed) { Fibre *f = fibre(used++); resume(f); if (f->state != IDLE) waiting.push_back(f); }
    while (!waiting.empty() && !failed) {
        std::vector<Fibre *> go; size_t at_block = 0;
        for (size_t i = 0; i < waiting.size();) {         // threads of one warp stand together, in order
            size_t j = i; bool all = true;
            for (; j < waiting.size() && waiting[j]->t / 32 == waiting[i]->t / 32; j++) { all &= waiting[j]->state == AT_WARP; at_block += waiting[j]->state == AT_BLOCK; }
            if (all) go.insert(go.end(), waiting.begin() + i, waiting.begin() + j);
            i = j;
        }
        if (go.empty()) {
            if (at_block != waiting.size()) { failed = say(LAUNCH_FAILED, "%s: threads of one warp wait at a warp and at a block barrier: on a card this hangs", kname); break; }
            for (Fibre *f : waiting) if (f->line != waiting[0]->line) { failed = say(LAUNCH_FAILED, "%s: __syncthreads on lines %d and %d at once: undefined on a card", kname, waiting[0]->line, f->line); break; }
            go = waiting;
        }
        for (Fibre *f : go) { if (failed) break; resume(f); }
        std::vector<Fibre *> left; for (Fibre *f : waiting) if (f->state != IDLE) left.push_back(f);
        waiting.swap(left);
    }
    if (failed) for (Fibre *f : pool) reset(f);
}
// ---------------------------------------------------------------- modules
struct Func { const StandinKernel *k; };
struct Lib { void *h; const StandinKernel *list; };
struct Mod { std::string ptx; std::vector<Lib> own; std::map<std::string, Func *> f; };
static const StandinKernel *find(const Lib &l, const char *n) { for (auto *k = l.list; k; k = k->next) if (!strcmp(k->name, n)) return k; return nullptr; }
static bool open_lib(const char *path, Lib &l) {
    l.h = dlopen(path, RTLD_NOW | RTLD_LOCAL); if (!l.h) { say(INVALID_IMAGE, "%s", dlerror()); return false; }
    auto o = (const StandinKernel *(*)(StandinState *))dlsym(l.h, "standin_open"); l.list = o(&S); return true;
}
static std::vector<Lib> &twins() {                        // STANDIN_KERNELS=a.so:b.so
    static std::vector<Lib> v; static bool done;
    if (!done) { done = true; S.sync = sync_; S.trap = trap_; S.shfl = shfl_;
        std::stringstream ss(getenv("STANDIN_KERNELS") ? getenv("STANDIN_KERNELS") : ""); std::string p; Lib l;
        while (std::getline(ss, p, ':')) if (!p.empty() && open_lib(p.c_str(), l)) v.push_back(l); }
    return v;
}
static bool entry_params(const std::string &ptx, const std::string &name, std::vector<unsigned> &sizes) {   // what the PTX says of the kernel
    size_t a = ptx.find(".entry " + name + "("); if (a == std::string::npos) return false;
    size_t e = ptx.find(')', a + 8 + name.size()); std::string s = ptx.substr(a, e - a);
    for (size_t p = 0; (p = s.find(".param", p)) != std::string::npos;) {
        p += 6; size_t c = s.find_first_of(",", p); std::string d = s.substr(p, c == std::string::npos ? c : c - p); unsigned n = 0;
        for (const char *t : {".u64", ".b64", ".s64", ".f64"}) if (d.find(t) != std::string::npos) n = 8;
        for (const char *t : {".u32", ".b32", ".s32", ".f32"}) if (d.find(t) != std::string::npos) n = 4;
        for (const char *t : {".u16", ".b16", ".s16", ".f16"}) if (d.find(t) != std::string::npos) n = 2;
        for (const char *t : {".u8", ".b8", ".s8"}) if (d.find(t) != std::string::npos) n = 1;
        size_t br = d.find('['); if (br != std::string::npos) n *= atoi(d.c_str() + br + 1);
        sizes.push_back(n);
    }
    return true;
}
API int cuModuleLoadData(void **m, const void *image) {
    CTX; LOCK; twins(); auto *mod = new Mod; mod->ptx = (const char *)image; const char *tag = "// standin-so: "; size_t a = mod->ptx.find(tag);
    if (a != std::string::npos) { a += strlen(tag); Lib l; if (!open_lib(mod->ptx.substr(a, mod->ptx.find('\n', a) - a).c_str(), l)) return INVALID_IMAGE; mod->own.push_back(l); }
    else if (mod->ptx.find(".entry") == std::string::npos) return say(INVALID_IMAGE, "the image is neither PTX nor the stand-in's");
    *m = mod; return OK;
}
API int cuModuleLoad(void **m, const char *path) { std::ifstream f(path); std::stringstream s; s << f.rdbuf(); if (!f) return 301; return cuModuleLoadData(m, s.str().c_str()); }
API int cuModuleUnload(void *m) { (void)m; return OK; }   // libraries stay: another handle may hold their functions
API int cuModuleGetFunction(void **f, void *m, const char *name) {
    CTX; LOCK; auto *mod = (Mod *)m; const StandinKernel *k = nullptr; std::vector<unsigned> sizes; bool ptx = mod->own.empty();
    if (ptx && !entry_params(mod->ptx, name, sizes)) return say(NOT_FOUND, "the PTX has no .entry %s", name);
    for (auto &l : ptx ? twins() : mod->own) if ((k = find(l, name))) break;
    if (!k) return say(NOT_FOUND, "no host twin of %s (STANDIN_KERNELS=%s)", name, getenv("STANDIN_KERNELS"));
    if (ptx) { bool same = (int)sizes.size() == k->n; for (int i = 0; same && i < k->n; i++) same = sizes[i] == k->sizes[i];
        if (!same) return say(INVALID_IMAGE, "%s: the parameters in the PTX are not those of the host twin (%zu and %d of them)", name, sizes.size(), k->n); }
    *f = new Func{k}; return OK;
}
struct Trace { std::set<std::string> ran; ~Trace() { if (const char *f = getenv("STANDIN_TRACE")) { std::ofstream o(f, std::ios::app); for (auto &s : ran) o << s << '\n'; } } };
static Trace trace_;                                      // which kernels ran, written at exit
API int cuFuncSetAttribute(void *, int, int) { return OK; }
API int cuLaunchKernel(void *fn, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *, void **p, void **extra) {
    CTX; LOCK; auto *k = ((Func *)fn)->k;
    if (extra || !gx || !gy || !gz || !bx || !by || !bz || (u64)bx * by * bz > 1024 || bz > 64 || gx > 2147483647u || gy > 65535 || gz > 65535 || shared > 232448)
        return say(INVALID_VALUE, "launch of %s with grid (%u,%u,%u), block (%u,%u,%u), %u bytes shared", k->name, gx, gy, gz, bx, by, bz, shared);
    for (int i = 0; i < k->n; i++) if (k->is_ptr[i]) { u64 q = *(u64 *)p[i]; if (q && !room(q)) return say(ILLEGAL_ADDRESS, "%s: parameter %d, %#llx, is no device memory", k->name, i, q); }
    std::vector<char> dyn(shared + 64, (char)0xFF); trace_.ran.insert(k->name);
    static u64 fail_at = number("STANDIN_FAIL_AT", 0); if (++launches == fail_at) { sticky = say(ILLEGAL_ADDRESS, "as asked for by STANDIN_FAIL_AT"); return OK; }
    S.dyn_shared = (void *)(((u64)dyn.data() + 15) & ~15ull); S.bdim = dim3(bx, by, bz); S.gdim = dim3(gx, gy, gz); n_t = bx * by * bz; thunk = k->thunk; params = p; kname = k->name; failed = 0;
    watch_segv(); in_kernel = true; rev = getenv("STANDIN_ORDER") && !strcmp(getenv("STANDIN_ORDER"), "reverse");
    for (unsigned z = 0; z < gz && !failed; z++) for (unsigned y = 0; y < gy && !failed; y++) for (unsigned x = 0; x < gx && !failed; x++) { if (rev) S.bid = {gx - 1 - x, gy - 1 - y, gz - 1 - z}; else S.bid = {x, y, z}; run_block(); }
    in_kernel = false;
    if (failed) sticky = failed;                          // as on a card: every later call reports it
    return OK;
}
API void standin_stats(u64 *launched, u64 *allocs, u64 *live, u64 *peak) { *launched = launches; *allocs = n_allocs; *live = live_bytes; *peak = peak_bytes; }
API void standin_clear_error() { sticky = 0; }
// ---------------------------------------------------------------- cuBLAS: column major, naive
template <class T, class Acc> static void gemm(int ta, int tb, int m, int n, int k, Acc alpha, const T *a, int lda, const T *b, int ldb, Acc beta, T *c, int ldc) {
    std::vector<Acc> col(m);
    for (int j = 0; j < n; j++) {
        std::fill(col.begin(), col.end(), Acc(0));
        for (int l = 0; l < k; l++) { Acc y = (Acc)(tb ? b[j + (size_t)l * ldb] : b[l + (size_t)j * ldb]);
            if (ta) for (int i = 0; i < m; i++) col[i] += (Acc)a[l + (size_t)i * lda] * y; else for (int i = 0; i < m; i++) col[i] += (Acc)a[i + (size_t)l * lda] * y; }
        for (int i = 0; i < m; i++) { T &o = c[i + (size_t)j * ldc]; o = (T)(beta == Acc(0) ? alpha * col[i] : alpha * col[i] + beta * (Acc)o); }   // beta 0: C is not read
    }
}
static size_t span(int t, int rows, int cols, int ld) { if (t) std::swap(rows, cols); return rows && cols ? (size_t)(cols - 1) * ld + rows : 0; }
template <class T, class Acc> static int gemms(int ta, int tb, int m, int n, int k, Acc alpha, const T *a, int lda, long long sa, const T *b, int ldb, long long sb, Acc beta, T *c, int ldc, long long sc, int batch) {
    if (!has_ctx) return say(14, "cuBLAS: no context is current on this thread");
    if (m < 0 || n < 0 || k < 0 || batch < 0 || lda < std::max(1, ta ? k : m) || ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m)) return say(7, "cuBLAS gemm: m %d n %d k %d lda %d ldb %d ldc %d", m, n, k, lda, ldb, ldc);
    if (!batch || !m || !n) return 0;
    if (!inside((u64)(a + sa * (batch - 1)), span(ta, m, k, lda) * sizeof(T)) || !inside((u64)(b + sb * (batch - 1)), span(tb, k, n, ldb) * sizeof(T)) || !inside((u64)(c + sc * (batch - 1)), span(0, m, n, ldc) * sizeof(T)))
        return say(14, "cuBLAS gemm: an operand reaches past its device allocation");
    LOCK; for (int i = 0; i < batch; i++) gemm<T, Acc>(ta, tb, m, n, k, alpha, a + sa * i, lda, b + sb * i, ldb, beta, c + sc * i, ldc);
    return 0;
}
API int cublasCreate_v2(void **h) { *h = malloc(1); return 0; }
API int cublasDestroy_v2(void *h) { free(h); return 0; }
API int cublasSetStream_v2(void *, void *) { return 0; }
API int cublasSgemm_v2(void *, int ta, int tb, int m, int n, int k, const float *al, const float *a, int lda, const float *b, int ldb, const float *be, float *c, int ldc) { return gemms<float, float>(ta, tb, m, n, k, *al, a, lda, 0, b, ldb, 0, *be, c, ldc, 0, 1); }
API int cublasDgemm_v2(void *, int ta, int tb, int m, int n, int k, const double *al, const double *a, int lda, const double *b, int ldb, const double *be, double *c, int ldc) { return gemms<double, double>(ta, tb, m, n, k, *al, a, lda, 0, b, ldb, 0, *be, c, ldc, 0, 1); }
API int cublasSgemmStridedBatched(void *, int ta, int tb, int m, int n, int k, const float *al, const float *a, int lda, long long sa, const float *b, int ldb, long long sb, const float *be, float *c, int ldc, long long sc, int batch) { return gemms<float, float>(ta, tb, m, n, k, *al, a, lda, sa, b, ldb, sb, *be, c, ldc, sc, batch); }
API int cublasDgemmStridedBatched(void *, int ta, int tb, int m, int n, int k, const double *al, const double *a, int lda, long long sa, const double *b, int ldb, long long sb, const double *be, double *c, int ldc, long long sc, int batch) { return gemms<double, double>(ta, tb, m, n, k, *al, a, lda, sa, b, ldb, sb, *be, c, ldc, sc, batch); }
API int cublasGemmStridedBatchedEx(void *, int ta, int tb, int m, int n, int k, const void *al, const void *a, int at, int lda, long long sa, const void *b, int bt, int ldb, long long sb, const void *be, void *c, int ct, int ldc, long long sc, int batch, int compute, int) {
    if (at != bt || at != ct) return 15;
    if (at == 0) return gemms<float, float>(ta, tb, m, n, k, *(float *)al, (float *)a, lda, sa, (float *)b, ldb, sb, *(float *)be, (float *)c, ldc, sc, batch);
    if (at == 2) { float x = compute == 64 ? (float)*(_Float16 *)al : *(float *)al, y = compute == 64 ? (float)*(_Float16 *)be : *(float *)be;   // 64: CUBLAS_COMPUTE_16F
        return gemms<_Float16, float>(ta, tb, m, n, k, x, (_Float16 *)a, lda, sa, (_Float16 *)b, ldb, sb, y, (_Float16 *)c, ldc, sc, batch); }
    return 15;
}
API int cublasGemmEx(void *h, int ta, int tb, int m, int n, int k, const void *al, const void *a, int at, int lda, const void *b, int bt, int ldb, const void *be, void *c, int ct, int ldc, int compute, int algo) {
    return cublasGemmStridedBatchedEx(h, ta, tb, m, n, k, al, a, at, lda, 0, b, bt, ldb, 0, be, c, ct, ldc, 0, 1, compute, algo); }
// ---------------------------------------------------------------- NVRTC: g++ makes a library, the "PTX" names it
struct Prog { std::string src, log, ptx; };
API int nvrtcCreateProgram(void **p, const char *src, const char *, int, const char *const *, const char *const *) { *p = new Prog{src, "", ""}; return 0; }
API int nvrtcDestroyProgram(void **p) { delete (Prog *)*p; return 0; }
API int nvrtcCompileProgram(void *pp, int n, const char *const *opts) {
    auto *p = (Prog *)pp; std::string base = getenv("STANDIN_CACHE") ? getenv("STANDIN_CACHE") : "/tmp";
    char key[64]; snprintf(key, sizeof key, "/jit-%016zx", std::hash<std::string>()(p->src)); std::string kept = base + key + ".so";
    if (getenv("STANDIN_CACHE") && !access(kept.c_str(), R_OK)) { p->ptx = "// standin-so: " + kept + "\n"; return 0; }
    std::string pattern = base + "/jit-XXXXXX"; if (!mkdtemp(&pattern[0])) return 6;
    std::string d = pattern; { std::ofstream(d + "/k.cu") << p->src; }
    Dl_info me; dladdr((void *)&S, &me); char *real = realpath(me.dli_fname, nullptr); std::string here = real; free(real); here = getenv("STANDIN_SOURCE") ? getenv("STANDIN_SOURCE") : here.substr(0, here.rfind('/')) + "/..";
    std::string cmd = "'" + here + "/hostcc' " + d + "/k.so";
    for (int i = 0; i < n; i++) { std::string o = opts[i]; if (o.rfind("--include-path=", 0) == 0) cmd += " '-I" + o.substr(15) + "'"; }
    int rc = system((cmd + " " + d + "/k.cu > " + d + "/log 2>&1").c_str());
    std::stringstream s; s << std::ifstream(d + "/log").rdbuf(); p->log = s.str();
    if (rc) return 6;
    if (!getenv("STANDIN_CACHE")) { p->ptx = "// standin-so: " + d + "/k.so\n"; return 0; }
    if (rename((d + "/k.so").c_str(), kept.c_str())) return 6;
    p->ptx = "// standin-so: " + kept + "\n"; return 0;
}
API int nvrtcVersion(int *major, int *minor) { *major = 13; *minor = 0; return 0; }
API int nvrtcGetPTXSize(void *p, size_t *n) { *n = ((Prog *)p)->ptx.size() + 1; return 0; }
API int nvrtcGetPTX(void *p, char *o) { strcpy(o, ((Prog *)p)->ptx.c_str()); return 0; }
API int nvrtcGetProgramLogSize(void *p, size_t *n) { *n = ((Prog *)p)->log.size() + 1; return 0; }
API int nvrtcGetProgramLog(void *p, char *o) { strcpy(o, ((Prog *)p)->log.c_str()); return 0; }
// ---------------------------------------------------------------- NVML: who holds what, asked without a context
struct NvmlMemory { unsigned version; u64 total, reserved, free, used; };
struct NvmlProcess { unsigned pid; u64 memory; unsigned instances[2]; };
API int nvmlInit_v2() { return number("STANDIN_INIT", 0) ? 9 : 0; }          // 9: the driver is not loaded
API int nvmlDeviceGetCount_v2(unsigned *n) { *n = number("STANDIN_CARDS", 1); return 0; }
API int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { if (i >= number("STANDIN_CARDS", 1)) return 2; *d = (void *)0x4E4; return 0; }
API int nvmlDeviceGetHandleByUUID(const char *, void **) { return 6; }
API int nvmlDeviceGetName(void *, char *s, unsigned n) { snprintf(s, n, "stand-in (host)"); return 0; }
API int nvmlDeviceGetUtilizationRates(void *, unsigned *rates) { rates[0] = 97; rates[1] = 40; return 0; }
API int nvmlDeviceGetMemoryInfo_v2(void *d, NvmlMemory *m) {
    if (d != (void *)0x4E4 || m->version != (sizeof(NvmlMemory) | 2 << 24)) return say(2, "nvmlDeviceGetMemoryInfo_v2: version %#x", m->version);
    LOCK; m->total = limit(); m->reserved = 0; m->used = std::min(live_bytes + others(), limit()); m->free = m->total - m->used; return 0;
}
API int nvmlDeviceGetComputeRunningProcesses_v3(void *, unsigned *count, NvmlProcess *p) {
    LOCK; std::vector<NvmlProcess> all; if (retained) all.push_back({(unsigned)getpid(), live_bytes, {}}); if (others()) all.push_back({4242, others(), {}});
    if (*count < all.size()) { *count = all.size(); return 7; }
    std::copy(all.begin(), all.end(), p); *count = all.size(); return 0;
}
// ---------------------------------------------------------------- cuDNN: N x H x W x C, plain loops, every descriptor checked
struct Desc { int kind, v[8]; int math, type; };          // kind 1 tensor (n c h w), 2 filter (k c h w), 3 convolution (ph pw sh sw dh dw); type 0 f32, 9 bf16
enum { BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };
static bool is(void *d, int kind) { return d && ((Desc *)d)->kind == kind; }
static int make(void **d, int kind) { *d = new Desc{kind, {-1, -1, -1, -1}, 0, 0}; return 0; }
API size_t cudnnGetVersion() { return 91900; }
API const char *cudnnGetErrorString(int e) { return e == BAD_PARAM ? "CUDNN_STATUS_BAD_PARAM" : e == NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED" : "CUDNN_STATUS"; }
API int cudnnCreate(void **h) { if (!has_ctx) return 1001; *h = (void *)0xD22; return 0; }
API int cudnnCreateTensorDescriptor(void **d) { return make(d, 1); }
API int cudnnCreateFilterDescriptor(void **d) { return make(d, 2); }
API int cudnnCreateConvolutionDescriptor(void **d) { return make(d, 3); }
API int cudnnSetTensor4dDescriptor(void *d, int format, int type, int n, int c, int h, int w) {
    if (!is(d, 1) || format != 1 || (type != 0 && type != 9) || n < 1 || c < 1 || h < 1 || w < 1) return say(BAD_PARAM, "cudnnSetTensor4dDescriptor");
    Desc *t = (Desc *)d; t->type = type; t->v[0] = n; t->v[1] = c; t->v[2] = h; t->v[3] = w; return 0;
}
API int cudnnSetFilter4dDescriptor(void *d, int type, int format, int k, int c, int h, int w) {
    if (!is(d, 2) || format != 1 || (type != 0 && type != 9) || k < 1 || c < 1 || h < 1 || w < 1) return say(BAD_PARAM, "cudnnSetFilter4dDescriptor");
    Desc *t = (Desc *)d; t->type = type; t->v[0] = k; t->v[1] = c; t->v[2] = h; t->v[3] = w; return 0;
}
API int cudnnSetConvolution2dDescriptor(void *d, int ph, int pw, int sh, int sw, int dh, int dw, int mode, int type) {
    if (!is(d, 3) || ph < 0 || pw < 0 || sh < 1 || sw < 1 || dh < 1 || dw < 1 || mode != 1 || type != 0) return say(BAD_PARAM, "cudnnSetConvolution2dDescriptor");
    Desc *t = (Desc *)d; int v[] = {ph, pw, sh, sw, dh, dw}; std::copy(v, v + 6, t->v); return 0;
}
API int cudnnSetConvolutionMathType(void *d, int math) { if (!is(d, 3) || (math != 0 && math != 1 && math != 3)) return say(BAD_PARAM, "cudnnSetConvolutionMathType"); ((Desc *)d)->math = math; return 0; }
struct Perf { int algo, status; float time; size_t memory; int determinism, math, reserved[3]; };
static const size_t NEEDS = 4096;                         // bytes of workspace that the one algorithm wants
static int fits(void *x, void *w, void *c, void *y) {     // do the four descriptors belong together?
    if (!is(x, 1) || !is(w, 2) || !is(c, 3) || !is(y, 1)) return say(BAD_PARAM, "cuDNN: descriptors of other kinds");
    int *a = ((Desc *)x)->v, *f = ((Desc *)w)->v, *k = ((Desc *)c)->v, *o = ((Desc *)y)->v;
    int oh = (a[2] + 2 * k[0] - k[4] * (f[2] - 1) - 1) / k[2] + 1, ow = (a[3] + 2 * k[1] - k[5] * (f[3] - 1) - 1) / k[3] + 1;
    if (a[1] != f[1] || o[0] != a[0] || o[1] != f[0] || o[2] != oh || o[3] != ow) return say(BAD_PARAM, "cuDNN: sizes that do not fit: x %dx%dx%dx%d, w %dx%dx%dx%d, y %dx%dx%dx%d", a[0], a[1], a[2], a[3], f[0], f[1], f[2], f[3], o[0], o[1], o[2], o[3]);
    int type = ((Desc *)x)->type;
    if (((Desc *)w)->type != type || ((Desc *)y)->type != type) return say(BAD_PARAM, "cuDNN: operands of different types");
    if ((type == 9) != (((Desc *)c)->math == 1)) return say(BAD_PARAM, "cuDNN: math %d for operands of type %d", ((Desc *)c)->math, type);
    if (k[4] * k[5] != 1 && k[4] == 2) return NOT_SUPPORTED;   // so that the way without cuDNN is walked too
    if (type == 9 && a[1] == 3) return NOT_SUPPORTED;          // and the way by f32
    return 0;
}
static int one(void *c, int room, int *count, Perf *p) { if (room < 1) return BAD_PARAM; p[0] = Perf{1, 0, 0.1f, NEEDS, 1, ((Desc *)c)->math, {}}; *count = 1; return 0; }
static size_t values(void *d) { int *v = ((Desc *)d)->v; return (size_t)v[0] * v[1] * v[2] * v[3]; }
static size_t bytes(void *d) { return (((Desc *)d)->type == 9 ? 2 : 4) * values(d); }
struct Floats {                                           // what lies at p, as f32
    std::vector<float> own; const float *p;
    Floats(void *d, u64 at) : p((const float *)at) {
        if (((Desc *)d)->type != 9) return;
        own.resize(values(d)); for (size_t i = 0; i < own.size(); i++) { unsigned b = (unsigned)((const unsigned short *)at)[i] << 16; memcpy(&own[i], &b, 4); }
        p = own.data();
    }
};
static unsigned short bf16_of(float v) { unsigned b; memcpy(&b, &v, 4); return v != v ? b >> 16 | 64 : (b + 0x7fff + (b >> 16 & 1)) >> 16; }
static int operands(void *a, u64 pa, void *b, u64 pb, void *c, u64 pc, u64 ws, size_t n, size_t needs) {
    if (!has_ctx) return say(4000, "cuDNN: no context is current on this thread");
    if (sticky) return say(5000, "cuDNN: the context has failed");
    if (!inside(pa, bytes(a)) || !inside(pb, bytes(b)) || !inside(pc, bytes(c)) || n < needs || !inside(ws, n)) return say(BAD_PARAM, "cuDNN: an operand or the workspace reaches past its device allocation");
    memset((void *)ws, 0xFF, std::min(n, (size_t)65536)); return 0;   // whoever kept something there loses it
}
// calls f(x, w, y) with the offsets of each product's three first values, the channels of x and w lying side by side
template <class F> static void taps(void *xd, void *wd, void *cd, void *yd, F f) {
    int *a = ((Desc *)xd)->v, *k = ((Desc *)cd)->v, *q = ((Desc *)wd)->v, *o = ((Desc *)yd)->v;
    for (int n = 0; n < o[0]; n++) for (int oy = 0; oy < o[2]; oy++) for (int ox = 0; ox < o[3]; ox++) for (int ky = 0; ky < q[2]; ky++) {
        int iy = oy * k[2] - k[0] + ky * k[4]; if (iy < 0 || iy >= a[2]) continue;
        for (int kx = 0; kx < q[3]; kx++) {
            int ix = ox * k[3] - k[1] + kx * k[5]; if (ix < 0 || ix >= a[3]) continue;
            f((((size_t)n * a[2] + iy) * a[3] + ix) * a[1], ((size_t)ky * q[3] + kx) * a[1], (((size_t)n * o[2] + oy) * o[3] + ox) * o[1]);
        }
    }
}
#define CONV_SIZES int C = ((Desc *)xd)->v[1], K = ((Desc *)yd)->v[1]; size_t row = (size_t)((Desc *)wd)->v[2] * ((Desc *)wd)->v[3] * C
static void mix(void *d, u64 at, const std::vector<float> &sum, float beta) {   // beta 0: not read
    Floats there(d, at); bool half = ((Desc *)d)->type == 9;
    for (size_t i = 0; i < sum.size(); i++) { float v = beta == 0 ? sum[i] : sum[i] + beta * there.p[i]; if (half) ((unsigned short *)at)[i] = bf16_of(v); else ((float *)at)[i] = v; }
}
API int cudnnConvolutionForward(void *, const float *al, void *xd, u64 x, void *wd, u64 w, void *cd, int algo, u64 ws, size_t n, const float *be, void *yd, u64 y) {
    if (int e = fits(xd, wd, cd, yd)) return e; if (int e = operands(xd, x, wd, w, yd, y, ws, n, NEEDS)) return e; if (algo != 1 || *al != 1) return BAD_PARAM;
    LOCK; CONV_SIZES; Floats xs(xd, x), ws_(wd, w); const float *X = xs.p, *W = ws_.p; std::vector<float> sum(values(yd));
    taps(xd, wd, cd, yd, [&](size_t i, size_t f, size_t o) { for (int k = 0; k < K; k++) { const float *a = X + i, *b = W + f + k * row; float s = 0; for (int c = 0; c < C; c++) s += a[c] * b[c]; sum[o + k] += s; } });
    mix(yd, y, sum, *be); return 0;
}
API int cudnnConvolutionBackwardData(void *, const float *al, void *wd, u64 w, void *yd, u64 y, void *cd, int algo, u64 ws, size_t n, const float *be, void *xd, u64 x) {
    if (int e = fits(xd, wd, cd, yd)) return e; if (int e = operands(xd, x, wd, w, yd, y, ws, n, NEEDS)) return e; if (algo != 1 || *al != 1) return BAD_PARAM;
    LOCK; CONV_SIZES; Floats ys(yd, y), ws_(wd, w); const float *Y = ys.p, *W = ws_.p; std::vector<float> sum(values(xd));
    taps(xd, wd, cd, yd, [&](size_t i, size_t f, size_t o) { for (int k = 0; k < K; k++) { float *a = &sum[i], g = Y[o + k]; const float *b = W + f + k * row; for (int c = 0; c < C; c++) a[c] += g * b[c]; } });
    mix(xd, x, sum, *be); return 0;
}
API int cudnnConvolutionBackwardFilter(void *, const float *al, void *xd, u64 x, void *yd, u64 y, void *cd, int algo, u64 ws, size_t n, const float *be, void *wd, u64 w) {
    if (int e = fits(xd, wd, cd, yd)) return e; if (int e = operands(xd, x, wd, w, yd, y, ws, n, NEEDS)) return e; if (algo != 1 || *al != 1) return BAD_PARAM;
    LOCK; CONV_SIZES; Floats ys(yd, y), xs(xd, x); const float *Y = ys.p, *X = xs.p; std::vector<float> sum(values(wd));
    taps(xd, wd, cd, yd, [&](size_t i, size_t f, size_t o) { for (int k = 0; k < K; k++) { float *b = &sum[f + k * row], g = Y[o + k]; const float *a = X + i; for (int c = 0; c < C; c++) b[c] += g * a[c]; } });
    mix(wd, w, sum, *be); return 0;
}
API int cudnnGetConvolutionForwardAlgorithm_v7(void *, void *x, void *w, void *c, void *y, int room, int *count, Perf *p) { int e = fits(x, w, c, y); return e ? e : one(c, room, count, p); }
API int cudnnGetConvolutionBackwardDataAlgorithm_v7(void *, void *w, void *y, void *c, void *x, int room, int *count, Perf *p) { int e = fits(x, w, c, y); return e ? e : one(c, room, count, p); }
API int cudnnGetConvolutionBackwardFilterAlgorithm_v7(void *, void *x, void *y, void *c, void *w, int room, int *count, Perf *p) { int e = fits(x, w, c, y); return e ? e : one(c, room, count, p); }
