// The card's own kernels. A map lies as N x H x W x C, so that neighbouring threads read neighbouring channels; weights of
// a convolution as O x H x W x I, of a depthwise one as H x W x C. Sums go in two steps, blocks and then their partial
// sums in order, never by atomics: the same photos give the same bits. Compiled by NVRTC at first use, and by g++ for
// the stand-in of the tests, so: no library, no warp tricks without a plain twin.

typedef unsigned int u32;

// ---- how a map is stored: in f32, or in the upper half of one (bf16), rounded to the nearest, ties to even. All sums are of f32,
// as are parameters, their gradients and statistics

struct bf16 {
    unsigned short bits;
    __device__ __forceinline__ operator float() const { return __uint_as_float((u32)bits << 16); }
    __device__ __forceinline__ bf16 &operator=(float v) {
        u32 b = __float_as_uint(v);
        // what is no number stays none
        bits = (unsigned short)((b & 0x7fffffff) > 0x7f800000 ? b >> 16 | 64 : (b + 0x7fff + (b >> 16 & 1)) >> 16);
        return *this;
    }
};

#ifdef HALF_MAPS
typedef bf16 real;
#else
typedef float real;
#endif

#define KERNEL extern "C" __global__ void
#define THREADS 256

// ---- activations: 0 identity, 1 relu, 2 silu, 3 sigmoid, 4 relu6, 5 hardswish, 6 hardsigmoid, 7 gelu

__device__ __forceinline__ float sigmoid_of(float x) { return 1.0f / (1.0f + expf(-x)); }

// the normal distribution's sum
__device__ __forceinline__ float normal_sum(float x) { return 0.5f * (1.0f + erff(x * 0.70710678f)); }

// what is no number stays none
__device__ __forceinline__ float clamp6(float x) { return x <= 0.0f ? 0.0f : x >= 6.0f ? 6.0f : x; }

__device__ __forceinline__ float act(int which, float x) {
    if (which == 1) return x <= 0.0f ? 0.0f : x;  // what is no number stays none
    if (which == 2) return x * sigmoid_of(x);
    if (which == 3) return sigmoid_of(x);
    if (which == 4) return clamp6(x);
    if (which == 5) return x * (clamp6(x + 3.0f) * (1.0f / 6.0f));
    if (which == 6) return clamp6(x + 3.0f) * (1.0f / 6.0f);
    if (which == 7) return x * normal_sum(x);
    return x;
}

__device__ __forceinline__ float act_back(int which, float x, float g) {
    if (which == 1) return x > 0.0f ? g : 0.0f;
    if (which == 2) { float s = sigmoid_of(x); return g * s * (1.0f + x * (1.0f - s)); }
    if (which == 3) { float s = sigmoid_of(x); return g * s * (1.0f - s); }
    if (which == 4) return x > 0.0f && x < 6.0f ? g : 0.0f;
    if (which == 5) return x > -3.0f ? x < 3.0f ? g * (x * (1.0f / 3.0f) + 0.5f) : g : 0.0f;
    if (which == 6) return x + 3.0f > 0.0f && x + 3.0f < 6.0f ? g * (1.0f / 6.0f) : 0.0f;
    if (which == 7) return g * (normal_sum(x) + x * expf(-0.5f * x * x) * 0.3989423f);
    return g;
}

// ---- four values at once where the channels are a multiple of four

template <int V> __device__ __forceinline__ void load(float (&r)[V], const float *p) {
    if (V == 4) {
        float4 t = *(const float4 *)p;
        r[0] = t.x;
        r[1 % V] = t.y;
        r[2 % V] = t.z;
        r[3 % V] = t.w;
    } else {
        r[0] = *p;
    }
}

struct alignas(8) bf16_4 {
    bf16 v[4];
};

template <int V> __device__ __forceinline__ void load(float (&r)[V], const bf16 *p) {
    if (V == 4) {
        bf16_4 t = *(const bf16_4 *)p;
        for (int k = 0; k < 4; k++) r[k % V] = t.v[k];
    } else {
        r[0] = *p;
    }
}

template <int V> __device__ __forceinline__ void store(bf16 *p, const float (&r)[V]) {
    if (V == 4) {
        bf16_4 t;
        for (int k = 0; k < 4; k++) t.v[k] = r[k % V];
        *(bf16_4 *)p = t;
    } else {
        *p = r[0];
    }
}

template <int V> __device__ __forceinline__ void store(float *p, const float (&r)[V]) {
    if (V == 4)
        *(float4 *)p = make_float4(r[0], r[1 % V], r[2 % V], r[3 % V]);
    else
        *p = r[0];
}

__device__ __forceinline__ u32 global_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

// a kernel for groups of four values and one for single ones; `n` counts groups, `i` is the first value of one
#define BOTH(name, params, args) \
    KERNEL name##_4 params { name<4> args; } \
    KERNEL name##_1 params { name<1> args; }
